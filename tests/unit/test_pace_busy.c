/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pace.c at a busy interpreter: few sites make nearly all, hits come in bursts, and
 * each costs twice what it costs in a loop of nothing else. Is the rate right, and its error
 * honest, over many runs?
 */
#include <math.h>

#include "lib/cleanup.h"
#include "target/pace.h"
#include "test.h"

#define BUSY_SITES 120
#define BUSY_RATE  17.8e6
#define BURST_MIN  5
#define BURST_MAX  20
#define SAMPLE_HIT 1.9e3 /* ns, alloc and its free */
#define BUSY_COST  0.9e3
#define BUSY_CLOCK 0.03
#define BUSY_STOPS 4
#define RUNS	   300
#define COUNT_HITS 4000 /* as turn.c asks for */

static const struct pace_cost cost = { 800, 550, 450 };

struct busy {
	struct pace pace;
	uint64_t random;
	double share[BUSY_SITES];
	uint8_t on[PGD_SITES_MAX];
	uint32_t site_hits[PGD_SITES_MAX];
	bool has_bursts;
	uint64_t n_windows;
	/* Rates that weights rest on, and how many: by enum pace_pending. */
	double rates[PACE_OPEN + 1], n_rates[PACE_OPEN + 1];
};

struct busy_stats {
	unsigned n, n_within;
	double sum, sum_squares, sum_errors;
};

static struct busy busy;
static const unsigned busy_stops[BUSY_STOPS] = { 5, 10, 20, 60 };

static double rand01(void)
{
	busy.random ^= busy.random << 13, busy.random ^= busy.random >> 7;
	busy.random ^= busy.random << 17;
	return (double)(busy.random >> 11) / (double)(1ull << 53);
}

static void busy_start(uint64_t seed, bool has_bursts)
{
	uint8_t is_alloc[PGD_SITES_MAX];
	double sum = 0;

	memset(&busy, 0, sizeof(busy));
	memset(is_alloc, 1, sizeof(is_alloc));
	busy.has_bursts = has_bursts;
	busy.random = (seed + 1) * 0x9e3779b97f4a7c15ull;
	for (int i = 0; i < 20; i++)
		rand01();
	memset(busy.on, 1, BUSY_SITES);
	for (size_t i = 20; i < BUSY_SITES; i++)
		sum += busy.share[i] = pow(10, -2.0 * (double)(i - 20) / 100);
	for (size_t i = 20; i < BUSY_SITES; i++)
		busy.share[i] *= 0.03 / sum;
	for (size_t i = 2; i < 20; i++)
		busy.share[i] = 0.22 / 18 * (0.4 + 1.2 * (double)(i - 2) / 17);
	busy.share[0] = 0.45;
	busy.share[1] = 0.30;
	pace_init(&busy.pace, is_alloc, BUSY_SITES);
}

/* Bursts of the sites that are on, at random times, until there are enough or it is time. */
static void busy_window(const uint8_t *on, double hit_ns, double hits_max, double wall_ns,
			struct pace_window *w)
{
	double share = 0, cpu_ns = 0, size, clock;

	memset(busy.site_hits, 0, sizeof(busy.site_hits));
	*w = (struct pace_window){ .site_hits = busy.site_hits };
	for (size_t i = 0; i < BUSY_SITES; i++)
		share += on[i] ? busy.share[i] : 0;
	size = busy.has_bursts ? (BURST_MIN + BURST_MAX) / 2.0 : 1;
	while (share > 0) {
		double at = rand01() * share;
		double n = busy.has_bursts
				   ? floor(BURST_MIN + rand01() * (BURST_MAX - BURST_MIN + 1))
				   : 1;
		size_t i = 0, last = 0;

		cpu_ns -= log(1 - rand01()) * size / (BUSY_RATE * share) * 1e9;
		if (cpu_ns > wall_ns)
			break;
		for (; i < BUSY_SITES; i++) {
			if (!on[i])
				continue;
			last = i;
			if (at < busy.share[i])
				break;
			at -= busy.share[i];
		}
		n = fmin(n, hits_max - (double)w->allocs);
		w->allocs += (uint64_t)n;
		busy.site_hits[last] += (uint32_t)n;
		cpu_ns += n * hit_ns;
		if ((double)w->allocs >= hits_max)
			break;
	}
	cpu_ns = fmin(cpu_ns, wall_ns);
	clock = 0; /* about normal */
	for (int i = 0; i < 12; i++)
		clock += rand01();
	w->cpu_ns = (uint64_t)(cpu_ns * (1 + BUSY_CLOCK * (clock - 6)));
}

static void step_on(double of[PACE_OPEN + 1])
{
	of[PACE_FOR_GOOD] += of[PACE_CLOSED];
	of[PACE_CLOSED] = of[PACE_OPEN];
	of[PACE_OPEN] = 0;
}

static void busy_settle(const struct pace_settlement *s)
{
	busy.rates[PACE_OPEN] *= s->open;
	busy.rates[PACE_CLOSED] *= s->closed;
	if (!s->n_steps)
		return;
	step_on(busy.rates);
	step_on(busy.n_rates);
}

static double sum_of(const double of[PACE_OPEN + 1])
{
	return of[PACE_FOR_GOOD] + of[PACE_CLOSED] + of[PACE_OPEN];
}

