/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/sampler.c — see sampler.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/sampler.h"
#include "growth/survival.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "sample/pyobject.h"
#include "sample/witness.h"

#define LOOKS_MAX	512 /* samples of a target that are looked at in one go */
#define LOOK_ALL_SHARE	0.0005 /* of a core, that looks after full collections may cost */
#define SUSPECT_SEC	0.5 /* a leaf with a block that old is suspect */
#define SUSPECT_MINUTES 15 /* and stays so for that long after the last one */
#define TYPE_NAME_BYTES 128
#define TYPES_MAX	8192 /* remembered names; then the table is emptied */
#define OF_CONTAINERS	"(memory of containers)"
#define SEC_PER_MINUTE	60

struct type_key {
	uint64_t type;
	uint64_t slot;
};

struct type_name {
	struct type_key key;
	const char *name; /* of the stack table */
	UT_hash_handle hh;
};

struct sampler {
	struct probes *probes;
	struct stacktab *stacks;
	struct samples *samples;
	struct witnesses *witnesses;
	struct probes_shared shared;
	struct type_name *types;
	struct sample *due[LOOKS_MAX];
	struct liveness_block looks[LOOKS_MAX];
};

/* The table lets it go for want of room: nobody looks for its row any more. */
static void let_go(void *userdata, const struct sample *sample)
{
	struct sampler *s = userdata;

	if (sample->is_followed)
		probes_unfollow(s->probes, sample->slot, sample->block);
}

