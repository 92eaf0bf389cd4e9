/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/stacktab.c — see stacktab.h. Tables are uthash. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Out of memory leaves an item out of the table (its hh.tbl is NULL) instead of exiting. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "growth/blame.h"
#include "sample/stacktab.h"

struct name {
	UT_hash_handle hh;
	char text[];
};

/* What makes a stack one of its own: where, and in which target. */
struct stack_key {
	uint64_t id;
	uint64_t slot;
};

struct stack_item {
	struct stack_key key;
	struct stack stack;
	UT_hash_handle hh;
};

struct row {
	struct pgd_stack_key key;
	struct stack_item *item;
	UT_hash_handle hh;
};

struct stacktab {
	struct name *names;
	struct stack_item *items;
	struct row *rows;
	struct series absent; /* what a stack that did not exist yet held at each tick: nothing */
};

int stacktab_new(struct stacktab **ret)
{
	struct stacktab *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	series_init(&t->absent);
	*ret = t;
	return 0;
}

static void item_free(struct stacktab *t, struct stack_item *item)
{
	HASH_DEL(t->items, item);
	free(item->stack.frames);
	free(item->stack.series);
	free(item->stack.samples);
	free(item);
}

static void row_free(struct stacktab *t, struct row *row)
{
	row->item->stack.n_rows--;
	HASH_DEL(t->rows, row);
	free(row);
}

void stacktab_free(struct stacktab *t)
{
	struct row *row, *next_row;
	struct stack_item *item, *next_item;
	struct name *name, *next_name;

	if (!t)
		return;
	HASH_ITER (hh, t->rows, row, next_row)
		row_free(t, row);
	HASH_ITER (hh, t->items, item, next_item)
		item_free(t, item);
	HASH_ITER (hh, t->names, name, next_name) {
		HASH_DEL(t->names, name);
		free(name);
	}
	free(t);
}

const char *stacktab_name(struct stacktab *t, const char *text)
{
	size_t n_bytes = strlen(text) + 1;
	struct name *name = NULL;

	HASH_FIND(hh, t->names, text, n_bytes - 1, name);
	if (name)
		return name->text;
	if (HASH_COUNT(t->names) >= STACKTAB_NAMES_MAX)
		return NULL;
	name = malloc(sizeof(*name) + n_bytes);
	if (!name)
		return NULL;
	memcpy(name->text, text, n_bytes);
	HASH_ADD_KEYPTR(hh, t->names, name->text, n_bytes - 1, name);
	if (!name->hh.tbl) {
		free(name);
		return NULL;
	}
	return name->text;
}

