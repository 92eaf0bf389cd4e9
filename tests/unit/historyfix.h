/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/unit/historyfix.h — a history in a directory of its own, and a snapshot to put into it: for
 * the tests of user/report/history*.c. Real databases, in memory if the host has /dev/shm, since
 * what is tested is not the disk. Time is an argument.
 */
#ifndef TESTS_UNIT_HISTORYFIX_H
#define TESTS_UNIT_HISTORYFIX_H

#include <sqlite3.h>
#include <stdbool.h>
#include <unistd.h>

#include "lib/log.h"
#include "report/history.h"
#include "test.h"

#define T0	   1767225600.0 /* begins a quarter of an hour */
#define MAX_STACKS 3000

struct fixture {
	char dir[64], db[100];
	struct history_options options;
	struct history *h;
	struct snapshot_process processes[3];
	struct snapshot_stack stacks[MAX_STACKS];
	struct snapshot snapshot;
};

static const struct snapshot_frame frames[] = {
	{ "Cache.put", "/srv/app/cache.py", 17, true },
	{ "handle\x1b\xff", "/srv/app/web.py", 40, true },
	{ "run", "/usr/lib/python3.11/asyncio/events.py", 80, false },
};

static inline uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static inline void open_ok(struct fixture *f, double now)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

	if (history_open(&f->options, now, &why, &f->h) < 0)
		fail_msg("%s", why.buf);
}

static inline void reopen(struct fixture *f, double now)
{
	history_close(f->h);
	f->h = NULL;
	open_ok(f, now);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	log_set_level(LOG_LEVEL_ERR);
	snprintf(f->dir, sizeof(f->dir), "%s/pygrowd-test-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->db, sizeof(f->db), "%s/history.db", f->dir);
	history_options_init(&f->options);
	f->options.dir = f->dir;
	for (int i = 0; i < 3; i++)
		f->processes[i] = (struct snapshot_process){ .pid = 100 + i,
							     .comm = "python3",
							     .cmdline = "python3 app.py",
							     .python = "3.11.2",
							     .build_id = "0123abcd" };
	for (size_t i = 0; i < MAX_STACKS; i++)
		f->stacks[i] = (struct snapshot_stack){ .id = (i + 1) * 0x9e3779b97f4a7c15u,
							.pid = 100,
							.frames = frames,
							.n_frames = ARRAY_SIZE(frames) };
	f->snapshot = (struct snapshot){
		.processes = f->processes, .n_processes = 3, .stacks = f->stacks, .n_stacks = 1
	};
	open_ok(f, T0);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	history_close(f->h);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	free(f);
	return system(command);
}

static inline uint64_t key_of(const struct fixture *f)
{
	return history_process_key(&f->processes[0]);
}

static inline void add(struct fixture *f, double now, double live_bytes)
{
	f->stacks[0].live_bytes = live_bytes;
	assert_ok(history_add(f->h, &f->snapshot, now));
}

/* What the only stack held at a moment. */
static inline double live_at(struct fixture *f, double time)
{
	struct history_snapshot s;
	double live;

	assert_ok(history_snapshot_at(f->h, time, &s));
	assert_int_equal(s.n, 1);
	live = s.stacks[0].live_bytes;
	history_snapshot_done(&s);
	return live;
}

/* A database of some megabytes, with big figures. */
static inline void fill(struct fixture *f, int first, int end)
{
	f->snapshot.n_stacks = HISTORY_NEW_MAX * 2;
	for (int tick = first; tick < end; tick++) {
		for (size_t i = 0; i < f->snapshot.n_stacks; i++)
			f->stacks[i].live_bytes = f->stacks[i].live_bytes_error = 1e15;
		assert_ok(history_add(f->h, &f->snapshot, T0 + tick * 10));
	}
}

static inline void sql(struct fixture *f, const char *text)
{
	sqlite3 *db;

	history_close(f->h);
	f->h = NULL;
	assert_ok(sqlite3_open(f->db, &db));
	assert_ok(sqlite3_exec(db, text, NULL, NULL, NULL));
	assert_ok(sqlite3_close(db));
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
