/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/sim/population.c — see population.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "population.h"

struct block {
	double born_sec, dies_sec;
	double weight; /* times unit_bytes */
	unsigned source;
	bool is_followed; /* was taken in exact mode: stands for itself, without error */
};

struct population {
	const struct scenario *s;
	uint64_t *seed;
	double now_sec, begun_sec; /* of this life of the target */
	bool is_exact;
	double flip_sec; /* next time */
	double unit_bytes, thin; /* thin: weight of a newcomer */
	double taken_bytes, jitter, load_max;
	int64_t collections;
	size_t n;
	struct block blocks[SAMPLES_ALIVE]; /* by birth */
	double held[SOURCES_MAX];
};

double random_uniform(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(*seed >> 11) * 0x1p-53;
}

double random_normal(uint64_t *seed)
{
	double u = 1 - random_uniform(seed), v = random_uniform(seed);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

double random_log(uint64_t *seed, double low, double high)
{
	return low * pow(high / low, random_uniform(seed));
}

static unsigned random_poisson(uint64_t *seed, double mean)
{
	double limit, product = 1;
	unsigned n = 0;

	if (mean > 30)
		return (unsigned)fmax(0, round(mean + sqrt(mean) * random_normal(seed)));
	limit = exp(-mean);
	while ((product *= random_uniform(seed)) > limit)
		n++;
	return n;
}

static double load_now(struct population *p)
{
	const struct load *l = &p->s->load;
	double load = 1, ramp;

	if (l->day_depth > 0)
		load = 1 -
		       l->day_depth * (0.5 + 0.5 * cos(2 * M_PI * (p->now_sec - l->day_phase_sec) /
						       DAY_SEC));
	if (l->ramp_sec > 0) {
		ramp = fmin(1, fmax(0, (p->now_sec - l->ramp_at_sec) / l->ramp_sec));
		load *= l->ramp_from + (1 - l->ramp_from) * ramp;
	}
	if (l->jitter > 0) {
		double keep = exp(-STEP_SEC / l->jitter_sec);

		p->jitter = keep * p->jitter +
			    l->jitter * sqrt(1 - keep * keep) * random_normal(p->seed);
		load *= fmax(0, 1 + p->jitter);
	}
	return load;
}

/* Bytes that a source takes in this step. */
static double taken_now(struct population *p, const struct source *src, double load)
{
	double age_sec = p->now_sec - p->begun_sec;

	if (src->is_high_water)
		return src->bytes_per_sec * fmax(0, load - p->load_max);
	if (p->now_sec < src->begin_sec || (src->end_sec > 0 && p->now_sec >= src->end_sec))
		return 0;
	if (src->period_sec > 0 && fmod(p->now_sec, src->period_sec) >= src->busy_sec)
		return 0;
	return src->bytes_per_sec * STEP_SEC * (src->is_steady ? 1 : load) *
	       (src->fade_sec > 0 ? exp(-age_sec / src->fade_sec) : 1);
}

/* Only what outlives the step is of interest: the share of it, and how long ago it was born. */
static double outlives(const struct source *src)
{
	if (src->life == LIFE_FIXED)
		return fmin(1, src->life_sec / STEP_SEC);
	if (src->life == LIFE_RANDOM)
		return src->life_sec / STEP_SEC * (1 - exp(-STEP_SEC / src->life_sec));
	return 1;
}

static double born_ago(struct population *p, const struct source *src)
{
	double u = random_uniform(p->seed);

	if (src->life == LIFE_FIXED)
		return u * fmin(STEP_SEC, src->life_sec);
	if (src->life == LIFE_RANDOM)
		return -src->life_sec * log(1 - u * (1 - exp(-STEP_SEC / src->life_sec)));
	return u * STEP_SEC;
}

static double next_multiple(double now_sec, double period_sec)
{
	return (floor(now_sec / period_sec) + 1) * period_sec;
}

static double dies_at(struct population *p, const struct source *src, double born_sec)
{
	switch (src->life) {
	case LIFE_FIXED:
		return born_sec + src->life_sec;
	case LIFE_RANDOM: /* no memory: what is left does not depend on its age */
		return p->now_sec - src->life_sec * log(1 - random_uniform(p->seed));
	case LIFE_CLEARED:
		return next_multiple(born_sec, src->life_sec);
	case LIFE_COLLECTED:
		return next_multiple(born_sec, p->s->collect_sec);
	default:
		return INFINITY;
	}
}

static void compact(struct population *p, bool (*keeps)(struct population *p, struct block *b))
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (!keeps(p, &p->blocks[i]))
			p->held[p->blocks[i].source] -= p->blocks[i].weight * p->unit_bytes;
		else if (n++ != i)
			p->blocks[n - 1] = p->blocks[i];
	}
	p->n = n;
}

