/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/sampler.c — see sampler.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/fates.h"
#include "daemon/sampler.h"
#include "growth/survival.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "sample/pyobject.h"

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
	struct fates *fates;
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
	r = fates_new(p, t, &s->fates);
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
	fates_free(s->fates);
	free(s);
}

static struct stack *stack_of(const struct sampler *s, const struct sample *sample)
{
	struct pgd_stack_key key = { .hash = sample->stack, .slot = sample->slot };

	return sample->stack ? stacktab_find(s->stacks, &key) : NULL;
}

/* ── taking on ────────────────────────────────────────────────────────────────────────────── */

static void note(struct sampler *s, const struct sample *sample, bool died)
{
	struct stack *stack = stack_of(s, sample);

	if (stack)
		survival_add(&stack->survival, sample->next_age, 1, died);
}

/* It has died. */
static void note_end(struct sampler *s, const struct sample *sample)
{
	note(s, sample, true);
	fates_end(s->fates, sample);
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

void sampler_open(struct sampler *s, const struct lens *l, struct capture *c)
{
	fates_open(s->fates, l, c);
}

void sampler_window(struct sampler *s, const struct lens *l, const struct capture *c,
		    const struct lens_window *w, double now_sec)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct pgd_sample *from = &c->blocks[i].sample;
		struct sample sample = {
			.block = from->block,
			.stack = from->stack,
			.leaf = from->leaf,
			.window = w->number,
			.weight = lens_weight(l, w, from->site, from->walk),
			.span_ns = w->span_ns,
			.pending = w->pending,
			.born_sec = now_sec,
			.slot = l->watch->slot,
			.bytes = from->bytes,
			.lane = from->lane,
			.print = c->blocks[i].print,
		};

		add(s, &sample);
	}
	fates_window(s->fates, l, c, w);
}

void sampler_settle(struct sampler *s, const struct lens *l,
		    const struct pace_settlement *settlement)
{
	samples_settle(s->samples, l->watch->slot, settlement);
	fates_settle(s->fates, l->watch->slot, settlement);
}

void sampler_add(struct sampler *s, const struct lens *l, const struct pgd_sample *from,
		 double weight, double born_sec)
{
	struct sample sample = {
		.block = from->block,
		.stack = from->stack,
		.leaf = from->leaf,
		.weight = weight,
		.born_sec = born_sec,
		.slot = l->watch->slot,
		.bytes = from->bytes,
		.lane = from->lane,
	};

	add(s, &sample);
}

void sampler_birth(struct sampler *s, const struct lens *l, const struct pgd_birth *birth,
		   double now_sec)
{
	uint32_t slot = l->watch->slot;
	struct sample *was = birth->made_of ? samples_find(s->samples, slot, birth->made_of) : NULL;
	double born_sec = now_sec;

	/* The kernel saw it change hands: of another stack, the next look finds that it died. */
	if (was && was->stack == birth->sample.stack) {
		born_sec = was->born_sec;
		fates_move(s->fates, was);
		samples_del(s->samples, was);
	}
	sampler_add(s, l, &birth->sample, 1, born_sec);
	was = born_sec < now_sec ? samples_find(s->samples, slot, birth->sample.block) : NULL;
	if (was) /* its next look is what its age says, and not the first ones once more */
		samples_alive(s->samples, was, now_sec);
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
	uint32_t n_fulls = fates_fulls(s->fates, l->watch->slot);

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

uint64_t sampler_look(struct sampler *s, struct lens *l, double now_sec)
{
	uint64_t before_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	fates_harvest(s->fates, l->watch->slot);
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
	fates_forget(s->fates, l->watch->slot);
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
