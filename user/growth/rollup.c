/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/rollup.c — see rollup.h. Two passes: through the frames of all stacks, which finds
 * the rows and writes down which stacks each has; then through the rows, whose figures pool.c takes
 * of their stacks. A row's records are a chain, so that nothing is moved or sorted:
 *
 *   table.last[row] ─► record ─► record ─► … ─► RECORD_NONE      newest, that is last stack, first
 *                      member    member
 *
 * One hash table of row numbers, open addressing. ROLLUP_BENCH=1 build/unit/test_rollup measures.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "growth/pool.h"
#include "growth/rollup.h"
#include "lib/cleanup.h"

#define ROW_NONE    UINT32_MAX
#define RECORD_NONE SIZE_MAX
#define SLOTS_MIN   256
#define RECORDS_MIN 1024

struct key {
	pid_t pid;
	const char *function, *file;
	int line;
};

/* This stack passes through that row. */
struct record {
	const struct pool_member *member;
	size_t previous; /* of the same row, or RECORD_NONE */
	bool is_blamed;
};

struct table {
	struct rollup_row *rows;
	size_t *last; /* per row: its newest record */
	uint32_t *slots; /* row numbers, or ROW_NONE */
	size_t n_rows, n_slots; /* n_slots: a power of two, at most half full */
	struct record *records;
	size_t n_records, records_cap;
};

static void table_done(struct table *t)
{
	free(t->rows);
	free(t->last);
	free(t->slots);
	free(t->records);
}