int sampler_new(struct probes *p, struct stacktab *t, struct sampler **ret)
{
	_cleanup_(sampler_freep) struct sampler *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->probes = p;
	s->stacks = t;
	r = samples_new(SAMPLES_MAX, (uint64_t)time(NULL), let_go, s, &s->samples);
	if (r < 0)
		return r;
	probes_shared(p, &s->shared);
	r = witnesses_new(s->shared.witnesses, s->shared.gc_trips, (uint64_t)time(NULL),
			  &s->witnesses);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

static void forget_types(struct sampler *s)
{
	struct type_name *type, *next;

	HASH_ITER (hh, s->types, type, next) {
		HASH_DEL(s->types, type);
		free(type);
	}
}

void sampler_free(struct sampler *s)
{
	if (!s)
		return;
	forget_types(s);
	samples_free(s->samples);
	witnesses_free(s->witnesses);
	free(s);
}

static struct stack *stack_by_hash(const struct sampler *s, uint32_t slot, uint64_t hash)
{
	struct pgd_stack_key key = { .hash = hash, .slot = slot };

	return hash ? stacktab_find(s->stacks, &key) : NULL;
}

static struct stack *stack_of(const struct sampler *s, const struct sample *sample)
{
	return stack_by_hash(s, sample->slot, sample->stack);
}

/* ── taking on ────────────────────────────────────────────────────────────────────────────── */

static void note(struct sampler *s, const struct sample *sample, bool died)
{
	struct stack *stack = stack_of(s, sample);

	if (stack)
		survival_add(&stack->survival, sample->next_age, 1, died);
}

static void count_freed(struct stack *stack, double weight, double bytes, double n_blocks)
{
	stack->drawn.freed_bytes += weight * bytes * n_blocks;
	stack->drawn.freed_blocks += weight * n_blocks;
}

/* It has died. */
static void note_end(struct sampler *s, const struct sample *sample)
{
	struct stack *stack = stack_of(s, sample);

	note(s, sample, true);
	if (stack)
		count_freed(stack, sample->weight, sample->bytes, 1);
	witnesses_bury(s->witnesses, sample->slot, sample->block);
}

static void add(struct sampler *s, struct sample *sample)
{
	struct sample replaced;
	struct stack *stack;
	int r;

	/* Full, and the row is not there: then only looks can tell that it died. */
	sample->is_followed =
		sample->stack && probes_follow(s->probes, sample->slot, sample->block) == 0;
	r = samples_add(s->samples, sample, &replaced);
	if (r < 0) {
		log_debug(r, "take a sample on, skipping");
		return;
	}
	if (r > 0) {
		note_end(s, &replaced);
		if (replaced.is_followed && !sample->is_followed)
			probes_unfollow(s->probes, replaced.slot, replaced.block);
	}
	stack = stack_of(s, sample);
	if (stack)
		stack->n_caught++;
}

/* Of one block, the walk's chance and its site's included. */
static double weight_of(const struct lens *l, const struct sampler_window *w, uint32_t site,
			uint32_t walk)
{
	return w->weight * (walk == PGD_WALK_CHANCE ? w->walk_of : 1) /
	       (double)l->odds[site & (PGD_SITES_MAX - 1)];
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
static void note_window(struct sampler *s, const struct lens *l, const struct capture *c,
			const struct sampler_window *w)
{
	uint32_t slot = l->watch->slot;
	struct stack *stack = NULL;
	uint64_t hash = 0;

	if (w->n_walked > PGD_WALKED_MAX)
		return; /* it is not known who was there */
	for (size_t i = 0; i < w->n_walked; i++) {
		const struct pgd_walked *from = &s->shared.walked[i];

		if (!i || from->stack != hash)
			stack = stack_by_hash(s, slot, from->stack);
		hash = from->stack;
		if (stack)
			end_in_window(stack, &c->witnesses, weight_of(l, w, from->site, from->walk),
				      from->bytes, from->epoch, 1);
	}
	for (size_t i = 0; i < c->n; i++) {
		const struct pgd_sample *from = &c->blocks[i].sample;

		stack = stack_by_hash(s, slot, from->stack);
		if (stack)
			end_in_window(stack, &c->witnesses, weight_of(l, w, from->site, from->walk),
				      from->bytes, from->epoch, -1);
	}
}

/* Witnesses were drawn from all stacks together. Those of a stack stand for what of it was alive
 * and could have been one, also in windows that drew none: how many of it were drawn is then no
 * accident that a share could suffer from. */
static void count_candidates(struct sampler *s, const struct lens *l, const struct capture *c,
			     const struct sampler_window *w)
{
	const struct capture_witnesses *from = &c->witnesses;

	for (size_t i = 0; i < c->n; i++) {
		const struct pgd_sample *sample = &c->blocks[i].sample;
		struct stack *stack = stack_by_hash(s, l->watch->slot, sample->stack);

		if (stack && sample->epoch == from->epoch)
			stack->drawn.unwatched_blocks +=
				weight_of(l, w, sample->site, sample->walk);
	}
	for (size_t i = 0; i < from->n; i++) {
		uint64_t hash = c->blocks[from->blocks[i]].sample.stack;
		struct stack *stack = stack_by_hash(s, l->watch->slot, hash);

		if (stack)
			stack->drawn.n_called++;
	}
}

static void take_witnesses(struct sampler *s, const struct lens *l, const struct capture *c,
			   const struct sampler_window *w)
{
	const struct capture_witnesses *from = &c->witnesses;

	if (!from->is_known)
		return;
	count_candidates(s, l, c, w);
	for (size_t i = 0; i < from->n; i++) {
		const struct pgd_sample *sample = &c->blocks[from->blocks[i]].sample;
		struct stack *stack = stack_by_hash(s, l->watch->slot, sample->stack);
		struct witness witness = { .stack = sample->stack,
					   .bytes = sample->bytes,
					   .is_pending = w->is_pending };

		if (!stack)
			continue;
		witness.weight = stack->drawn.unwatched_blocks / stack->drawn.n_called--;
		stack->drawn.unwatched_blocks -= witness.weight;
		witnesses_take(s->witnesses, l->watch->slot, from->room.rows[i], &witness);
	}
}

void sampler_open(struct sampler *s, const struct lens *l, struct capture *c)
{
	const struct pgd_gc_trip *trip = &s->shared.gc_trips[l->watch->slot];

	c->witnesses.trip = NULL;
	if (!l->gc || !(trip->phase & 1))
		return;
	witnesses_reserve(s->witnesses, l->watch->slot,
			  gcwatch_is_tight(l->gc) ? WITNESSES_FEW : PGD_WITNESSES_MAX,
			  &c->witnesses.room);
	c->witnesses.trip = trip;
	c->witnesses.phase = trip->phase;
}

void sampler_window(struct sampler *s, const struct lens *l, const struct capture *c,
		    const struct sampler_window *w, double now_sec)
{
	log_debug(0, "pid %d: window %llu: %llu walked, %zu alive; who frees them is %s, %zu of %zu "
		  "witnesses",
		  l->watch->pid, (unsigned long long)w->number, (unsigned long long)w->n_walked, c->n,
		  c->witnesses.is_known ? "known" : "not known", c->witnesses.n,
		  c->witnesses.n_candidates);
	note_window(s, l, c, w);
	for (size_t i = 0; i < c->n; i++) {
		const struct pgd_sample *from = &c->blocks[i].sample;
		struct sample sample = {
			.block = from->block,
			.stack = from->stack,
			.leaf = from->leaf,
			.window = w->number,
			.weight = weight_of(l, w, from->site, from->walk),
			.span_ns = w->span_ns,
			.is_pending = w->is_pending,
			.born_sec = now_sec,
			.slot = l->watch->slot,
			.bytes = from->bytes,
			.lane = from->lane,
			.print = c->blocks[i].print,
		};

		add(s, &sample);
	}
	take_witnesses(s, l, c, w);
}

void sampler_settle(struct sampler *s, const struct lens *l, double factor)
{
	samples_settle(s->samples, l->watch->slot, factor);
	witnesses_settle(s->witnesses, l->watch->slot, factor);
}

void sampler_add(struct sampler *s, const struct lens *l, const struct pgd_sample *from,
		 double weight, double now_sec)
{
	struct sample sample = {
		.block = from->block,
		.stack = from->stack,
		.leaf = from->leaf,
		.weight = weight,
		.born_sec = now_sec,
		.slot = l->watch->slot,
		.bytes = from->bytes,
		.lane = from->lane,
	};

	add(s, &sample);
}

/* ── looking ──────────────────────────────────────────────────────────────────────────────── */

static void bury(struct sampler *s, struct sample *sample)
{
	note_end(s, sample);
	if (sample->is_followed)
		probes_unfollow(s->probes, sample->slot, sample->block);
	samples_del(s->samples, sample);
}

static void suspect(struct lens *l, uint64_t leaf, double now_sec)
{
	if (leaf)
		l->suspects[leaf & (PGD_SUSPECTS_MAX - 1)] =
			(uint16_t)((uint64_t)(now_sec / SEC_PER_MINUTE) + SUSPECT_MINUTES);
}

static void keep(struct sampler *s, struct lens *l, struct sample *sample, double now_sec)
{
	double age = now_sec - sample->born_sec;
	bool is_known = sample->stack;

	if (survival_age(age) >= sample->next_age)
		note(s, sample, false);
	if (age >= SUSPECT_SEC)
		suspect(l, sample->leaf, now_sec);
	if (age >= SUSPECT_SEC && !is_known) /* it has said what it could */
		samples_del(s->samples, sample);
	else
		samples_alive(s->samples, sample, now_sec);
}

/* The kernel has taken the row away: it saw the block change hands. */
static bool is_seen_dead(const struct sampler *s, const struct sample *sample)
{
	return sample->is_followed && !probes_is_followed(s->probes, sample->slot, sample->block);
}

/* How many were looked at. */
static size_t look_at(struct sampler *s, struct lens *l, struct sample *const *list, size_t n,
		      double now_sec)
{
	int r;

	for (size_t i = 0; i < n; i++)
		s->looks[i] = (struct liveness_block){ .block = list[i]->block,
						       .bytes = list[i]->bytes,
						       .lane = list[i]->lane,
						       .print = &list[i]->print };
	if (!n || lens_prepare(l) < 0)
		return 0;
	r = liveness_look(l->liveness, s->looks, n);
	if (r < 0) {
		log_debug(r, "look at %zu samples of pid %d, ignoring", n, l->watch->pid);
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		struct sample *sample = container_of(s->looks[i].print, struct sample, print);

		if (s->looks[i].state == LIVENESS_ALIVE && !is_seen_dead(s, sample))
			keep(s, l, sample, now_sec);
		else
			bury(s, sample);
	}
	return n;
}

static size_t look_some(struct sampler *s, struct lens *l, double now_sec)
{
	size_t n = samples_due(s->samples, l->watch->slot, now_sec, s->due, LOOKS_MAX);

	return look_at(s, l, s->due, n, now_sec);
}

static bool is_full_over(const struct sampler *s, struct lens *l, double now_sec)
{
	uint32_t n_fulls = s->shared.gc_trips[l->watch->slot].n_fulls;

	if (n_fulls == l->n_fulls_looked || now_sec < l->look_all_sec)
		return false;
	l->n_fulls_looked = n_fulls;
	return true;
}

/* A full collection is when much dies at once, and what it leaves is what counts (cycles.h): who
 * was looked at just before would be believed alive for a quarter of its age more. */
static void look_at_all(struct sampler *s, struct lens *l, double now_sec)
{
	uint64_t before_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	_cleanup_free_ const struct sample **list = NULL;
	size_t n = 0, n_some;

	if (samples_list(s->samples, l->watch->slot, &list, &n) < 0)
		return;
	for (size_t at = 0; at < n; at += n_some) {
		n_some = n - at < LOOKS_MAX ? n - at : LOOKS_MAX;
		if (!look_at(s, l, (struct sample *const *)list + at, n_some, now_sec))
			break;
	}
	l->look_all_sec = now_sec + (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns) / 1e9 /
					    LOOK_ALL_SHARE;
}

static void on_fate(void *userdata, uint32_t slot, const struct witness *witness,
		    enum cycles_fate fate)
{
	struct sampler *s = userdata;
	struct stack *stack = stack_by_hash(s, slot, witness->stack);

	if (stack)
		cycles_drawn_add(&stack->drawn, fate, witness->weight, witness->bytes, 1);
}

uint64_t sampler_look(struct sampler *s, struct lens *l, double now_sec)
{
	uint64_t before_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	witnesses_harvest(s->witnesses, l->watch->slot, on_fate, s);
	if (l->state == LENS_WINDOWS && is_full_over(s, l, now_sec))
		look_at_all(s, l, now_sec);
	while (look_some(s, l, now_sec) == LOOKS_MAX)
		;
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns;
}

/* ── adding up ────────────────────────────────────────────────────────────────────────────── */

/* Name of the type that this sample is of; NULL: none can be said. */
static const char *type_of(struct sampler *s, const struct lens *l, const struct sample *sample)
{
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;
	struct type_key key = { .slot = sample->slot };
	struct type_name *type = NULL;

	if (sample->print.kind == FINGERPRINT_MEMORY)
		return OF_CONTAINERS;
	if (sample->print.kind != FINGERPRINT_OBJECT)
		return NULL;
	key.type = sample->print.words[sample->print.type_at];
	HASH_FIND(hh, s->types, &key, sizeof(key), type);
	if (type)
		return type->name;
	if (pyobject_type_name(&l->watch->runtime.names, &l->watch->mem, key.type, TYPE_NAME_BYTES,
			       &name) < 0 ||
	    !name.len)
		return NULL;
	if (HASH_COUNT(s->types) >= TYPES_MAX)
		forget_types(s);
	type = calloc(1, sizeof(*type));
	if (!type)
		return NULL;
	type->key = key;
	type->name = stacktab_name(s->stacks, name.buf);
	HASH_ADD(hh, s->types, key, sizeof(type->key), type);
	if (!type->hh.tbl) {
		free(type);
		return NULL;
	}
	return type->name;
}

/* It is held. Was it when the last full collection ended? */
static void add_floor(const struct lens *l, struct stack *stack, const struct sample *sample)
{
	uint32_t n_fulls = l->gc ? gcwatch_fulls_since(l->gc, sample->born_sec) : 0;

	if (!n_fulls)
		return;
	stack->drawn.floor_bytes += sample->weight * sample->bytes;
	if (n_fulls > stack->drawn.fulls_survived)
		stack->drawn.fulls_survived = n_fulls;
}

void sampler_estimate(struct sampler *s, const struct lens *l, double now_sec)
{
	_cleanup_free_ const struct sample **list = NULL;
	size_t n = 0;
	int r = samples_list(s->samples, l->watch->slot, &list, &n);

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct sample *sample = list[i];
		struct stack *stack = stack_of(s, sample);
		struct estimate_sample e = { .window = sample->window,
					     .bytes = sample->bytes,
					     .weight = sample->weight,
					     .span_ns = sample->span_ns };

		if (!stack || now_sec - sample->born_sec < SAMPLER_SETTLED_SEC)
			continue;
		add_floor(l, stack, sample);
		r = stacktab_add_sample(stack, &e, type_of(s, l, sample));
	}
	if (r < 0)
		log_debug(r, "add up samples of pid %d, skipping", l->watch->pid);
	stacktab_estimate(s->stacks, l->watch->slot, l->n_samplings, pace_error(&l->pace));
}

void sampler_forget(struct sampler *s, const struct lens *l)
{
	samples_forget(s->samples, l->watch->slot);
	witnesses_drop(s->witnesses, l->watch->slot);
}

size_t sampler_count(const struct sampler *s, uint32_t slot)
{
	return samples_count(s->samples, slot);
}

int sampler_list(const struct sampler *s, uint32_t slot, const struct sample ***ret, size_t *ret_n)
{
	return samples_list(s->samples, slot, ret, ret_n);
}

void sampler_lost(const struct sampler *s, uint32_t slot, struct samples_lost *ret)
{
	samples_lost(s->samples, slot, ret);
}
