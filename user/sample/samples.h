/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/samples.h — the sampled blocks that are believed alive, and when to look at them
 * next.
 *
 * A table of fixed size for all targets together, since this is what the daemon's memory goes into.
 * When it is full: samples whose stack is not known go first, the one that was taken on first of
 * them; a newcomer without a stack goes itself rather than push out one that has one. Then, of the
 * target that holds most, of each two samples one at random, and the other takes over its weight,
 * which keeps estimates unbiased. Both are counted.
 * No clock, no I/O: time comes in as an argument (monotonic seconds).
 */
#ifndef USER_SAMPLE_SAMPLES_H
#define USER_SAMPLE_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "sample/fingerprint.h"
#include "target/pace.h"

#define SAMPLES_MAX 32768 /* rows, if nobody says otherwise; 8 MiB when all were in use once */

struct sample {
	uint64_t block;
	uint64_t stack; /* pgd_stack_key.hash; 0: only its leaf is known */
	uint64_t leaf; /* struct pgd_sample.leaf: where in which code object it was taken */
	uint64_t window; /* number of the window it was drawn in; 0: outside of windows */
	double weight; /* how many blocks it stands for, >= 1 */
	double span_ns; /* of the target's time that its window stands for; 0 outside of windows */
	double born_sec;
	double next_look_sec;
	uint32_t slot;
	uint32_t bytes;
	uint8_t lane; /* enum pgd_lane */
	bool is_followed; /* the kernel has a row for it, which goes when it sees the block die */
	uint8_t pending; /* enum pace_pending, of its weight: samples_settle() */
	uint8_t next_age; /* index into survival_age_sec of the next look that counts there */
	struct fingerprint print;
};

struct samples;

struct samples_lost {
	uint64_t leaves; /* samples without a stack that were let go for want of room */
	uint64_t thinned; /* samples that were let go at random, their weight given to others */
};

/* Told of each sample that the table lets go by itself, as counted in samples_lost; also of a
 * newcomer that goes at once. Not of those that are replaced, deleted or forgotten: their owner
 * knows. The sample is gone when it returns, and it must not call the table. */
typedef void (*samples_let_go_t)(void *userdata, const struct sample *sample);

/* max > 0. seed: of the random choice, so that a test can repeat it. let_go may be NULL. 0 or
 * -ENOMEM. */
int samples_new(size_t max, uint64_t seed, samples_let_go_t let_go, void *userdata,
		struct samples **ret);
void samples_free(struct samples *s);
DEFINE_CLEANUP(struct samples *, samples_free)

/* Take one on; a sample of the same slot and block is replaced (it must have died unseen), and
 * given to *ret_replaced if that is not NULL: 1 then, else 0, even if it was let go at once (see
 * above). next_look_sec and next_age are set here: SAMPLES_LOOK_FIRST after birth. -EINVAL: a slot,
 * weight or time of birth that cannot be; -ENOMEM: no memory, or full and nothing could be let go
 * (each target has one sample or none). */
int samples_add(struct samples *s, const struct sample *sample, struct sample *ret_replaced);
#define SAMPLES_LOOK_FIRST 1 /* index into survival_age_sec */
/* The one of this block; NULL: there is none. Good as long as those of samples_due(). */
struct sample *samples_find(const struct samples *s, uint32_t slot, uint64_t block);
/* Up to `max` samples of the slot that are due at now_sec, in no order; those that are neither
 * looked at (samples_alive) nor deleted come again. How many. A pointer is good until its sample is
 * deleted or forgotten, and until the next samples_add, which may let any go. */
size_t samples_due(struct samples *s, uint32_t slot, double now_sec, struct sample **ret,
		   size_t max);
/* It was seen alive at now_sec: schedules the next look (ages of survival.h; after 30 s a quarter
 * of its age later, at most SAMPLES_LOOK_MAX_SEC), which is always after now_sec. Its next_age is
 * the first above its age now, at last SURVIVAL_AGES: none. */
void samples_alive(struct samples *s, struct sample *sample, double now_sec);
#define SAMPLES_LOOK_MAX_SEC 300.0
void samples_del(struct samples *s, struct sample *sample);
/* Of all of a slot, pace_settle_weight(). */
void samples_settle(struct samples *s, uint32_t slot, const struct pace_settlement *settlement);
/* All of a slot, and what it lost: the next target there starts anew. */
void samples_forget(struct samples *s, uint32_t slot);

size_t samples_count(const struct samples *s, uint32_t slot);
/* All of a slot, sorted by (stack, window), for the estimator; the array is the caller's, its
 * members the table's. 0 or -ENOMEM. */
int samples_list(const struct samples *s, uint32_t slot, const struct sample ***ret, size_t *ret_n);
void samples_lost(const struct samples *s, uint32_t slot, struct samples_lost *ret);

#endif