static bool is_alive(struct population *p, struct block *b)
{
	return b->dies_sec > p->now_sec;
}

/* One of two goes, the other stands for both. */
static bool survives_thinning(struct population *p, struct block *b)
{
	if (random_uniform(p->seed) < 0.5)
		return false;
	p->held[b->source] += b->weight * p->unit_bytes;
	b->weight *= 2;
	return true;
}

/* Followed blocks are all known, and so stay as small as they are; only old ones that stay for ever
 * are put together, two and two. False: there are none. */
static bool merge_old(struct population *p)
{
	size_t n = 0, before = p->n;
	bool may_take = false;

	for (size_t i = 0; i < p->n; i++) {
		struct block *last = n ? &p->blocks[n - 1] : NULL, *b = &p->blocks[i];

		if (may_take && i < before / 2 && last->source == b->source &&
		    isinf(last->dies_sec) && isinf(b->dies_sec)) {
			last->weight += b->weight;
			may_take = false;
			continue;
		}
		p->blocks[n++] = *b;
		may_take = true;
	}
	p->n = n;
	return n < before;
}

static void make_room(struct population *p)
{
	if (p->is_exact && merge_old(p))
		return;
	compact(p, survives_thinning);
	p->thin *= 2;
}

static void evict_oldest(struct population *p, unsigned source)
{
	double excess = p->held[source] - p->s->sources[source].cap_bytes;

	for (size_t i = 0; i < p->n && excess > 0; i++) {
		struct block *b = &p->blocks[i];

		if (b->source != source)
			continue;
		b->dies_sec = -INFINITY;
		excess -= b->weight * p->unit_bytes;
	}
	compact(p, is_alive);
}

static void add_block(struct population *p, unsigned source)
{
	const struct source *src = &p->s->sources[source];
	double born_sec = p->now_sec - born_ago(p, src);
	size_t at = p->n;

	if (p->n == SAMPLES_ALIVE) {
		make_room(p);
		at = p->n;
	}
	if (at == SAMPLES_ALIVE)
		return; /* once in 2^512 */
	for (; at && p->blocks[at - 1].born_sec > born_sec; at--)
		p->blocks[at] = p->blocks[at - 1];
	p->blocks[at] =
		(struct block){ born_sec, dies_at(p, src, born_sec), p->thin, source, p->is_exact };
	p->held[source] += p->thin * p->unit_bytes;
	p->n++;
}

static void births(struct population *p, unsigned source, double load)
{
	const struct source *src = &p->s->sources[source];
	double bytes = taken_now(p, src, load);
	double lump = fmax(src->step_bytes, p->unit_bytes * p->thin * p->s->cluster);

	p->taken_bytes += bytes;
	if (src->cap == CAP_FILLS)
		bytes *= fmax(0, 1 - p->held[source] / src->cap_bytes);
	for (unsigned n = random_poisson(p->seed, bytes * outlives(src) / lump); n; n--)
		for (double left = lump; left > p->unit_bytes * p->thin / 2;
		     left -= p->unit_bytes * p->thin)
			add_block(p, source);
	if (src->cap == CAP_OLDEST && p->held[source] > src->cap_bytes)
		evict_oldest(p, source);
}

static void population_begin(struct population *p)
{
	p->begun_sec = p->now_sec;
	p->n = 0;
	p->thin = 1;
	p->taken_bytes = p->load_max = 0;
	p->collections = 0;
	for (unsigned i = 0; i < SOURCES_MAX; i++)
		p->held[i] = 0;
}

static double next_flip(struct population *p)
{
	double mean_sec = p->is_exact ? p->s->exact_sec : p->s->windows_sec;

	return p->now_sec - mean_sec * log(1 - random_uniform(p->seed));
}

/* Back to exact only when it is much cheaper, as in daemon/regime.c. */
static void flip_if_due(struct population *p, double load)
{
	double below = p->s->exact_below_load * (p->is_exact ? 1 : 0.5);

	if (p->s->exact_below_load > 0 && p->is_exact != (load < below)) {
		p->is_exact = !p->is_exact;
	} else if (p->s->windows_sec > 0 && p->now_sec >= p->flip_sec) {
		p->is_exact = !p->is_exact;
		p->flip_sec = next_flip(p);
	}
}

