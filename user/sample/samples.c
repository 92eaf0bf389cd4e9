/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/samples.c — see samples.h. Each target has a table by address (uthash) and a heap by
 * next look, so that asking a quiet one costs nothing, whatever the others hold:
 *
 *   slots[slot] ─ by_block ─► row ◄─ heap[0]        next_look_sec of heap[i] is not after those of
 *                             row ◄─ heap[1]        heap[2i + 1] and heap[2i + 2]; row.at is its
 *                             row ◄─ heap[2] …      place in the heap
 *   leaves ─► row ⇄ row ⇄ row                       those without a stack, as they came
 *   rows    one array; its pages are the kernel's until the first row in them is used
 *
 * Measured with 32,768 rows in 128 slots, -O2: to ask all slots whether one is due takes 0.2 µs if
 * none is, to scan the rows for it 370 µs. To take one on is 0.5 µs (with its page faults), a look
 * (due, alive) 0.2 µs, and to halve a slot that holds them all 5 ms.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Out of memory leaves a row out of the table (its hh.tbl is NULL) instead of exiting. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "growth/survival.h"
#include "lib/splitmix.h"
#include "pgd_abi.h"
#include "sample/samples.h"

#define HEAP_MIN    64 /* rows that a heap has room for, at least */
#define LISTED_AGES 5 /* looks come as survival_age_sec lists them up to here, 30 s */

struct row {
	struct sample sample;
	UT_hash_handle hh;
	struct row *prev, *next; /* in leaves; next: in spare */
	size_t at; /* in the slot's heap */
};

struct slot {
	struct row *by_block;
	struct row **heap;
	size_t n, n_room;
	struct samples_lost lost;
};

struct samples {
	struct slot slots[PGD_TARGETS_MAX];
	struct row *rows;
	size_t max, n; /* n: in use */
	size_t n_touched; /* rows beyond were never used */
	struct row *spare; /* rows below n_touched that are not in use */
	struct row *leaves;
	uint64_t seed;
	samples_let_go_t let_go; /* NULL: nobody asks */
	void *userdata; /* of let_go */
};

int samples_new(size_t max, uint64_t seed, samples_let_go_t let_go, void *userdata,
		struct samples **ret)
{
	_cleanup_(samples_freep) struct samples *s = calloc(1, sizeof(*s));

	assert(max > 0);
	if (!s)
		return -ENOMEM;
	/* Not malloc: pages of zeroes are not there until they are written to. */
	s->rows = calloc(max, sizeof(*s->rows));
	if (!s->rows)
		return -ENOMEM;
	s->max = max;
	s->seed = seed;
	s->let_go = let_go;
	s->userdata = userdata;
	*ret = TAKE_PTR(s);
	return 0;
}

void samples_free(struct samples *s)
{
	if (!s)
		return;
	for (uint32_t slot = 0; slot < PGD_TARGETS_MAX; slot++)
		samples_forget(s, slot);
	free(s->rows);
	free(s);
}

/* NULL: no such slot. */
static struct slot *slot_of(const struct samples *s, uint32_t number)
{
	return number < PGD_TARGETS_MAX ? (struct slot *)&s->slots[number] : NULL;
}

/* ── the heap of a slot ───────────────────────────────────────────────────────────────────── */

static void heap_put(struct slot *slot, size_t at, struct row *row)
{
	slot->heap[at] = row;
	row->at = at;
}

static void heap_sift_up(struct slot *slot, struct row *row)
{
	size_t at = row->at;

	while (at) {
		struct row *parent = slot->heap[(at - 1) / 2];

		if (parent->sample.next_look_sec <= row->sample.next_look_sec)
			break;
		heap_put(slot, at, parent);
		at = (at - 1) / 2;
	}
	heap_put(slot, at, row);
}

static void heap_sift_down(struct slot *slot, struct row *row)
{
	size_t at = row->at, child;

	for (; (child = 2 * at + 1) < slot->n; at = child) {
		if (child + 1 < slot->n && slot->heap[child + 1]->sample.next_look_sec <
						   slot->heap[child]->sample.next_look_sec)
			child++;
		if (row->sample.next_look_sec <= slot->heap[child]->sample.next_look_sec)
			break;
		heap_put(slot, at, slot->heap[child]);
	}
	heap_put(slot, at, row);
}

/* Its next_look_sec has changed. */
static void heap_move(struct slot *slot, struct row *row)
{
	heap_sift_up(slot, row);
	heap_sift_down(slot, row);
}

static int heap_resize(struct slot *slot, size_t n_room)
{
	struct row **heap = realloc(slot->heap, n_room * sizeof(struct row *));

	if (!heap)
		return -ENOMEM;
	slot->heap = heap;
	slot->n_room = n_room;
	return 0;
}

static int heap_make_room(struct slot *slot)
{
	if (slot->n < slot->n_room)
		return 0;
	return heap_resize(slot, slot->n_room ? 2 * slot->n_room : HEAP_MIN);
}

