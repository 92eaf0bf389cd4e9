/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/fates.c — see fates.h. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "daemon/fates.h"
#include "lib/log.h"
#include "sample/witness.h"

struct fates {
	struct stacktab *stacks;
	struct witnesses *witnesses;
	struct probes_shared shared;
};

int fates_new(struct probes *p, struct stacktab *t, struct fates **ret)
{
	_cleanup_(fates_freep) struct fates *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->stacks = t;
	probes_shared(p, &f->shared);
	r = witnesses_new(f->shared.witnesses, f->shared.gc_trips, (uint64_t)time(NULL),
			  &f->witnesses);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(f);
	return 0;
}

void fates_free(struct fates *f)
{
	if (!f)
		return;
	witnesses_free(f->witnesses);
	free(f);
}

static struct stack *stack_of(const struct fates *f, uint32_t slot, uint64_t hash)
{
	struct pgd_stack_key key = { .hash = hash, .slot = slot };

	return hash ? stacktab_find(f->stacks, &key) : NULL;
}

static void count_freed(struct stack *stack, double weight, double bytes, double n_blocks)
{
	stack->drawn.freed_bytes += weight * bytes * n_blocks;
	stack->drawn.freed_blocks += weight * n_blocks;
}

/* ── a window ─────────────────────────────────────────────────────────────────────────────── */

void fates_open(struct fates *f, const struct lens *l, struct capture *c)
{
	const struct pgd_gc_trip *trip = &f->shared.gc_trips[l->watch->slot];

	c->witnesses.trip = NULL;
	if (!l->gc || !(trip->phase & 1))
		return;
	witnesses_reserve(f->witnesses, l->watch->slot,
			  gcwatch_is_tight(l->gc) ? WITNESSES_FEW : PGD_WITNESSES_MAX,
			  &c->witnesses.room);
	c->witnesses.trip = trip;
	c->witnesses.phase = trip->phase;
}

/* Blocks of a window whose stack is known have died in it, or, n_blocks -1, have not. If none of
 * the collections that may have freed them is in between, references did. */
static void end_in_window(struct stack *stack, const struct capture_witnesses *c, double weight,
			  double bytes, uint8_t epoch, double n_blocks)
{
	count_freed(stack, weight, bytes, n_blocks);
	if (c->is_known && epoch == c->epoch)
		cycles_drawn_add(&stack->drawn, CYCLES_BY_REFERENCES, weight, bytes, n_blocks);
}

/* All that were taken, less those that are there at its end. */
static void note_window(struct fates *f, const struct lens *l, const struct capture *c,
			const struct lens_window *w)
{
	uint32_t slot = l->watch->slot;
	struct stack *stack = NULL;
	uint64_t hash = 0;

	for (size_t i = 0; i < w->n_walked; i++) {
		const struct pgd_walked *from = &f->shared.walked[i];

		if (!i || from->stack != hash)
			stack = stack_of(f, slot, from->stack);
		hash = from->stack;
		if (stack)
			end_in_window(stack, &c->witnesses,
				      lens_weight(l, w, from->site, from->walk), from->bytes,
				      from->epoch, 1);
	}
	for (size_t i = 0; i < c->n; i++) {
		const struct pgd_sample *from = &c->blocks[i].sample;

		stack = stack_of(f, slot, from->stack);
		if (stack)
			end_in_window(stack, &c->witnesses,
				      lens_weight(l, w, from->site, from->walk), from->bytes,
				      from->epoch, -1);
	}
}

/* Witnesses were drawn from all stacks together. Those of a stack stand for what of it was alive
 * and could have been one, also in windows that drew none: how many of it were drawn is then no
 * accident that a share could suffer from. */
static void count_candidates(struct fates *f, const struct lens *l, const struct capture *c,
			     const struct lens_window *w)
{
	const struct capture_witnesses *from = &c->witnesses;

	for (size_t i = 0; i < c->n; i++) {
		const struct pgd_sample *sample = &c->blocks[i].sample;
		struct stack *stack = stack_of(f, l->watch->slot, sample->stack);

		if (stack && sample->epoch == from->epoch)
			stack->drawn.unwatched_blocks +=
				lens_weight(l, w, sample->site, sample->walk);
	}
	for (size_t i = 0; i < from->n; i++) {
		uint64_t hash = c->blocks[from->blocks[i]].sample.stack;
		struct stack *stack = stack_of(f, l->watch->slot, hash);

		if (stack)
			stack->drawn.n_called++;
	}
}

static void take_witnesses(struct fates *f, const struct lens *l, const struct capture *c,
			   const struct lens_window *w)
{
	const struct capture_witnesses *from = &c->witnesses;

	if (!from->is_known)
		return;
	count_candidates(f, l, c, w);
	for (size_t i = 0; i < from->n; i++) {
		const struct pgd_sample *sample = &c->blocks[from->blocks[i]].sample;
		struct stack *stack = stack_of(f, l->watch->slot, sample->stack);
		struct witness witness = { .stack = sample->stack,
					   .bytes = sample->bytes,
					   .pending = w->pending };

		if (!stack)
			continue;
		witness.weight = stack->drawn.unwatched_blocks / stack->drawn.n_called--;
		stack->drawn.unwatched_blocks -= witness.weight;
		witnesses_take(f->witnesses, l->watch->slot, from->room.rows[i], &witness);
	}
}

void fates_window(struct fates *f, const struct lens *l, const struct capture *c,
		  const struct lens_window *w)
{
	log_debug(0,
		  "pid %d: window %llu: %llu walked, %zu alive; who frees them is %s, %zu of %zu "
		  "witnesses",
		  l->watch->pid, (unsigned long long)w->number, (unsigned long long)w->n_walked,
		  c->n, c->witnesses.is_known ? "known" : "not known", c->witnesses.n,
		  c->witnesses.n_candidates);
	if (w->n_walked > PGD_WALKED_MAX)
		return; /* it is not known who was there */
	note_window(f, l, c, w);
	take_witnesses(f, l, c, w);
}

/* ── afterwards ───────────────────────────────────────────────────────────────────────────── */

void fates_settle(struct fates *f, uint32_t slot, const struct pace_settlement *settlement)
{
	witnesses_settle(f->witnesses, slot, settlement);
}

void fates_end(struct fates *f, const struct sample *sample)
{
	struct stack *stack = stack_of(f, sample->slot, sample->stack);

	if (stack)
		count_freed(stack, sample->weight, sample->bytes, 1);
	witnesses_bury(f->witnesses, sample->slot, sample->block);
}

void fates_move(struct fates *f, const struct sample *sample)
{
	witnesses_let_go(f->witnesses, sample->slot, sample->block);
}

static void on_fate(void *userdata, uint32_t slot, const struct witness *witness,
		    enum cycles_fate fate)
{
	const struct fates *f = userdata;
	struct stack *stack = stack_of(f, slot, witness->stack);

	if (stack)
		cycles_drawn_add(&stack->drawn, fate, witness->weight, witness->bytes, 1);
}

void fates_harvest(struct fates *f, uint32_t slot)
{
	witnesses_harvest(f->witnesses, slot, on_fate, f);
}

uint32_t fates_fulls(const struct fates *f, uint32_t slot)
{
	return f->shared.gc_trips[slot].n_fulls;
}

void fates_forget(struct fates *f, uint32_t slot)
{
	witnesses_drop(f->witnesses, slot);
}
