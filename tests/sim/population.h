/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/sim/population.h — the blocks of one stack, born and dying over days, as pygrowd would see
 * them: sampled, with errors, or exactly, and then with what was taken, too.
 *
 * Blocks are simulated one by one (each sample stands for unit_bytes), so that ages, errors and
 * births are those of one and the same past. Steps of STEP_SEC, which is pygrowd's interval.
 */
#ifndef TESTS_SIM_POPULATION_H
#define TESTS_SIM_POPULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth/detect.h"

#define STEP_SEC      10.0
#define SOURCES_MAX   3
#define SAMPLES_ALIVE 512 /* then one of each two goes, as in sample/samples.h */
#define DAY_SEC	      86400.0

enum life {
	LIFE_FIXED, /* life_sec: time to live, requests, jobs */
	LIFE_RANDOM, /* exponential, life_sec on average: sessions, connections */
	LIFE_EVER, /* a leak, or what is set up once */
	LIFE_CLEARED, /* all go each life_sec: batches */
	LIFE_COLLECTED, /* until the next full collection */
};

enum cap {
	CAP_NONE,
	CAP_OLDEST, /* full: the oldest entry makes room; keys never come again */
	CAP_FILLS, /* random keys: the fuller, the fewer are new */
};

/* One reason why a stack holds memory. */
struct source {
	double bytes_per_sec; /* at load 1 */
	enum life life;
	double life_sec;
	enum cap cap;
	double cap_bytes;
	double fade_sec; /* births fade with this time constant: warm-up; 0: never */
	double begin_sec, end_sec; /* when it takes memory; end 0: never ends */
	double period_sec, busy_sec; /* only the first busy_sec of each period; 0: always */
	double step_bytes; /* births come in lumps of this size; 0: as sampled */
	bool is_steady; /* does not follow the load */
	bool is_high_water; /* takes bytes_per_sec for each unit by which the load exceeds its past
			     */
};

struct load {
	double day_depth; /* 0: same at night, 1: nothing at night */
	double day_phase_sec;
	double ramp_from, ramp_sec, ramp_at_sec; /* grows to 1; ramp_sec 0: no ramp */
	double jitter, jitter_sec; /* relative standard deviation, correlation time */
};

struct scenario {
	struct source sources[SOURCES_MAX];
	size_t n_sources;
	struct load load;
	bool is_exact; /* else sampled; with flips: at the beginning */
	/* The regime changes: each so often, on average, in windows and exact; or it is exact while
	 * load is low. */
	double windows_sec, exact_sec; /* 0: not by time */
	double exact_below_load; /* 0: not by load */
	double peak_bytes; /* about what it holds at most in good times: sets unit_bytes */
	double peak_samples;
	unsigned cluster; /* samples of one window that are one accident */
	double collect_sec; /* between full collections; 0: they are not known */
	double restart_sec; /* the target begins anew each so often; 0: never */
	double gap_at_sec, gap_sec; /* nobody looks */
	double headroom_bytes; /* at the beginning; NAN: not known */
	double process_bytes; /* constant; NAN: not known */
	double days;
};

struct outcome {
	unsigned alarms; /* times it began to grow */
	double first_sec; /* of the first; NAN: none */
	double first_span_sec;
	double last_slope;
	enum detect_why furthest; /* of those below DETECT_RISES */
};

/* *seed is the only source of chance. */
struct outcome scenario_run(const struct scenario *s, const struct detect_limits *limits,
			    uint64_t *seed);

double random_uniform(uint64_t *seed); /* 0..1 */
double random_normal(uint64_t *seed);
double random_log(uint64_t *seed, double low, double high); /* log-uniform */

#endif