static void population_step(struct population *p)
{
	double load = load_now(p), before_sec = p->now_sec;

	p->now_sec += STEP_SEC;
	if (p->s->collect_sec > 0)
		p->collections += floor(p->now_sec / p->s->collect_sec) >
				  floor(before_sec / p->s->collect_sec);
	compact(p, is_alive);
	for (unsigned i = 0; i < p->s->n_sources; i++)
		births(p, i, load);
	p->load_max = fmax(p->load_max, load);
	flip_if_due(p, load);
}

/* From the youngest to the oldest, so that one walk knows class and interval of each. */
static void look(const struct population *p, const struct detect_limits *limits,
		 struct detect_point *ret)
{
	double end_sec = limits->bin_sec / 6, last_interval = NAN, squares = 0;
	unsigned age = 0;

	*ret = (struct detect_point){
		.time_sec = p->now_sec,
		.has_ages = true,
		.taken_bytes = p->is_exact ? p->taken_bytes : NAN,
		.full_collections = p->s->collect_sec > 0 ? p->collections : -1,
	};
	for (size_t i = p->n; i-- > 0;) {
		const struct block *b = &p->blocks[i];
		double bytes = b->weight * p->unit_bytes, interval = floor(b->born_sec / STEP_SEC);

		for (; age + 1 < DETECT_AGES && p->now_sec - b->born_sec >= end_sec; end_sec *= 1.5)
			age++;
		ret->bytes_by_age[age] += bytes;
		ret->live_bytes += bytes;
		squares += b->is_followed ? 0 : bytes * bytes;
		ret->birth_intervals += interval != last_interval;
		last_interval = interval;
	}
	ret->error_bytes = 1.96 * sqrt(squares * p->s->cluster);
	ret->headroom_bytes = p->s->headroom_bytes - ret->live_bytes;
}

static bool is_in_gap(const struct scenario *s, double now_sec)
{
	return now_sec >= s->gap_at_sec && now_sec < s->gap_at_sec + s->gap_sec;
}

static void judge(struct detect *d, struct detect *process, const struct population *p,
		  const struct detect_limits *limits, struct outcome *ret)
{
	struct detect_verdict v, before;
	struct detect_point point;
	bool was_growing = ret->alarms && !isnan(ret->last_slope);

	if (process) {
		point = (struct detect_point){
			.time_sec = p->now_sec,
			.live_bytes = p->s->process_bytes * (1 + 0.002 * random_normal(p->seed)),
			.taken_bytes = NAN,
			.full_collections = -1,
			.headroom_bytes = NAN,
		};
		detect_push(process, limits, &point, NULL, &before);
	}
	look(p, limits, &point);
	if (detect_push(d, limits, &point, process, &v)) {
		fprintf(stderr, "check_detector: a simulated point was refused\n");
		exit(1);
	}
	if (v.state == DETECT_GROWING) {
		if (!was_growing && !ret->alarms++) {
			ret->first_sec = p->now_sec;
			ret->first_span_sec = v.span_sec;
		}
		ret->last_slope = v.slope_bytes_per_sec;
	} else {
		ret->last_slope = NAN;
		if (v.why < DETECT_RISES && v.why > ret->furthest)
			ret->furthest = v.why;
	}
}

struct outcome scenario_run(const struct scenario *s, const struct detect_limits *limits,
			    uint64_t *seed)
{
	_cleanup_(detect_freep) struct detect *d = NULL, *process = NULL;
	struct outcome ret = { .first_sec = NAN, .last_slope = NAN };
	struct population p = { .s = s, .seed = seed };

	if (detect_new(&d) || (!isnan(s->process_bytes) && detect_new(&process))) {
		fprintf(stderr, "check_detector: out of memory\n");
		exit(1);
	}
	p.unit_bytes = s->peak_bytes / s->peak_samples;
	p.is_exact = s->is_exact;
	if (s->windows_sec > 0)
		p.flip_sec = next_flip(&p);
	population_begin(&p);
	while (p.now_sec < s->days * DAY_SEC) {
		if (s->restart_sec > 0 && p.now_sec - p.begun_sec >= s->restart_sec) {
			population_begin(&p);
			detect_restart(d);
		}
		population_step(&p);
		if (!is_in_gap(s, p.now_sec))
			judge(d, process, &p, limits, &ret);
	}
	return ret;
}
