/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/rollup.c — see rollup.h. One hash table of row numbers, open addressing; a row knows
 * which stack it counted last, so that a frame that recurs in a stack is counted once.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "growth/rollup.h"
#include "lib/cleanup.h"

#define ROW_NONE  UINT32_MAX
#define SLOTS_MIN 256

struct key {
	pid_t pid;
	const char *function, *file;
	int line;
};

struct table {
	struct rollup_row *rows;
	const struct snapshot_stack **counted; /* per row: the stack it counted last */
	uint32_t *slots; /* row numbers, or ROW_NONE */
	size_t n_rows, n_slots; /* n_slots: a power of two, at most half full */
};

static void table_done(struct table *t)
{
	free(t->rows);
	free(t->counted);
	free(t->slots);
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
	p = reallocarray(t->counted, n / 2, sizeof(*t->counted));
	if (!p)
		return -ENOMEM;
	t->counted = p;
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

/* Sums start with no rate; errors are kept squared until figures_finish(). */
static const struct rollup_figures figures_none = { .growth_bytes_per_sec = NAN };

static void figures_add(struct rollup_figures *f, const struct snapshot_stack *s)
{
	double error = isfinite(s->growth_error) ? s->growth_error : 0;

	f->live_bytes += s->live_bytes;
	f->live_error += s->live_bytes_error * s->live_bytes_error;
	f->live_blocks += s->live_blocks > 0 ? s->live_blocks : 0;
	f->n_stacks++;
	if (!isfinite(s->growth_bytes_per_second))
		return;
	if (isnan(f->growth_bytes_per_sec))
		f->growth_bytes_per_sec = 0;
	f->growth_bytes_per_sec += s->growth_bytes_per_second;
	f->growth_error += error * error;
}

static void figures_finish(struct rollup_figures *f)
{
	f->live_error = sqrt(f->live_error);
	f->growth_error = isnan(f->growth_bytes_per_sec) ? NAN : sqrt(f->growth_error);
}

struct rollup_figures rollup_sum(const struct snapshot_stack *const *stacks, size_t n_stacks)
{
	struct rollup_figures f = figures_none;

	for (size_t i = 0; i < n_stacks; i++)
		figures_add(&f, stacks[i]);
	figures_finish(&f);
	return f;
}

/* The row of one frame of a stack, made if it is new; NULL: out of memory. */
static struct rollup_row *row_of(struct table *t, const struct snapshot_stack *s, int frame,
				 enum rollup_by by)
{
	struct key k = key_of(s, frame, by);
	uint32_t *slot;

	if ((t->n_rows + 1) * 2 > t->n_slots && table_grow(t) < 0)
		return NULL;
	slot = slot_find(t, &k);
	if (*slot == ROW_NONE) {
		*slot = (uint32_t)t->n_rows++;
		t->counted[*slot] = NULL;
		t->rows[*slot] = (struct rollup_row){
			.pid = k.pid,
			.function = k.function,
			.file = k.file,
			.line = k.line,
			.in_application = frame >= 0 && s->frames[frame].in_application,
			.all = figures_none,
			.blamed = figures_none,
			.top_stack = s,
		};
	}
	return &t->rows[*slot];
}

/* The frame that a stack is blamed on; -1: it has none. Never out of range, whatever it says. */
static int blame_of(const struct snapshot_stack *s)
{
	if (!s->n_frames)
		return -1;
	return s->blame >= 0 && (size_t)s->blame < s->n_frames ? s->blame : 0;
}

static int stack_add(struct table *t, const struct snapshot_stack *s, enum rollup_by by)
{
	struct rollup_row *row;
	int n = s->n_frames ? (int)s->n_frames : 0;

	for (int i = n ? 0 : -1; i < n; i++) {
		row = row_of(t, s, i, by);
		if (!row)
			return -ENOMEM;
		if (t->counted[row - t->rows] != s)
			figures_add(&row->all, s);
		t->counted[row - t->rows] = s;
	}

	row = row_of(t, s, blame_of(s), by);
	if (!row)
		return -ENOMEM;
	if (!row->blamed.n_stacks)
		row->top_stack = s;
	figures_add(&row->blamed, s);
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

int rollup_new(const struct snapshot_stack *const *stacks, size_t n_stacks, enum rollup_by by,
	       struct rollup *ret)
{
	_cleanup_(table_done) struct table t = { 0 };
	int r;

	for (size_t i = 0; i < n_stacks; i++) {
		r = stack_add(&t, stacks[i], by);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < t.n_rows; i++) {
		figures_finish(&t.rows[i].all);
		figures_finish(&t.rows[i].blamed);
	}
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
