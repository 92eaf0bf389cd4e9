/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/gcbudget.c — see gcbudget.h. */
#include <math.h>

#include "lib/splitmix.h"
#include "target/gcbudget.h"

#define NS_PER_SEC   1e9
#define SWITCH_NS    1e6 /* a guess, until it was measured */
#define SWITCH_TIMES 2 /* of the usual, that one measurement counts for at most */
#define LEVEL_MIN    0.5 /* of a stretch; 1.5 at most, so 1 on average */

static double stretch_ns(const struct gcbudget *b)
{
	return fmax(GCBUDGET_STRETCH_NS, GCBUDGET_STRETCH_SEC * NS_PER_SEC * b->share);
}

void gcbudget_init(struct gcbudget *b, double overhead, uint64_t seed, uint64_t now_ns,
		   uint64_t cpu_ns)
{
	*b = (struct gcbudget){
		.switch_ns = SWITCH_NS, .seen_ns = now_ns, .seen_cpu_ns = cpu_ns, .random = seed
	};
	gcbudget_set_overhead(b, overhead);
	b->bucket_ns = b->level_ns = stretch_ns(b) + b->switch_ns;
}

void gcbudget_set_overhead(struct gcbudget *b, double overhead)
{
	b->share = GCBUDGET_PART * overhead;
}

void gcbudget_earn(struct gcbudget *b, uint64_t now_ns, uint64_t cpu_ns)
{
	double dt = now_ns > b->seen_ns ? (double)(now_ns - b->seen_ns) : 0;
	double cpu = cpu_ns > b->seen_cpu_ns ? (double)(cpu_ns - b->seen_cpu_ns) : 0;
	double earned = fmax(b->share * cpu, GCBUDGET_FLOOR_SHARE * dt);
	/* Off: what it earns until it is seen to be enough, or while others switch, is not lost. */
	double most = b->is_on ? stretch_ns(b) : b->level_ns + stretch_ns(b);

	b->seen_ns = now_ns;
	b->seen_cpu_ns = cpu_ns;
	b->bucket_ns = fmin(b->bucket_ns + earned, fmax(most, b->bucket_ns));
}

void gcbudget_spend(struct gcbudget *b, double cost_ns)
{
	b->bucket_ns -= cost_ns;
}

bool gcbudget_may_go_on(const struct gcbudget *b)
{
	return !b->is_on && b->bucket_ns >= b->level_ns;
}

bool gcbudget_must_come_off(const struct gcbudget *b)
{
	return b->is_on && b->bucket_ns <= 0;
}

void gcbudget_went_on(struct gcbudget *b, double cost_ns)
{
	double both_ns = fmin(2 * cost_ns, SWITCH_TIMES * b->switch_ns);

	b->switch_ns += (both_ns - b->switch_ns) / 4;
	b->bucket_ns -= both_ns;
	b->is_on = true;
}

void gcbudget_came_off(struct gcbudget *b)
{
	b->is_on = false;
	b->level_ns = b->switch_ns + stretch_ns(b) * (LEVEL_MIN + splitmix_uniform(&b->random));
}

int64_t gcbudget_hits(const struct gcbudget *b, double hit_ns)
{
	return hit_ns > 0 && b->bucket_ns > 0 ? (int64_t)(b->bucket_ns / hit_ns) : 0;
}
