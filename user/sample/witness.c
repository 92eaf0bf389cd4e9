/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/witness.c — see witness.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "lib/splitmix.h"
#include "sample/witness.h"

#define POINTER_MIN 0x10000ULL /* mmap_min_addr: below are counts and flags */
#define POINTER_END (1ULL << 47)
#define HASH_UNSET  (~0ULL)
#define STR_STATE   3 /* words behind the type: length, hash, state, … */
#define PRE_TYPE_AT 5 /* the type's word behind a pre-header and a GC head */

struct slot {
	struct witness of[PGD_WITNESSES_MAX];
	uint32_t phase; /* of the collector's probes, when rows were given last */
};

struct witnesses {
	struct pgd_witness *rows;
	struct pgd_gc_trip *trips;
	struct slot *slots[PGD_TARGETS_MAX]; /* NULL: none yet */
	uint64_t seed;
};

int witnesses_new(struct pgd_witness *rows, struct pgd_gc_trip *trips, uint64_t seed,
		  struct witnesses **ret)
{
	struct witnesses *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return -ENOMEM;
	ws->rows = rows;
	ws->trips = trips;
	ws->seed = seed;
	*ret = ws;
	return 0;
}

void witnesses_free(struct witnesses *ws)
{
	if (!ws)
		return;
	for (uint32_t slot = 0; slot < PGD_TARGETS_MAX; slot++)
		free(ws->slots[slot]);
	free(ws);
}

static struct pgd_witness *row_of(const struct witnesses *ws, uint32_t slot, size_t i)
{
	return &ws->rows[slot * PGD_WITNESSES_MAX + i];
}

static uint32_t state_of(const struct pgd_witness *row)
{
	return __atomic_load_n(&row->state, __ATOMIC_ACQUIRE);
}

/* ── which words tell ─────────────────────────────────────────────────────────────────────── */

static bool is_pointer(uint64_t w)
{
	return w >= POINTER_MIN && w < POINTER_END;
}

/* Words before and at the type, but for the pre-header: counts, GC heads. */
static bool is_head(const struct fingerprint *f, unsigned at)
{
	return f->type_at && at <= f->type_at && !(f->type_at == PRE_TYPE_AT && at < 2);
}

/* Does this word stay as it is while the block lives, and differ from others'? */
static bool is_telling(uint64_t block, const struct fingerprint *f, unsigned at, uint64_t word)
{
	bool is_fixed = f->content == FINGERPRINT_FIXED || f->content == FINGERPRINT_STR;

	if (is_head(f, at) || word == HASH_UNSET)
		return false;
	if (f->content == FINGERPRINT_STR && at >= (unsigned)f->type_at + STR_STATE)
		return false; /* filled in later, some of it */
	if (is_fixed) /* the last one may be a hash of the rest */
		return at < FINGERPRINT_WORDS - 1;
	/* Its own lists and buffers come and go with what is in them; a pointer into itself is the
	 * same in every object at this address. */
	return is_pointer(word) && word - block >= FINGERPRINT_WORDS_SEEN * sizeof(word);
}

/* Where none does, all have to be as they were, as in fingerprint.c: what gets the block next
 * differs at least by what its maker has not set yet. */
static bool is_any(uint64_t block, const struct fingerprint *f, unsigned at, uint64_t word)
{
	(void)block;
	return !is_head(f, at) && word != HASH_UNSET && (f->type_at || at);
}

static unsigned add_words(struct pgd_witness *row, unsigned n, const struct fingerprint *f,
			  bool (*is_wanted)(uint64_t block, const struct fingerprint *f,
					    unsigned at, uint64_t word))
{
	unsigned i = 0;

	for (uint64_t mask = f->mask; mask && i < FINGERPRINT_WORDS; mask &= mask - 1, i++) {
		unsigned at = (unsigned)__builtin_ctzll(mask);

		if (n == PGD_WITNESS_WORDS || !is_wanted(row->block, f, at, f->words[i]))
			continue;
		row->at[n] = (uint8_t)at;
		row->was[n++] = f->words[i];
	}
	return n;
}

static bool is_type(uint64_t block, const struct fingerprint *f, unsigned at, uint64_t word)
{
	(void)block;
	(void)word;
	return f->type_at && at == f->type_at;
}