/* 128 slots that held all samples once, one after the other, must not keep room for them. */
static void heap_shrink(struct slot *slot)
{
	size_t n_room = slot->n_room;

	while (n_room > HEAP_MIN && slot->n < n_room / 4)
		n_room /= 2;
	if (n_room < slot->n_room)
		(void)heap_resize(slot, n_room); /* -ENOMEM: it stays as it is */
}

static void heap_add(struct slot *slot, struct row *row)
{
	row->at = slot->n++;
	heap_sift_up(slot, row);
}

static void heap_del(struct slot *slot, struct row *row)
{
	struct row *last = slot->heap[--slot->n];

	if (last != row) {
		heap_put(slot, row->at, last);
		heap_move(slot, last);
	}
	heap_shrink(slot);
}

/* ── rows ─────────────────────────────────────────────────────────────────────────────────── */

static struct row *row_find(const struct slot *slot, uint64_t block)
{
	struct row *row = NULL;

	HASH_FIND(hh, slot->by_block, &block, sizeof(block), row);
	return row;
}

static struct row *row_new(struct samples *s)
{
	struct row *row = s->spare;

	assert(s->n < s->max);
	if (row)
		s->spare = row->next;
	else
		row = &s->rows[s->n_touched++];
	memset(row, 0, sizeof(*row));
	s->n++;
	return row;
}

static void leaves_add(struct samples *s, struct row *row)
{
	if (!row->sample.stack)
		DL_APPEND(s->leaves, row);
}

static void leaves_del(struct samples *s, struct row *row)
{
	if (row->prev) /* of a list's first row too: utlist keeps the last one there */
		DL_DELETE(s->leaves, row);
	row->prev = row->next = NULL;
}

/* Its slot's table and heap know nothing of it any more. */
static void row_free(struct samples *s, struct row *row)
{
	leaves_del(s, row);
	row->next = s->spare;
	s->spare = row;
	s->n--;
}

static void row_del(struct samples *s, struct row *row)
{
	struct slot *slot = slot_of(s, row->sample.slot);

	heap_del(slot, row);
	HASH_DELETE(hh, slot->by_block, row);
	row_free(s, row);
}

void samples_del(struct samples *s, struct sample *sample)
{
	row_del(s, container_of(sample, struct row, sample));
}

void samples_settle(struct samples *s, uint32_t number, const struct pace_settlement *settlement)
{
	struct slot *slot = slot_of(s, number);

	for (size_t i = 0; slot && i < slot->n; i++) {
		struct sample *sample = &slot->heap[i]->sample;

		sample->weight = pace_settle_weight(settlement, sample->weight, &sample->pending);
	}
}

void samples_forget(struct samples *s, uint32_t number)
{
	struct slot *slot = slot_of(s, number);

	if (!slot)
		return;
	HASH_CLEAR(hh, slot->by_block);
	for (size_t i = 0; i < slot->n; i++)
		row_free(s, slot->heap[i]);
	free(slot->heap);
	*slot = (struct slot){ 0 };
}

/* ── room ─────────────────────────────────────────────────────────────────────────────────── */

static int by_stack(const struct sample *a, const struct sample *b)
{
	if (a->stack != b->stack)
		return a->stack < b->stack ? -1 : 1;
	if (a->window != b->window)
		return a->window < b->window ? -1 : 1;
	return (a->block > b->block) - (a->block < b->block);
}

static int rows_by_stack(const void *a, const void *b)
{
	return by_stack(&(*(struct row *const *)a)->sample, &(*(struct row *const *)b)->sample);
}

static int samples_by_stack(const void *a, const void *b)
{
	return by_stack(*(const struct sample *const *)a, *(const struct sample *const *)b);
}

static struct slot *slot_fullest(struct samples *s)
{
	struct slot *fullest = &s->slots[0];

	for (struct slot *slot = s->slots; slot < s->slots + PGD_TARGETS_MAX; slot++)
		if (slot->n > fullest->n)
			fullest = slot;
	return fullest;
}

static void tell(const struct samples *s, const struct sample *goes)
{
	if (s->let_go)
		s->let_go(s->userdata, goes);
}

/* Of each two neighbours one goes, and the other stands for both. It stays with a probability in
 * proportion to its weight, which keeps the expected sum of weight × anything, and the sum of
 * weights exactly: to double all weights would do the first, but after a few times old samples
 * would be few and huge. Sorted, so that a stack keeps half of its samples, and its weight, to
 * within one. */
static int thin(struct samples *s)
{
	struct slot *slot = slot_fullest(s);
	size_t n = slot->n, n_kept = 0;

	if (n < 2)
		return -ENOMEM;
	qsort(slot->heap, n, sizeof(struct row *), rows_by_stack);
	for (size_t i = 0; i < n; i += 2) {
		struct row *stays = slot->heap[i], *goes = i + 1 < n ? slot->heap[i + 1] : NULL;

		if (goes) {
			double both = stays->sample.weight + goes->sample.weight;

			if (splitmix_uniform(&s->seed) * both < goes->sample.weight) {
				goes = stays;
				stays = slot->heap[i + 1];
			}
			stays->sample.weight = both;
			tell(s, &goes->sample);
			HASH_DELETE(hh, slot->by_block, goes);
			row_free(s, goes);
		}
		heap_put(slot, n_kept++, stays);
	}
	slot->lost.thinned += n - n_kept;
	slot->n = n_kept;
	for (size_t i = n_kept / 2; i-- > 0;)
		heap_sift_down(slot, slot->heap[i]);
	return 0;
}

