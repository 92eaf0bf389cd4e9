/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/capture.c — see capture.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

void capture_run(void *userdata, struct pgd_sample *samples, size_t n_max)
{
	struct capture *c = userdata;
	size_t n, n_kept = 0;

	if (n_max > PGD_SAMPLES_MAX)
		n_max = PGD_SAMPLES_MAX;
	c->n = 0;
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
}
