/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/judge_internal.h — what the files behind judge.h share.
 *
 *   judge.c        points, ticks, what comes out
 *   judge_entry.c  which detector is whose: they come, go, and are inherited
 *   judge_keep.c   what grows, from one daemon to the next
 */
#ifndef USER_DAEMON_JUDGE_INTERNAL_H
#define USER_DAEMON_JUDGE_INTERNAL_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/judge.h"

#define JUDGE_PROCESS 0 /* in place of a stack's id: the process as a whole */

/* No padding: the table hashes bytes. */
struct judge_key {
	uint64_t stack;
	uint64_t start_ticks;
	int64_t pid;
};

/* Who may take over a detector whose process has ended. */
struct judge_heir {
	uint64_t stack;
	uint64_t process; /* same for one that takes the place of another */
};

struct judge_entry {
	struct judge_key key;
	struct judge_heir heir;
	struct detect *detect;
	struct detect_verdict verdict;
	uint64_t alert; /* alert_cause.key */
	double live_bytes;
	int64_t fulls; /* full collections at the last point; -1: not known */
	double ended_sec; /* waiting: when its process did */
	bool is_revived; /* waiting: in place of a daemon before us, so its process may be there */
	uint64_t fed; /* tick */
	struct detect_limits limits; /* in force since its history began */
	uint64_t limits_of; /* judge.settled when they were asked for */
	UT_hash_handle hh;
};

struct judge {
	struct detect_limits limits;
	judge_limits_t limits_of; /* NULL: all have the same */
	void *userdata; /* of limits_of */
	uint64_t settled; /* how often limits were set, at least 1 */
	struct judge_entry *entries; /* by key */
	struct judge_entry *waiting; /* by heir: their processes have ended; several may be equal */
	size_t n_stacks; /* of the entries; the rest are processes */
	uint64_t tick, lost;
	double last_sec, to_unix_sec; /* NAN: no tick yet */
};

/* The processes of a snapshot that are judged, by PID. */
struct judge_people {
	const struct snapshot_process **v;
	size_t n;
};

/* What a tick looks at. */
struct judge_round {
	struct judge *judge;
	struct judge_people people;
	const struct gather_birth *births; /* sorted */
	size_t n_births;
	double now_sec;
	struct judge_entry *
		*quiet; /* least bytes first: whose place could be taken; NULL: not listed */
	size_t n_quiet, next_quiet;
};

/* The processes of a snapshot that are judged. 0 or -ENOMEM. */
int judge_people_new(const struct snapshot *s, struct judge_people *ret);
void judge_people_done(struct judge_people *p);
/* NULL: none that is judged. */
const struct snapshot_process *judge_people_get(const struct judge_people *p, pid_t pid);
/* Whose stack an entry is of; NULL: it has ended. */
const struct snapshot_process *judge_process_of(const struct judge_people *p,
						const struct judge_entry *e);

bool judge_is_growing(const struct judge_entry *e);
struct judge_key judge_key_of(const struct snapshot_process *p, uint64_t stack);
/* NULL: there is none. */
struct judge_entry *judge_entry_find(const struct judge *j, const struct snapshot_process *p,
				     uint64_t stack);
/* The detector of a stack, or of a process: found, inherited or made. NULL: it is not judged,
 * counted if for want of room. */
struct judge_entry *judge_entry_of(struct judge_round *r, const struct snapshot_process *p,
				   const struct snapshot_stack *s);
struct judge_entry *judge_entry_of_process(struct judge *j, const struct snapshot_process *p);
void judge_entry_del(struct judge *j, struct judge_entry *e);
/* Its process has ended: what grows waits for an heir, all else is deleted. */
void judge_entry_end(struct judge *j, struct judge_entry *e, double now_sec);
/* Takes `e` over, also if it fails. 0, -ENOSPC or -ENOMEM. */
int judge_waiting_add(struct judge *j, struct judge_entry *e);
/* Those that have waited for long enough. Who was revived and whose process is there has stopped,
 * and says so for a tick. people NULL: all go. */
void judge_waiting_expire(struct judge *j, const struct judge_people *people, double now_sec);

#endif