/* 0: there is room for this newcomer; 1: it is the one that goes. */
static int make_room(struct samples *s, const struct sample *sample)
{
	if (s->n < s->max)
		return 0;
	while (s->leaves) {
		struct row *oldest = s->leaves;

		if (!oldest->sample.stack) {
			slot_of(s, oldest->sample.slot)->lost.leaves++;
			tell(s, &oldest->sample);
			row_del(s, oldest);
			return 0;
		}
		leaves_del(s, oldest); /* its stack has become known meanwhile */
	}
	if (!sample->stack) {
		slot_of(s, sample->slot)->lost.leaves++;
		tell(s, sample);
		return 1;
	}
	return thin(s);
}

/* ── the way of a sample ──────────────────────────────────────────────────────────────────── */

static void schedule(struct sample *sample, double now_sec)
{
	double age_sec = now_sec - sample->born_sec;
	unsigned next = survival_age(age_sec) + 1;

	sample->next_age = (uint8_t)next;
	sample->next_look_sec = next <= LISTED_AGES
					? sample->born_sec + survival_age_sec[next]
					: now_sec + fmin(age_sec / 4, SAMPLES_LOOK_MAX_SEC);
}

static void replace(struct samples *s, struct row *row, const struct sample *sample)
{
	leaves_del(s, row);
	row->sample = *sample;
	schedule(&row->sample, sample->born_sec);
	leaves_add(s, row);
	heap_move(slot_of(s, sample->slot), row);
}

static int add(struct samples *s, struct slot *slot, const struct sample *sample)
{
	struct row *row;
	int r = heap_make_room(slot);

	if (r < 0)
		return r;
	row = row_new(s);
	row->sample = *sample;
	HASH_ADD(hh, slot->by_block, sample.block, sizeof(row->sample.block), row);
	if (!row->hh.tbl) {
		row_free(s, row);
		return -ENOMEM;
	}
	schedule(&row->sample, sample->born_sec);
	leaves_add(s, row);
	heap_add(slot, row);
	return 0;
}

int samples_add(struct samples *s, const struct sample *sample, struct sample *ret_replaced)
{
	struct slot *slot = slot_of(s, sample->slot);
	struct row *row;
	int r;

	if (!slot || !isfinite(sample->weight) || sample->weight < 1 || !isfinite(sample->born_sec))
		return -EINVAL;
	row = row_find(slot, sample->block);
	if (row) {
		if (ret_replaced)
			*ret_replaced = row->sample;
		replace(s, row, sample);
		return 1;
	}
	r = make_room(s, sample);
	if (r)
		return r < 0 ? r : 0;
	return add(s, slot, sample);
}

struct sample *samples_find(const struct samples *s, uint32_t number, uint64_t block)
{
	const struct slot *slot = slot_of(s, number);
	struct row *row = slot ? row_find(slot, block) : NULL;

	return row ? &row->sample : NULL;
}

/* Rows that are due hang together at the top of the heap. Those that were found are the queue of
 * those whose children may be due too, so the cost is that of what is found. */
size_t samples_due(struct samples *s, uint32_t number, double now_sec, struct sample **ret,
		   size_t max)
{
	const struct slot *slot = slot_of(s, number);
	size_t n = 0;

	if (!slot || !slot->n || !max || !(slot->heap[0]->sample.next_look_sec <= now_sec))
		return 0;
	ret[n++] = &slot->heap[0]->sample;
	for (size_t i = 0; i < n; i++) {
		size_t child = 2 * container_of(ret[i], struct row, sample)->at + 1;

		for (size_t c = child; c < slot->n && c < child + 2 && n < max; c++)
			if (slot->heap[c]->sample.next_look_sec <= now_sec)
				ret[n++] = &slot->heap[c]->sample;
	}
	return n;
}

void samples_alive(struct samples *s, struct sample *sample, double now_sec)
{
	schedule(sample, now_sec);
	heap_move(slot_of(s, sample->slot), container_of(sample, struct row, sample));
}

/* ── asking ───────────────────────────────────────────────────────────────────────────────── */

size_t samples_count(const struct samples *s, uint32_t number)
{
	const struct slot *slot = slot_of(s, number);

	return slot ? slot->n : 0;
}

int samples_list(const struct samples *s, uint32_t number, const struct sample ***ret,
		 size_t *ret_n)
{
	const struct slot *slot = slot_of(s, number);
	size_t n = samples_count(s, number);
	const struct sample **list = calloc(n + 1, sizeof(const struct sample *));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		list[i] = &slot->heap[i]->sample;
	qsort(list, n, sizeof(const struct sample *), samples_by_stack);
	*ret = list;
	*ret_n = n;
	return 0;
}

void samples_lost(const struct samples *s, uint32_t number, struct samples_lost *ret)
{
	const struct slot *slot = slot_of(s, number);

	*ret = slot ? slot->lost : (struct samples_lost){ 0 };
}