static void choose_words(const struct fingerprint *f, struct pgd_witness *row)
{
	unsigned n_type = add_words(row, 0, f, is_type), n;

	n = add_words(row, n_type, f, is_telling);
	if (n == n_type)
		n = add_words(row, n, f, is_any);
	while (n < PGD_WITNESS_WORDS)
		row->at[n++] = PGD_WITNESS_NO_WORD;
}

bool witness_fill(uint64_t block, const struct fingerprint *print, struct pgd_witness *ret)
{
	struct pgd_witness row = { .block = block };

	if (print->kind == FINGERPRINT_NONE || !print->mask)
		return false;
	choose_words(print, &row);
	if (print->kind == FINGERPRINT_OBJECT) {
		row.life = PGD_WITNESS_LIFE_COUNT;
		row.life_at = (uint8_t)(print->type_at - 1u);
	} else if (print->mask & 1 && print->words[0] && print->words[0] < POINTER_MIN) {
		row.life = PGD_WITNESS_LIFE_LITTLE;
	} else if (row.at[0] != 0) {
		return false; /* of memory, the first word is what a free list overwrites */
	}
	*ret = row;
	return true;
}

/* ── rows ─────────────────────────────────────────────────────────────────────────────────── */

static void let_go(struct witnesses *ws, uint32_t slot, size_t i)
{
	witness_unwatch(row_of(ws, slot, i));
	ws->slots[slot]->of[i].is_taken = false;
}

void witnesses_drop(struct witnesses *ws, uint32_t slot)
{
	ws->trips[slot].n_witnesses = 0;
	for (size_t i = 0; ws->slots[slot] && i < PGD_WITNESSES_MAX; i++)
		let_go(ws, slot, i);
}

/* The probes were off meanwhile: who died then is not known, so nothing is of any of them. */
static void drop_stale(struct witnesses *ws, uint32_t slot)
{
	uint32_t phase = __atomic_load_n(&ws->trips[slot].phase, __ATOMIC_ACQUIRE);

	if (!ws->slots[slot] || ws->slots[slot]->phase == phase)
		return;
	witnesses_drop(ws, slot);
	ws->slots[slot]->phase = phase;
}

struct pair {
	size_t at;
	uint64_t stack;
};