/* FNV-1a: public, the same on every host, and good enough for a table of thousands. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t n_bytes)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n_bytes; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ULL;
	return hash;
}

static uint64_t frames_id(const struct snapshot_frame *frames, size_t n)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++) {
		uint32_t line = (uint32_t)frames[i].line;
		uint8_t le[4] = { (uint8_t)line, (uint8_t)(line >> 8), (uint8_t)(line >> 16),
				  (uint8_t)(line >> 24) };

		hash = hash_bytes(hash, frames[i].file, strlen(frames[i].file) + 1);
		hash = hash_bytes(hash, frames[i].function, strlen(frames[i].function) + 1);
		hash = hash_bytes(hash, le, sizeof(le));
	}
	return hash;
}

static int item_new(struct stacktab *t, const struct stack_key *key,
		    const struct snapshot_frame *frames, size_t n, bool truncated, double now_sec,
		    struct stack_item **ret)
{
	struct stack_item *item;

	if (HASH_COUNT(t->items) >= STACKTAB_STACKS_MAX)
		return -ENOSPC;
	item = calloc(1, sizeof(*item));
	if (item)
		item->stack.frames = calloc(n + 1, sizeof(*frames));
	if (!item || !item->stack.frames) {
		free(item);
		return -ENOMEM;
	}
	item->key = *key;
	item->stack.id = key->id;
	item->stack.slot = (uint32_t)key->slot;
	item->stack.truncated = truncated;
	item->stack.since_sec = now_sec;
	item->stack.n_frames = n;
	if (n)
		memcpy(item->stack.frames, frames, n * sizeof(*frames));
	item->stack.blame = blame_find(frames, n);
	HASH_ADD(hh, t->items, key, sizeof(item->key), item);
	if (!item->hh.tbl) {
		free(item->stack.frames);
		free(item);
		return -ENOMEM;
	}
	*ret = item;
	return 0;
}

static struct row *row_find(const struct stacktab *t, const struct pgd_stack_key *key)
{
	struct row *row = NULL;

	HASH_FIND(hh, t->rows, key, sizeof(*key), row);
	return row;
}

int stacktab_add(struct stacktab *t, const struct pgd_stack_key *key,
		 const struct snapshot_frame *frames, size_t n_frames, bool truncated,
		 double now_sec)
{
	struct stack_key stack_key = { .id = frames_id(frames, n_frames), .slot = key->slot };
	struct stack_item *item = NULL;
	struct row *row;

	if (row_find(t, key))
		return 0;
	HASH_FIND(hh, t->items, &stack_key, sizeof(stack_key), item);
	if (!item) {
		int r = item_new(t, &stack_key, frames, n_frames, truncated, now_sec, &item);

		if (r < 0)
			return r;
	}
	row = calloc(1, sizeof(*row));
	if (!row)
		return -ENOMEM;
	row->key = *key;
	row->item = item;
	HASH_ADD(hh, t->rows, key, sizeof(row->key), row);
	if (!row->hh.tbl) {
		free(row);
		return -ENOMEM;
	}
	item->stack.n_rows++;
	return 0;
}

void stacktab_begin(struct stacktab *t)
{
	struct stack_item *item, *next;

	HASH_ITER (hh, t->items, item, next) {
		struct stack *stack = &item->stack;

		stack->live_bytes = 0;
		stack->live_blocks = 0;
		stack->cycles = stack->gone_cycles;
		stack->last_births = stack->n_births;
		stack->n_births = stack->gone_births;
		stack->taken_bytes = stack->gone_taken_bytes;
		stack->sampled_bytes = stack->sampled_error = stack->sampled_blocks = 0;
		stack->n_samples = 0;
		stack->typed_bytes = 0;
		stack->drawn.floor_bytes = 0;
		stack->drawn.fulls_survived = 0;
		memset(stack->types, 0, sizeof(stack->types));
	}
}

int stacktab_account(struct stacktab *t, const struct pgd_stack_key *key,
		     const struct pgd_stack_total *total, bool gone)
{
	struct row *row = row_find(t, key);
	struct stack *stack;

	if (!row)
		return -ENOENT;
	stack = &row->item->stack;
	stack->live_bytes += total->live_bytes;
	stack->live_blocks += total->live_blocks;
	cycles_add(&stack->cycles, total, true);
	stack->n_births += total->alloc_blocks;
	stack->taken_bytes += total->taken_bytes;
	if (gone) {
		stack->gone_births += total->alloc_blocks;
		stack->gone_taken_bytes += total->taken_bytes;
		cycles_add(&stack->gone_cycles, total, false);
		row_free(t, row);
	}
	return 0;
}

static void add_type(struct stack *stack, const char *name, double bytes)
{
	stack->typed_bytes += bytes;
	for (size_t i = 0; name && i < STACKTAB_TYPES_MAX; i++) {
		struct stack_type *type = &stack->types[i];

		if (type->name && type->name != name)
			continue;
		type->name = name;
		type->bytes += bytes;
		return;
	}
}

int stacktab_add_sample(struct stack *stack, const struct estimate_sample *sample, const char *name)
{
	if (stack->n_samples == stack->samples_cap) {
		size_t cap = stack->samples_cap ? 2 * stack->samples_cap : 4;
		void *grown = reallocarray(stack->samples, cap, sizeof(*stack->samples));

		if (!grown)
			return -ENOMEM;
		stack->samples = grown;
		stack->samples_cap = cap;
	}
	stack->samples[stack->n_samples++] = *sample;
	add_type(stack, name, sample->bytes * sample->weight);
	return 0;
}

static int by_window(const void *a, const void *b)
{
	const struct estimate_sample *x = a, *y = b;

	return x->window < y->window ? -1 : x->window > y->window;
}

void stacktab_estimate(struct stacktab *t, uint32_t slot, size_t n_windows, double weight_error)
{
	struct stack_item *item, *next;

	HASH_ITER (hh, t->items, item, next) {
		struct stack *stack = &item->stack;
		struct estimate e;

		if (stack->slot != slot || !stack->n_samples)
			continue;
		qsort(stack->samples, stack->n_samples, sizeof(*stack->samples), by_window);
		e = estimate_live(stack->samples, stack->n_samples, n_windows, weight_error);
		stack->sampled_bytes = e.bytes;
		stack->sampled_error = e.bytes_error;
		stack->sampled_blocks = e.blocks;
		stack->n_windows = n_windows;
		stack->weight_error = weight_error;
	}
}

/* A point of its series; a stack that never held anything has none, which saves most of the memory.
 */