static uint64_t hash_add(uint64_t h, const char *s)
{
	for (; s && *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3; /* FNV-1a */
	return (h ^ 0xff) * 0x100000001b3;
}

static uint64_t key_hash(const struct key *k)
{
	uint64_t h = 0xcbf29ce484222325 ^ ((uint64_t)k->pid << 32) ^ (uint32_t)k->line;

	h = hash_add(hash_add(h, k->function), k->file);
	return h ^ (h >> 29);
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool row_has_key(const struct rollup_row *row, const struct key *k)
{
	return row->pid == k->pid && row->line == k->line && is_same_text(row->file, k->file) &&
	       is_same_text(row->function, k->function);
}

static struct key key_of(const struct snapshot_stack *s, int frame, enum rollup_by by)
{
	if (frame < 0 || (size_t)frame >= s->n_frames)
		return (struct key){ .pid = s->pid };
	return (struct key){ s->pid, s->frames[frame].function, s->frames[frame].file,
			     by == ROLLUP_BY_LINE ? s->frames[frame].line : 0 };
}

/* The slot that has this key, or the free one where it belongs. */
static uint32_t *slot_find(const struct table *t, const struct key *k)
{
	size_t i = key_hash(k) & (t->n_slots - 1);

	while (t->slots[i] != ROW_NONE && !row_has_key(&t->rows[t->slots[i]], k))
		i = (i + 1) & (t->n_slots - 1);
	return &t->slots[i];
}

static int table_grow(struct table *t)
{
	size_t n = t->n_slots ? t->n_slots * 2 : SLOTS_MIN;
	void *p;

	p = reallocarray(t->rows, n / 2, sizeof(*t->rows));
	if (!p)
		return -ENOMEM;
	t->rows = p;
	p = reallocarray(t->last, n / 2, sizeof(*t->last));
	if (!p)
		return -ENOMEM;
	t->last = p;
	p = reallocarray(t->slots, n, sizeof(*t->slots));
	if (!p)
		return -ENOMEM;
	t->slots = p;
	t->n_slots = n;
	memset(t->slots, 0xff, n * sizeof(*t->slots));
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct rollup_row *row = &t->rows[i];

		*slot_find(t, &(struct key){ row->pid, row->function, row->file, row->line }) =
			(uint32_t)i;
	}
	return 0;
}

/* The number of the row of one frame of a stack, made if it is new; ROW_NONE: out of memory. */
static uint32_t row_of(struct table *t, const struct snapshot_stack *s, int frame,
		       enum rollup_by by)
{
	struct key k = key_of(s, frame, by);
	uint32_t *slot;

	if ((t->n_rows + 1) * 2 > t->n_slots && table_grow(t) < 0)
		return ROW_NONE;
	slot = slot_find(t, &k);
	if (*slot == ROW_NONE) {
		*slot = (uint32_t)t->n_rows++;
		t->last[*slot] = RECORD_NONE;
		t->rows[*slot] = (struct rollup_row){
			.pid = k.pid,
			.function = k.function,
			.file = k.file,
			.line = k.line,
			.in_application = frame >= 0 && s->frames[frame].in_application,
		};
	}
	return *slot;
}

static int record_add(struct table *t, uint32_t row, const struct pool_member *m, bool is_blamed)
{
	if (t->n_records == t->records_cap) {
		size_t cap = t->records_cap ? 2 * t->records_cap : RECORDS_MIN;
		void *p = reallocarray(t->records, cap, sizeof(*t->records));

		if (!p)
			return -ENOMEM;
		t->records = p;
		t->records_cap = cap;
	}
	t->records[t->n_records] = (struct record){ m, t->last[row], is_blamed };
	t->last[row] = t->n_records++;
	return 0;
}

/* The frame that a stack is blamed on; -1: it has none. Never out of range, whatever it says. */
static int blame_of(const struct snapshot_stack *s)
{
	if (!s->n_frames)
		return -1;
	return s->blame >= 0 && (size_t)s->blame < s->n_frames ? s->blame : 0;
}

/* A frame that recurs in a stack is counted once. */
static bool has_member(const struct table *t, uint32_t row, const struct pool_member *m)
{
	return t->last[row] != RECORD_NONE && t->records[t->last[row]].member == m;
}

static int member_add(struct table *t, const struct pool_member *m, enum rollup_by by)
{
	const struct snapshot_stack *s = m->stack;
	uint32_t blamed = row_of(t, s, blame_of(s), by), row;
	int n = s->n_frames ? (int)s->n_frames : 0;

	if (blamed == ROW_NONE)
		return -ENOMEM;
	for (int i = n ? 0 : -1; i < n; i++) {
		row = row_of(t, s, i, by);
		if (row == ROW_NONE)
			return -ENOMEM;
		if (!has_member(t, row, m) && record_add(t, row, m, row == blamed) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* all, blamed: room for as many as there are stacks. */
static void row_finish(struct pool *p, const struct table *t, size_t row,
		       const struct pool_member **all, const struct pool_member **blamed)
{
	struct rollup_row *ret = &t->rows[row];
	size_t n = 0, n_blamed = 0;

	for (size_t i = t->last[row]; i != RECORD_NONE; i = t->records[i].previous) {
		all[n++] = t->records[i].member;
		if (t->records[i].is_blamed)
			blamed[n_blamed++] = t->records[i].member;
	}
	ret->all = pool_figures(p, all, n);
	ret->blamed = n_blamed == n ? ret->all : pool_figures(p, blamed, n_blamed);
	/* Newest first: the first stack is the last one here. */
	ret->top_stack = (n_blamed ? blamed[n_blamed - 1] : all[n - 1])->stack;
}

static int rows_finish(struct pool *p, const struct table *t)
{
	_cleanup_free_ const struct pool_member **all = calloc(p->n_members + 1, sizeof(*all));
	_cleanup_free_ const struct pool_member **blamed =
		calloc(p->n_members + 1, sizeof(*blamed));

	if (!all || !blamed)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_rows; i++)
		row_finish(p, t, i, all, blamed);
	return 0;
}

/* Not known is less than anything known. */
static int compare_down(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return (a < b) - (a > b);
}

static int compare_rows(const void *pa, const void *pb)
{
	const struct rollup_row *a = pa, *b = pb;
	int c;

	c = compare_down(a->blamed.growth_bytes_per_sec, b->blamed.growth_bytes_per_sec);
	c = c ? c : compare_down(a->blamed.live_bytes, b->blamed.live_bytes);
	c = c ? c : compare_down(a->all.growth_bytes_per_sec, b->all.growth_bytes_per_sec);
	c = c ? c : compare_down(a->all.live_bytes, b->all.live_bytes);
	/* Any order would do, as long as it is always the same. */
	c = c ? c : strcmp(a->file ? a->file : "", b->file ? b->file : "");
	c = c ? c : strcmp(a->function ? a->function : "", b->function ? b->function : "");
	c = c ? c : a->line - b->line;
	return c ? c : a->pid - b->pid;
}

static int compare_processes(const void *pa, const void *pb)
{
	const struct pool_member *a = *(const struct pool_member *const *)pa;
	const struct pool_member *b = *(const struct pool_member *const *)pb;

	return (a->stack->pid > b->stack->pid) - (a->stack->pid < b->stack->pid);
}

int rollup_sum(const struct snapshot *snapshot, const struct snapshot_stack *const *stacks,
	       size_t n_stacks, struct rollup_figures *ret)
{
	_cleanup_(pool_done) struct pool p = { 0 };
	_cleanup_free_ const struct pool_member **all = NULL;
	int r;

	r = pool_init(&p, snapshot, stacks, n_stacks);
	if (r < 0)
		return r;
	all = calloc(n_stacks + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n_stacks; i++)
		all[i] = &p.members[i];
	qsort(all, n_stacks, sizeof(*all), compare_processes);
	*ret = pool_figures(&p, all, n_stacks);
	return 0;
}

int rollup_new(const struct snapshot *snapshot, const struct snapshot_stack *const *stacks,
	       size_t n_stacks, enum rollup_by by, struct rollup *ret)
{
	_cleanup_(table_done) struct table t = { 0 };
	_cleanup_(pool_done) struct pool p = { 0 };
	int r;

	r = pool_init(&p, snapshot, stacks, n_stacks);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n_stacks; i++) {
		r = member_add(&t, &p.members[i], by);
		if (r < 0)
			return r;
	}
	r = rows_finish(&p, &t);
	if (r < 0)
		return r;
	if (t.n_rows)
		qsort(t.rows, t.n_rows, sizeof(*t.rows), compare_rows);
	ret->n_rows = t.n_rows;
	ret->rows = TAKE_PTR(t.rows);
	return 0;
}

void rollup_done(struct rollup *r)
{
	free(r->rows);
	*r = (struct rollup){ 0 };
}

size_t rollup_history(const struct snapshot_stack *const *stacks, size_t n_stacks,
		      enum rollup_by by, const struct rollup_row *row,
		      double ret[SNAPSHOT_HISTORY_MAX])
{
	double sum[SNAPSHOT_HISTORY_MAX] = { 0 }; /* [0] is the newest */
	size_t n = 0;

	for (size_t i = 0; i < n_stacks; i++) {
		const struct snapshot_stack *s = stacks[i];
		struct key k = key_of(s, blame_of(s), by);

		if (!row_has_key(row, &k))
			continue;
		for (size_t j = 0; j < s->n_history && j < SNAPSHOT_HISTORY_MAX; j++)
			sum[j] += s->history[s->n_history - 1 - j];
		n = s->n_history > n ? s->n_history : n;
	}
	n = n < SNAPSHOT_HISTORY_MAX ? n : SNAPSHOT_HISTORY_MAX;
	for (size_t j = 0; j < n; j++)
		ret[j] = sum[n - 1 - j];
	return n;
}
