/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/capture.c — see capture.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/splitmix.h"
#include "sample/capture.h"

int capture_new(struct capture **ret)
{
	_cleanup_(capture_freep) struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->blocks = calloc(PGD_SAMPLES_MAX, sizeof(*c->blocks));
	c->looks = calloc(PGD_SAMPLES_MAX, sizeof(*c->looks));
	c->rows = calloc(PGD_SAMPLES_MAX, sizeof(*c->rows));
	if (!c->blocks || !c->looks || !c->rows)
		return -ENOMEM;
	*ret = TAKE_PTR(c);
	return 0;
}

_Static_assert(PGD_SAMPLES_MAX <= UINT16_MAX + 1, "rows[]");

void capture_free(struct capture *c)
{
	if (!c)
		return;
	free(c->blocks);
	free(c->looks);
	free(c->rows);
	free(c);
}

/* The rows that hold a block. */
static size_t gather(struct capture *c, const struct pgd_sample *samples, size_t n_max)
{
	size_t n = 0;

	for (size_t i = 0; i < n_max; i++) {
		uint64_t block = __atomic_load_n(&samples[i].block, __ATOMIC_ACQUIRE);

		if (!block)
			continue;
		c->rows[n] = (uint16_t)i;
		c->blocks[n].sample = samples[i];
		c->blocks[n].sample.block = block;
		c->blocks[n].print = (struct fingerprint){ .kind = FINGERPRINT_NONE };
		c->looks[n] = (struct liveness_block){ .block = block,
						       .bytes = samples[i].bytes,
						       .lane = samples[i].lane,
						       .print = &c->blocks[n].print };
		n++;
	}
	return n;
}

/* ── witnesses ────────────────────────────────────────────────────────────────────────────── */

/* No collection is running, and none was missed since the window was opened. */
static bool is_quiet(const struct capture_witnesses *w)
{
	return witness_is_quiet(w->trip) &&
	       __atomic_load_n(&w->trip->phase, __ATOMIC_ACQUIRE) == w->phase;
}

static uint32_t begun(const struct capture_witnesses *w)
{
	return __atomic_load_n(&w->trip->begun, __ATOMIC_ACQUIRE);
}

/* As many as there is room for, each with the same chance. */
static void choose(struct capture *c)
{
	struct capture_witnesses *w = &c->witnesses;

	for (size_t i = 0; i < c->n; i++) {
		const struct pgd_sample *sample = &c->blocks[i].sample;
		size_t at = w->n_candidates;

		if (!sample->stack || sample->epoch != w->epoch)
			continue;
		w->n_candidates++;
		if (at >= w->room.n)
			at = (size_t)(splitmix_uniform(&w->seed) * (double)w->n_candidates);
		if (at < w->room.n)
			w->blocks[at] = i;
	}
	w->n = w->n_candidates < w->room.n ? w->n_candidates : w->room.n;
}

/* Those that tell nothing by their words stand aside; the rest stands for them. */
static void watch(struct capture *c)
{
	struct capture_witnesses *w = &c->witnesses;
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct capture_block *b = &c->blocks[w->blocks[i]];

		if (!witness_fill(b->sample.block, &b->print, w->room.rows[n]))
			continue;
		witness_watch(w->room.rows[n]);
		w->blocks[n++] = w->blocks[i];
	}
	w->n = n;
}

/* The blocks were looked at after `begun_before` was read. */
static void call_witnesses(struct capture *c, uint32_t begun_before)
{
	struct capture_witnesses *w = &c->witnesses;

	w->epoch = (uint8_t)begun_before;
	choose(c);
	watch(c);
	w->is_known = is_quiet(w) && begun(w) == begun_before;
	if (w->is_known)
		return;
	for (size_t i = 0; i < w->n; i++)
		witness_unwatch(w->room.rows[i]);
	w->n = 0;
}

void capture_run(void *userdata, struct pgd_sample *samples, size_t n_max)
{
	struct capture *c = userdata;
	struct capture_witnesses *w = &c->witnesses;
	bool has_witnesses = w->trip && is_quiet(w);
	uint32_t begun_before = has_witnesses ? begun(w) : 0;
	size_t n, n_kept = 0;

	if (n_max > PGD_SAMPLES_MAX)
		n_max = PGD_SAMPLES_MAX;
	c->n = 0;
	w->is_known = false;
	w->n = w->n_candidates = 0;
	n = gather(c, samples, n_max);
	c->error = liveness_look(c->liveness, c->looks, n);
	if (c->error < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (c->blocks[i].print.kind != FINGERPRINT_NONE &&
		    __atomic_load_n(&samples[c->rows[i]].block, __ATOMIC_ACQUIRE) ==
			    c->blocks[i].sample.block)
			c->blocks[n_kept++] = c->blocks[i];
	c->n = n_kept;
	if (has_witnesses)
		call_witnesses(c, begun_before);
}
