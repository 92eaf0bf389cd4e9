/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/judge_entry.c — which detector is whose? See judge_internal.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/judge_internal.h"
#include "lib/fnv.h"
#include "report/history.h"

#define MORE_THAN 2.0 /* times what a quiet one holds: who takes its place */

/* ── who is who ───────────────────────────────────────────────────────────────────────────── */

static bool is_judged(const struct snapshot_process *p)
{
	return !p->is_gone && p->regime && strcmp(p->regime, "unsupported") &&
	       strcmp(p->regime, "excluded");
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = (*(const struct snapshot_process *const *)a)->pid;
	pid_t y = (*(const struct snapshot_process *const *)b)->pid;

	return x < y ? -1 : x > y;
}

int judge_people_new(const struct snapshot *s, struct judge_people *ret)
{
	ret->v = calloc(s->n_processes + 1, sizeof(ret->v[0]));
	ret->n = 0;
	if (!ret->v)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_processes; i++)
		if (is_judged(&s->processes[i]))
			ret->v[ret->n++] = &s->processes[i];
	qsort(ret->v, ret->n, sizeof(ret->v[0]), by_pid);
	return 0;
}

void judge_people_done(struct judge_people *p)
{
	free(p->v);
}

const struct snapshot_process *judge_people_get(const struct judge_people *p, pid_t pid)
{
	const struct snapshot_process wanted = { .pid = pid }, *at = &wanted;
	const struct snapshot_process **found = bsearch(&at, p->v, p->n, sizeof(p->v[0]), by_pid);

	return found ? *found : NULL;
}

const struct snapshot_process *judge_process_of(const struct judge_people *people,
						const struct judge_entry *e)
{
	const struct snapshot_process *p = judge_people_get(people, (pid_t)e->key.pid);

	return p && p->start_ticks == e->key.start_ticks ? p : NULL;
}

static uint64_t hash_text(uint64_t hash, const char *s)
{
	for (; s && *s; s++)
		hash = (hash ^ (unsigned char)*s) * FNV_PRIME;
	return (hash ^ 0xff) * FNV_PRIME;
}

/* One alert is one function of application code in one service, or in one program that is none. */
static uint64_t alert_key(const struct judge_round *r, const struct snapshot_process *p,
			  const struct snapshot_stack *s)
{
	const struct snapshot_process *first = judge_people_get(&r->people, p->group);
	uint64_t hash = FNV_BASIS;

	if (p->service)
		hash = hash_text(hash, p->service);
	else
		hash = (hash ^ history_process_key(first ? first : p)) * FNV_PRIME;
	if (s->blame < 0 || (size_t)s->blame >= s->n_frames)
		return hash;
	return hash_text(hash_text(hash, s->frames[s->blame].file), s->frames[s->blame].function);
}

struct judge_key judge_key_of(const struct snapshot_process *p, uint64_t stack)
{
	return (struct judge_key){ stack, p->start_ticks, p->pid };
}

struct judge_entry *judge_entry_find(const struct judge *j, const struct snapshot_process *p,
				     uint64_t stack)
{
	struct judge_key key = judge_key_of(p, stack);
	struct judge_entry *e = NULL;

	HASH_FIND(hh, j->entries, &key, sizeof(key), e);
	return e;
}

/* ── detectors come and go ────────────────────────────────────────────────────────────────── */

void judge_entry_del(struct judge *j, struct judge_entry *e)
{
	HASH_DEL(j->entries, e);
	j->n_stacks -= e->key.stack != JUDGE_PROCESS;
	detect_free(e->detect);
	free(e);
}

static int entry_put(struct judge *j, struct judge_entry *e)
{
	HASH_ADD(hh, j->entries, key, sizeof(e->key), e);
	if (!e->hh.tbl)
		return -ENOMEM;
	j->n_stacks += e->key.stack != JUDGE_PROCESS;
	return 0;
}

static struct judge_entry *entry_new(struct judge *j, const struct judge_key *key)
{
	struct judge_entry *e = calloc(1, sizeof(*e));

	if (!e || detect_new(&e->detect) < 0) {
		free(e);
		return NULL;
	}
	e->key = *key;
	e->verdict = (struct detect_verdict){ .state = DETECT_QUIET, .why = DETECT_TOO_NEW };
	e->fulls = -1;
	if (entry_put(j, e) < 0) {
		detect_free(e->detect);
		free(e);
		return NULL;
	}
	return e;
}

bool judge_is_growing(const struct judge_entry *e)
{
	return e->verdict.state == DETECT_GROWING;
}

static void waiting_del(struct judge *j, struct judge_entry *e)
{
	HASH_DEL(j->waiting, e);
	detect_free(e->detect);
	free(e);
}