static int by_stack(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

/* Of each two of the same stack, or nearly, one goes, and the other stands for both. It stays with
 * a probability in proportion to its weight, which keeps what they stand for: as in samples.c. */
static void thin(struct witnesses *ws, uint32_t slot)
{
	struct witness *of = ws->slots[slot]->of;
	struct pair list[PGD_WITNESSES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < PGD_WITNESSES_MAX; i++)
		if (of[i].is_taken)
			list[n++] = (struct pair){ i, of[i].stack };
	qsort(list, n, sizeof(list[0]), by_stack);
	for (size_t i = 0; i + 1 < n; i += 2) {
		size_t stays = list[i].at, goes = list[i + 1].at;
		double both = of[stays].weight + of[goes].weight;

		if (splitmix_uniform(&ws->seed) * both < of[goes].weight) {
			stays = list[i + 1].at;
			goes = list[i].at;
		}
		of[stays].weight = both;
		let_go(ws, slot, goes);
	}
}

static size_t count_taken(const struct witnesses *ws, uint32_t slot)
{
	size_t n = 0;

	for (size_t i = 0; i < PGD_WITNESSES_MAX; i++)
		n += ws->slots[slot]->of[i].is_taken;
	return n;
}

static void free_rows(struct witnesses *ws, uint32_t slot, size_t n, struct witness_room *ret)
{
	for (size_t i = 0; i < PGD_WITNESSES_MAX; i++) {
		if (ws->slots[slot]->of[i].is_taken)
			continue;
		witness_unwatch(row_of(ws, slot, i)); /* of a window that had no result */
		if (ret->n < n)
			ret->rows[ret->n++] = row_of(ws, slot, i);
	}
}

void witnesses_reserve(struct witnesses *ws, uint32_t slot, size_t n_max, struct witness_room *ret)
{
	size_t n_room = n_max / 2 < WITNESSES_A_WINDOW ? n_max / 2 : WITNESSES_A_WINDOW;

	ret->n = 0;
	if (slot >= PGD_TARGETS_MAX)
		return;
	if (!ws->slots[slot])
		ws->slots[slot] = calloc(1, sizeof(*ws->slots[slot]));
	if (!ws->slots[slot])
		return;
	drop_stale(ws, slot);
	while (count_taken(ws, slot) > n_max - n_room)
		thin(ws, slot);
	free_rows(ws, slot, n_room, ret);
	ws->trips[slot].n_witnesses = PGD_WITNESSES_MAX;
}

void witnesses_take(struct witnesses *ws, uint32_t slot, const struct pgd_witness *row,
		    const struct witness *witness)
{
	struct witness *to = &ws->slots[slot]->of[row - row_of(ws, slot, 0)];

	drop_stale(ws, slot);
	if (state_of(row) == PGD_WITNESS_EMPTY)
		return;
	*to = *witness;
	to->is_taken = true;
	to->has_met_full = false;
}

void witnesses_settle(struct witnesses *ws, uint32_t slot, const struct pace_settlement *settlement)
{
	for (size_t i = 0; ws->slots[slot] && i < PGD_WITNESSES_MAX; i++) {
		struct witness *w = &ws->slots[slot]->of[i];

		w->weight = pace_settle_weight(settlement, w->weight, &w->pending);
	}
}

/* ── what becomes of them ─────────────────────────────────────────────────────────────────── */

/* CYCLES_FATE_MAX: it is still there, or nobody knows. */
static enum cycles_fate fate_of(uint32_t state)
{
	static const enum cycles_fate fates[PGD_WITNESS_STATE_MAX] = {
		[PGD_WITNESS_EMPTY] = CYCLES_FATE_MAX,
		[PGD_WITNESS_WATCHED] = CYCLES_FATE_MAX,
		[PGD_WITNESS_INSIDE] = CYCLES_FATE_MAX,
		[PGD_WITNESS_GONE] = CYCLES_BY_REFERENCES,
		[PGD_WITNESS_LOST] = CYCLES_FATE_MAX,
		[PGD_WITNESS_COLLECTED] = CYCLES_BY_COLLECTOR,
		[PGD_WITNESS_COLLECTED_FULL] = CYCLES_BY_FULL,
	};

	return state < PGD_WITNESS_STATE_MAX ? fates[state] : CYCLES_FATE_MAX;
}

static bool is_watched(uint32_t state)
{
	return state == PGD_WITNESS_WATCHED || state == PGD_WITNESS_INSIDE;
}

void witnesses_harvest(struct witnesses *ws, uint32_t slot, witnesses_tell_t tell, void *userdata)
{
	drop_stale(ws, slot);
	for (size_t i = 0; ws->slots[slot] && i < PGD_WITNESSES_MAX; i++) {
		const struct pgd_witness *row = row_of(ws, slot, i);
		struct witness *w = &ws->slots[slot]->of[i];
		uint32_t state = state_of(row);
		enum cycles_fate fate = fate_of(state);

		/* Between a full collection's end and its verdict on this one: the next time. */
		if (!w->is_taken || state == PGD_WITNESS_INSIDE)
			continue;
		if (row->n_fulls && !w->has_met_full) {
			w->has_met_full = true;
			tell(userdata, slot, w, CYCLES_MET_FULL);
		}
		if (is_watched(state))
			continue;
		if (fate != CYCLES_FATE_MAX)
			tell(userdata, slot, w, fate);
		let_go(ws, slot, i);
	}
}

/* The row of a witness; -1: this block is none. */
static int find(const struct witnesses *ws, uint32_t slot, uint64_t block)
{
	for (int i = 0; ws->slots[slot] && i < PGD_WITNESSES_MAX; i++)
		if (row_of(ws, slot, (size_t)i)->block == block && ws->slots[slot]->of[i].is_taken)
			return i;
	return -1;
}

/* It was there when the last collection was done, and none has begun since. */
void witnesses_bury(struct witnesses *ws, uint32_t slot, uint64_t block)
{
	uint32_t watched = PGD_WITNESS_WATCHED;
	int i = find(ws, slot, block);

	if (i >= 0 && witness_is_quiet(&ws->trips[slot]))
		__atomic_compare_exchange_n(&row_of(ws, slot, (size_t)i)->state, &watched,
					    PGD_WITNESS_GONE, false, __ATOMIC_ACQ_REL,
					    __ATOMIC_ACQUIRE);
}

void witnesses_let_go(struct witnesses *ws, uint32_t slot, uint64_t block)
{
	int i = find(ws, slot, block);

	if (i >= 0)
		let_go(ws, slot, (size_t)i);
}