/* The next window. True: it sampled. */
static bool busy_turn(double from, double to)
{
	struct pace_window w;
	struct pace_settlement settlement;

	if (pace_wants_count(&busy.pace, busy.on, busy.n_windows++)) {
		busy_window(busy.pace.is_ref[busy.pace.turn], BUSY_COST, COUNT_HITS,
			    pace_count_ns(&busy.pace), &w);
		pace_count(&busy.pace, &w, &cost);
		if (pace_settle(&busy.pace, &settlement))
			busy_settle(&settlement);
		return false;
	}
	busy_window(busy.on, SAMPLE_HIT, floor(from + rand01() * (to - from)), 1e9, &w);
	w.frees = w.allocs;
	pace_sample(&busy.pace, &w, &cost);
	if (busy.pace.pending == PACE_OPEN) {
		busy.rates[PACE_OPEN] += busy.pace.pending_rate;
		busy.n_rates[PACE_OPEN]++;
	}
	return true;
}

/* One run: after so many sampling windows, is the rate known, and how wrong was it on average, as
 * weights are? Returns in which window it was known first. */
static unsigned busy_run(double from, double to, struct busy_stats *first, struct busy_stats *stats)
{
	unsigned n_samplings = 0, known = 0, stop = 0;

	busy.rates[PACE_FOR_GOOD] = busy.n_rates[PACE_FOR_GOOD] = 0;
	while (stop < BUSY_STOPS) {
		double wrong = NAN, error;
		struct busy_stats *at[2] = { NULL, NULL };

		if (!busy_turn(from, to))
			continue;
		n_samplings++;
		error = pace_error(&busy.pace);
		if (isfinite(pace_rate(&busy.pace)))
			wrong = sum_of(busy.rates) / sum_of(busy.n_rates) / BUSY_RATE - 1;
		if (!isnan(wrong) && !known) {
			known = busy.n_windows;
			at[0] = first;
		}
		if (n_samplings == busy_stops[stop])
			at[1] = &stats[stop++];
		for (int i = 0; i < 2 && !isnan(wrong); i++) {
			if (!at[i])
				continue;
			at[i]->n++;
			at[i]->n_within += fabs(wrong) <= 2 * error;
			at[i]->sum += wrong;
			at[i]->sum_squares += wrong * wrong;
			at[i]->sum_errors += error;
		}
	}
	return known;
}

static void pace__error_is_honest_from_the_first(void **state)
{
	static const struct {
		double from, to;
		bool has_bursts;
		double known_by, bias_max;
	} rows[] = {
		{ 1300, 2700, false, 15, 0.03 },
		{ 5000, 12000, false, 15, 0.03 },
		{ 1300, 2700, true, 25, 0.07 },
		{ 5000, 12000, true, 18, 0.05 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct busy_stats all[BUSY_STOPS + 1] = { 0 };
		double known = 0;

		for (uint64_t seed = 0; seed < RUNS; seed++) {
			busy_start(seed, rows[i].has_bursts);
			known += busy_run(rows[i].from, rows[i].to, &all[0], all + 1);
		}
		if (known / RUNS > rows[i].known_by)
			fail_msg("row %zu: known in window %.1f", i, known / RUNS);
		for (size_t k = 0; k <= BUSY_STOPS; k++) {
			double bias = all[k].n ? all[k].sum / all[k].n : 0;

			if (all[k].n >= RUNS / 10 && all[k].n_within < 0.82 * all[k].n)
				fail_msg("row %zu, stop %zu: %u of %u within two errors", i, k,
					 all[k].n_within, all[k].n);
			if (k >= 3 && !(fabs(bias) < rows[i].bias_max && all[k].n > RUNS * 0.85))
				fail_msg("row %zu, stop %zu: %.1f %%, %u known", i, k, bias * 100,
					 all[k].n);
		}
	}
}

/* The sites that are counted by suddenly have three times the hits, while the rate is as before: a
 * counting window and the sampling windows about it must be remembered for equally long. */
static void pace__another_phase_does_not_look_like_another_rate(void **state)
{
	static const double limits[BUSY_STOPS] = { 0.35, 0.15, 0.08, 0.03 };
	struct busy_stats first = { 0 }, stats[BUSY_STOPS] = { { 0 } };

	(void)state;
	for (uint64_t seed = 0; seed < RUNS; seed++) {
		struct busy_stats before[BUSY_STOPS] = { { 0 } };

		busy_start(seed, false);
		busy_run(5000, 12000, &first, before);
		for (uint64_t n = seed % 16; n; n--) /* it comes at any time */
			busy_turn(5000, 12000);
		for (size_t i = 0; i < BUSY_SITES; i++)
			busy.share[i] *= busy.pace.is_ref[PACE_THIN][i] ? 3 : 1;
		busy_run(5000, 12000, &first, stats);
	}
	for (size_t k = 0; k < BUSY_STOPS; k++)
		if (!(fabs(stats[k].sum / stats[k].n) < limits[k]))
			fail_msg("%u windows later: %.1f %% off", busy_stops[k],
				 stats[k].sum / stats[k].n * 100);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pace__error_is_honest_from_the_first),
		cmocka_unit_test(pace__another_phase_does_not_look_like_another_rate),
	};

	return cmocka_run_group_tests_name("pace_busy", tests, NULL, NULL);
}