void judge_entry_end(struct judge *j, struct judge_entry *e, double now_sec)
{
	if (!judge_is_growing(e) || e->key.stack == JUDGE_PROCESS) {
		judge_entry_del(j, e);
		return;
	}
	HASH_DEL(j->entries, e);
	j->n_stacks--;
	e->ended_sec = now_sec;
	if (judge_waiting_add(j, e) < 0)
		j->lost++;
}

int judge_waiting_add(struct judge *j, struct judge_entry *e)
{
	int r = -ENOSPC;

	if (HASH_COUNT(j->waiting) < JUDGE_STACKS_MAX) {
		HASH_ADD(hh, j->waiting, heir, sizeof(e->heir), e);
		if (e->hh.tbl)
			return 0;
		r = -ENOMEM;
	}
	detect_free(e->detect);
	free(e);
	return r;
}

static bool is_process_there(const struct judge_people *people, const struct judge_heir *heir)
{
	for (size_t i = 0; i < people->n; i++)
		if (history_process_key(people->v[i]) == heir->process)
			return true;
	return false;
}

static void waiting_end(struct judge *j, const struct judge_people *people, struct judge_entry *e)
{
	if (people && e->is_revived && judge_is_growing(e) && is_process_there(people, &e->heir)) {
		e->verdict.state = DETECT_SETTLED;
		e->verdict.why = DETECT_STOPPED;
	} else {
		waiting_del(j, e);
	}
}

void judge_waiting_expire(struct judge *j, const struct judge_people *people, double now_sec)
{
	struct judge_entry *e, *next;

	HASH_ITER (hh, j->waiting, e, next)
		if (!people || now_sec - e->ended_sec >= j->limits.settle_sec)
			waiting_end(j, people, e);
}

/* A detector that waits for this stack: its process has ended, and here is the next one. */
static struct judge_entry *entry_inherit(struct judge *j, const struct judge_key *key,
					 const struct judge_heir *heir)
{
	struct judge_entry *e = NULL;

	HASH_FIND(hh, j->waiting, heir, sizeof(*heir), e);
	if (!e)
		return NULL;
	HASH_DEL(j->waiting, e);
	e->key = *key;
	e->is_revived = false;
	e->fulls = -1;
	e->limits_of = 0; /* another process can fall under another rule */
	detect_restart(e->detect);
	if (entry_put(j, e) == 0)
		return e;
	detect_free(e->detect);
	free(e);
	return NULL;
}

static int by_live(const void *a, const void *b)
{
	const struct judge_entry *x = *(struct judge_entry *const *)a,
				 *y = *(struct judge_entry *const *)b;

	return x->live_bytes < y->live_bytes ? -1 : x->live_bytes > y->live_bytes;
}

static int list_quiet(struct judge_round *r)
{
	struct judge *j = r->judge;
	struct judge_entry *e, *next;

	r->quiet = calloc(HASH_COUNT(j->entries) + 1, sizeof(struct judge_entry *));
	if (!r->quiet)
		return -ENOMEM;
	HASH_ITER (hh, j->entries, e, next)
		if (e->key.stack != JUDGE_PROCESS && e->verdict.state == DETECT_QUIET)
			r->quiet[r->n_quiet++] = e;
	qsort(r->quiet, r->n_quiet, sizeof(*r->quiet), by_live);
	return 0;
}

/* False: what is there has more, or grows. */
static bool make_room(struct judge_round *r, double live_bytes)
{
	if (r->judge->n_stacks < JUDGE_STACKS_MAX)
		return true;
	if (!r->quiet && list_quiet(r) < 0)
		return false;
	if (r->next_quiet == r->n_quiet ||
	    live_bytes < MORE_THAN * r->quiet[r->next_quiet]->live_bytes)
		return false;
	judge_entry_del(r->judge, r->quiet[r->next_quiet++]);
	return true;
}

/* The detector of a stack; NULL: it is not judged. */
struct judge_entry *judge_entry_of(struct judge_round *r, const struct snapshot_process *p,
				   const struct snapshot_stack *s)
{
	struct judge_entry *e = judge_entry_find(r->judge, p, s->id);
	struct judge_key key = judge_key_of(p, s->id);
	struct judge_heir heir;

	if (e || s->live_bytes < JUDGE_BYTES_MIN || s->id == JUDGE_PROCESS)
		return e;
	heir = (struct judge_heir){ s->id, history_process_key(p) };
	e = entry_inherit(r->judge, &key, &heir);
	if (!e && make_room(r, s->live_bytes))
		e = entry_new(r->judge, &key);
	if (!e) {
		r->judge->lost++;
		return NULL;
	}
	e->heir = heir;
	e->alert = alert_key(r, p, s);
	return e;
}

struct judge_entry *judge_entry_of_process(struct judge *j, const struct snapshot_process *p)
{
	struct judge_entry *e = judge_entry_find(j, p, JUDGE_PROCESS);
	struct judge_key key = judge_key_of(p, JUDGE_PROCESS);

	if (!e)
		e = entry_new(j, &key);
	if (!e)
		j->lost++;
	return e;
}
