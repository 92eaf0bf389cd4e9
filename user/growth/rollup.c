/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/rollup.c — see rollup.h. Two passes: through the frames of all stacks, which finds
 * the rows and writes down which stacks each has; then through the rows, whose figures pool.c takes
 * of their stacks. A row's records are a chain, so that nothing is moved or sorted:
 *
 *   table.last[row] ─► record ─► record ─► … ─► RECORD_NONE      newest, that is last stack, first
 *                      member    member
 *
 * Stacks are gone through by process, since pool.c wants those of a process to be neighbours.
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

/* This stack passes through that row. */
struct record {
	const struct pool_member *member;
	size_t previous; /* of the same row, or RECORD_NONE */
	bool is_blamed;
};

struct table {
	enum rollup_by by;
	bool is_split;
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

static uint64_t key_hash(const struct rollup_key *k)
{
	uint64_t h = 0xcbf29ce484222325 ^ ((uint64_t)k->group << 32) ^ (uint32_t)k->line;

	h = (h ^ k->stack) * 0x100000001b3;
	h = hash_add(hash_add(h, k->function), k->file);
	return h ^ (h >> 29);
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_key(const struct rollup_key *a, const struct rollup_key *b)
{
	return a->group == b->group && a->stack == b->stack && a->line == b->line &&
	       is_same_text(a->file, b->file) && is_same_text(a->function, b->function);
}

static struct rollup_key key_of(const struct table *t, const struct pool_member *m, int frame)
{
	const struct snapshot_stack *s = m->stack;
	bool is_alone = t->is_split || !m->process || !m->process->group;
	struct rollup_key k = { .group = is_alone ? s->pid : m->process->group };

	if (t->by == ROLLUP_BY_STACK) {
		k.stack = s->id;
	} else if (frame >= 0) {
		k.function = s->frames[frame].function;
		k.file = s->frames[frame].file;
		k.line = t->by == ROLLUP_BY_LINE ? s->frames[frame].line : 0;
	}
	return k;
}

/* The slot that has this key, or the free one where it belongs. */
static uint32_t *slot_find(const struct table *t, const struct rollup_key *k)
{
	size_t i = key_hash(k) & (t->n_slots - 1);

	while (t->slots[i] != ROW_NONE && !is_same_key(&t->rows[t->slots[i]].key, k))
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
	for (size_t i = 0; i < t->n_rows; i++)
		*slot_find(t, &t->rows[i].key) = (uint32_t)i;
	return 0;
}

/* The number of the row of one frame of a stack, made if it is new; ROW_NONE: out of memory. */
static uint32_t row_of(struct table *t, const struct pool_member *m, int frame)
{
	struct rollup_key k = key_of(t, m, frame);
	uint32_t *slot;

	if ((t->n_rows + 1) * 2 > t->n_slots && table_grow(t) < 0)
		return ROW_NONE;
	slot = slot_find(t, &k);
	if (*slot == ROW_NONE) {
		*slot = (uint32_t)t->n_rows++;
		t->last[*slot] = RECORD_NONE;
		t->rows[*slot] = (struct rollup_row){
			.key = k,
			.service = m->process ? m->process->service : NULL,
			.in_application = frame >= 0 && m->stack->frames[frame].in_application,
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

static int member_add(struct table *t, const struct pool_member *m)
{
	uint32_t blamed = row_of(t, m, blame_of(m->stack)), row;
	int n = t->by == ROLLUP_BY_STACK ? 0 : (int)m->stack->n_frames;

	if (blamed == ROW_NONE)
		return -ENOMEM;
	if (!n)
		return record_add(t, blamed, m, true);
	for (int i = 0; i < n; i++) {
		row = row_of(t, m, i);
		if (row == ROW_NONE)
			return -ENOMEM;
		if (!has_member(t, row, m) && record_add(t, row, m, row == blamed) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* How far the rows are finished, and room for the members of one of them. */
struct finish {
	struct pool *pool;
	const struct pool_member **all, **blamed;
	size_t n_all, n_blamed;
	struct rollup ret;
	size_t n_pids, n_stacks; /* of ret, so far */
};

static void finish_done(struct finish *f)
{
	free(f->all);
	free(f->blamed);
	rollup_done(&f->ret);
}

static int finish_init(struct finish *f, struct pool *p, const struct table *t)
{
	f->pool = p;
	f->all = calloc(p->n_members + 1, sizeof(*f->all));
	f->blamed = calloc(p->n_members + 1, sizeof(*f->blamed));
	f->ret.stacks = calloc(p->n_members + 1, sizeof(*f->ret.stacks));
	f->ret.pids = calloc(t->n_records + 1, sizeof(*f->ret.pids));
	return f->all && f->blamed && f->ret.stacks && f->ret.pids ? 0 : -ENOMEM;
}

static bool is_gone(const struct pool_member *m)
{
	return m->process && m->process->is_gone;
}

static bool are_all_gone(const struct table *t, size_t row)
{
	for (size_t i = t->last[row]; i != RECORD_NONE; i = t->records[i].previous)
		if (!is_gone(t->records[i].member))
			return false;
	return true;
}

/* Those of a process are neighbours, and the processes descend: their chain ascends. */
static void pid_add(struct finish *f, size_t *n, pid_t pid)
{
	if (*n && f->ret.pids[f->n_pids - 1] == pid)
		return;
	f->ret.pids[f->n_pids++] = pid;
	(*n)++;
}

static void gone_add(struct finish *f, const struct table *t, struct rollup_row *ret, size_t row)
{
	ret->gone_pids = f->ret.pids + f->n_pids;
	for (size_t i = t->last[row]; i != RECORD_NONE; i = t->records[i].previous) {
		const struct record *r = &t->records[i];
		double bytes = fmax(r->member->stack->peak_bytes, r->member->stack->live_bytes);

		if (!is_gone(r->member))
			continue;
		pid_add(f, &ret->n_gone_pids, r->member->stack->pid);
		ret->gone_bytes += bytes;
		ret->gone_blamed_bytes += r->is_blamed ? bytes : 0;
	}
}

static void members_find(struct finish *f, const struct table *t, struct rollup_row *ret,
			 size_t row)
{
	f->n_all = f->n_blamed = 0;
	ret->pids = f->ret.pids + f->n_pids;
	for (size_t i = t->last[row]; i != RECORD_NONE; i = t->records[i].previous) {
		const struct record *r = &t->records[i];

		if (is_gone(r->member) && !ret->is_gone)
			continue;
		pid_add(f, &ret->n_pids, r->member->stack->pid);
		f->all[f->n_all++] = r->member;
		if (r->is_blamed)
			f->blamed[f->n_blamed++] = r->member;
	}
}

/* Members are in the order of the stacks in memory, whatever the order is here. */
static const struct snapshot_stack *first_of(const struct pool_member *const *m, size_t n)
{
	const struct pool_member *first = m[0];

	for (size_t i = 1; i < n; i++)
		first = m[i] < first ? m[i] : first;
	return first->stack;
}

static void row_finish(struct finish *f, const struct table *t, size_t row)
{
	struct rollup_row *ret = &t->rows[row];

	ret->is_gone = are_all_gone(t, row);
	members_find(f, t, ret, row);
	if (!ret->is_gone)
		gone_add(f, t, ret, row);
	ret->all = pool_figures(f->pool, f->all, f->n_all);
	ret->blamed =
		f->n_blamed == f->n_all ? ret->all : pool_figures(f->pool, f->blamed, f->n_blamed);
	ret->top_stack =
		f->n_blamed ? first_of(f->blamed, f->n_blamed) : first_of(f->all, f->n_all);
	ret->blamed_stacks = f->ret.stacks + f->n_stacks;
	for (size_t i = 0; i < f->n_blamed; i++)
		f->ret.stacks[f->n_stacks++] = f->blamed[i]->stack;
}

/* Not known is less than anything known. */
static int compare_down(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) - isnan(b);
	return (a < b) - (a > b);
}

/* Any order would do, as long as it is always the same. */
static int compare_keys(const struct rollup_key *a, const struct rollup_key *b)
{
	int c = strcmp(a->file ? a->file : "", b->file ? b->file : "");

	c = c ? c : strcmp(a->function ? a->function : "", b->function ? b->function : "");
	c = c ? c : a->line - b->line;
	c = c ? c : (a->stack > b->stack) - (a->stack < b->stack);
	return c ? c : a->group - b->group;
}

static int compare_rows(const void *pa, const void *pb)
{
	const struct rollup_row *a = pa, *b = pb;
	int c;

	c = compare_down(a->blamed.growth_bytes_per_sec, b->blamed.growth_bytes_per_sec);
	c = c ? c : compare_down(a->blamed.live_bytes, b->blamed.live_bytes);
	c = c ? c : compare_down(a->all.growth_bytes_per_sec, b->all.growth_bytes_per_sec);
	c = c ? c : compare_down(a->all.live_bytes, b->all.live_bytes);
	return c ? c : compare_keys(&a->key, &b->key);
}

/* Descending; those of a process as they were. */
static int compare_processes(const void *pa, const void *pb)
{
	const struct pool_member *a = *(const struct pool_member *const *)pa;
	const struct pool_member *b = *(const struct pool_member *const *)pb;
	int c = (a->stack->pid < b->stack->pid) - (a->stack->pid > b->stack->pid);

	return c ? c : (a > b) - (a < b);
}

/* The members, those of a process as neighbours; the caller frees it. NULL: out of memory. */
static const struct pool_member **members_by_process(const struct pool *p)
{
	const struct pool_member **ret = calloc(p->n_members + 1, sizeof(*ret));

	for (size_t i = 0; ret && i < p->n_members; i++)
		ret[i] = &p->members[i];
	if (ret)
		qsort(ret, p->n_members, sizeof(*ret), compare_processes);
	return ret;
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
	all = members_by_process(&p);
	if (!all)
		return -ENOMEM;
	*ret = pool_figures(&p, all, n_stacks);
	return 0;
}

int rollup_new(const struct snapshot *snapshot, const struct snapshot_stack *const *stacks,
	       size_t n_stacks, enum rollup_by by, bool is_split, struct rollup *ret)
{
	_cleanup_(table_done) struct table t = { .by = by, .is_split = is_split };
	_cleanup_free_ const struct pool_member **members = NULL;
	_cleanup_(finish_done) struct finish f = { 0 };
	_cleanup_(pool_done) struct pool p = { 0 };
	int r;

	r = pool_init(&p, snapshot, stacks, n_stacks);
	if (r < 0)
		return r;
	members = members_by_process(&p);
	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < n_stacks; i++) {
		r = member_add(&t, members[i]);
		if (r < 0)
			return r;
	}
	r = finish_init(&f, &p, &t);
	if (r < 0)
		return r;
	for (size_t i = 0; i < t.n_rows; i++)
		row_finish(&f, &t, i);
	if (t.n_rows)
		qsort(t.rows, t.n_rows, sizeof(*t.rows), compare_rows);
	f.ret.n_rows = t.n_rows;
	f.ret.rows = TAKE_PTR(t.rows);
	*ret = f.ret;
	f.ret = (struct rollup){ 0 };
	return 0;
}

void rollup_done(struct rollup *r)
{
	free(r->rows);
	free(r->pids);
	free(r->stacks);
	*r = (struct rollup){ 0 };
}

size_t rollup_history(const struct rollup_row *row, double ret[SNAPSHOT_HISTORY_MAX])
{
	double sum[SNAPSHOT_HISTORY_MAX] = { 0 }; /* [0] is the newest */
	size_t n = 0;

	for (size_t i = 0; i < row->blamed.n_stacks; i++) {
		const struct snapshot_stack *s = row->blamed_stacks[i];

		for (size_t j = 0; j < s->n_history && j < SNAPSHOT_HISTORY_MAX; j++)
			sum[j] += s->history[s->n_history - 1 - j];
		n = s->n_history > n ? s->n_history : n;
	}
	n = n < SNAPSHOT_HISTORY_MAX ? n : SNAPSHOT_HISTORY_MAX;
	for (size_t j = 0; j < n; j++)
		ret[j] = sum[n - 1 - j];
	return n;
}