static void push_point(struct stacktab *t, struct stack *stack, double time_sec)
{
	double live_bytes = (double)stack->live_bytes + stack->sampled_bytes;

	if (!stack->series && live_bytes != 0) {
		stack->series = malloc(sizeof(*stack->series));
		if (!stack->series)
			return; /* the next tick tries again */
		series_init_absent(stack->series, &t->absent);
	}
	/* -EINVAL: the clock stood still; the next tick has a point again. */
	if (stack->series)
		(void)series_push(stack->series, time_sec, live_bytes, stack->sampled_error);
}

static bool is_idle(const struct stack *stack)
{
	return !stack->live_blocks && !stack->n_samples && stack->n_births <= stack->last_births;
}

void stacktab_end(struct stacktab *t, double time_sec)
{
	struct stack_item *item, *next;

	HASH_ITER (hh, t->items, item, next) {
		struct stack *stack = &item->stack;

		if (!stack->n_rows) {
			item_free(t, item);
			continue;
		}
		push_point(t, stack, time_sec);
		stack->was_idle = is_idle(stack);
	}
	(void)series_push(&t->absent, time_sec, 0, 0);
}

bool stacktab_is_idle(const struct stacktab *t, const struct pgd_stack_key *key)
{
	const struct row *row = row_find(t, key);

	if (!row || HASH_COUNT(t->items) < STACKTAB_CROWDED)
		return false;
	/* Asked in the middle of a tick, when its rows may not be accounted for and its samples are
	 * not: only the tick before knows. */
	return row->item->stack.was_idle && is_idle(&row->item->stack);
}

struct stack *stacktab_find(const struct stacktab *t, const struct pgd_stack_key *key)
{
	struct row *row = row_find(t, key);

	return row ? &row->item->stack : NULL;
}

void stacktab_add_moment(struct stacktab *t, double time_sec, bool is_break)
{
	if (is_break)
		series_break(&t->absent);
	(void)series_push(&t->absent, time_sec, 0, 0);
}

void stacktab_break(struct stacktab *t)
{
	series_break(&t->absent);
}

const struct series *stacktab_absent(const struct stacktab *t)
{
	return &t->absent;
}

const struct series *stacktab_series(const struct stacktab *t, const struct stack *stack)
{
	return stack->series ? stack->series : &t->absent;
}

void stacktab_forget(struct stacktab *t, uint32_t slot)
{
	struct row *row, *next_row;
	struct stack_item *item, *next_item;

	HASH_ITER (hh, t->rows, row, next_row)
		if (row->key.slot == slot)
			row_free(t, row);
	HASH_ITER (hh, t->items, item, next_item)
		if (item->stack.slot == slot)
			item_free(t, item);
}

int stacktab_list(const struct stacktab *t, struct stack ***ret, size_t *ret_n)
{
	size_t n = HASH_COUNT(t->items), i = 0;
	struct stack **list = calloc(n + 1, sizeof(struct stack *));
	struct stack_item *item, *next;

	if (!list)
		return -ENOMEM;
	HASH_ITER (hh, t->items, item, next)
		list[i++] = &item->stack;
	*ret = list;
	*ret_n = n;
	return 0;
}
