/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/rollup.c. */
#include <time.h>

#include "growth/rollup.h"
#include "growth/series.h"
#include "lib/cleanup.h"
#include "sample.h"
#include "test.h"

#define MANY 3000

struct fixture {
	struct sample sample;
	const struct snapshot_stack *stacks[4];
	struct rollup rollup;
};

/* The same numbers on every machine and run: Knuth's MMIX generator. */
static double uniform(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(*seed >> 11) * 0x1p-53;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	sample_init(&f->sample);
	for (size_t i = 0; i < ARRAY_SIZE(f->stacks); i++)
		f->stacks[i] = &f->sample.stacks[i];
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rollup_done(&f->rollup);
	free(f);
	return 0;
}

static const struct rollup_row *row_of(const struct fixture *f, const char *function, int line)
{
	for (size_t i = 0; i < f->rollup.n_rows; i++) {
		const struct rollup_row *row = &f->rollup.rows[i];

		if (row->key.function && strcmp(row->key.function, function) == 0 &&
		    row->key.line == line)
			return row;
	}
	fail_msg("no row of %s:%d", function, line);
	return NULL;
}

static void rollup__the_line_to_mend_is_on_top(void **state)
{
	struct fixture *f = *state;
	const struct rollup_row *top;

	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	top = &f->rollup.rows[0];
	assert_string_equal(top->key.function, "get_user");
	assert_int_equal(top->key.line, 17);
	assert_true(top->in_application);
	assert_true(top->blamed.live_bytes == 24 << 20);
	assert_true(top->blamed.growth_bytes_per_sec == (1 << 20) + 200000);
	assert_int_equal(top->blamed.n_stacks, 2);
	assert_ptr_equal(top->top_stack, f->stacks[0]);
}

static void rollup__errors_without_samples_or_times_add_in_quadrature(void **state)
{
	struct fixture *f = *state;

	f->sample.stacks[0].live_bytes_error = 3;
	f->sample.stacks[1].live_bytes_error = 4;
	f->sample.stacks[1].n_samples = SIZE_MAX; /* told, but not given */
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	assert_true(fabs(f->rollup.rows[0].blamed.growth_error - 50000) < 1e-6);
	assert_true(fabs(f->rollup.rows[0].blamed.live_error - 5) < 1e-9);
}

static void rollup__outer_frames_have_it_all_but_are_not_blamed(void **state)
{
	struct fixture *f = *state;
	const struct rollup_row *loop;

	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	loop = row_of(f, "Handle._run", 80);
	/* It is twice in the first stack, and counts once. */
	assert_true(loop->all.live_bytes == (24 << 20) + (64 << 10));
	assert_int_equal(loop->all.n_stacks, 3);
	assert_int_equal(loop->blamed.n_stacks, 0);
	assert_true(isnan(loop->blamed.growth_bytes_per_sec));
	assert_true(loop > row_of(f, "get_user", 17));
}

static void rollup__functions_join_their_lines(void **state)
{
	struct fixture *f = *state;
	struct snapshot_frame other_line[] = { sample_frames[1][0], sample_frames[1][1] };

	other_line[1].line = 18;
	f->sample.stacks[1].frames = other_line;
	f->sample.stacks[1].n_frames = 2;
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_FUNCTION, false,
			     &f->rollup));
	assert_true(row_of(f, "get_user", 0)->blamed.live_bytes == 24 << 20);
}

static void rollup__processes_stay_apart(void **state)
{
	struct fixture *f = *state;

	f->sample.stacks[1].pid = 4712;
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	assert_int_equal(f->rollup.rows[0].pids[0], 4711);
	assert_int_equal(f->rollup.rows[1].pids[0], 4712);
	assert_true(f->rollup.rows[1].blamed.live_bytes == 4 << 20);
}

static void rollup__stacks_without_frames_are_one_row(void **state)
{
	struct fixture *f = *state;
	const struct rollup_row *last = NULL;

	f->sample.stacks[2].n_frames = 0;
	f->sample.stacks[2].blame = 7; /* out of range: not followed */
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	for (size_t i = 0; i < f->rollup.n_rows; i++)
		last = f->rollup.rows[i].key.file ? last : &f->rollup.rows[i];
	assert_non_null(last);
	assert_null(last->key.function);
	assert_int_equal(last->blamed.n_stacks, 2);
	/* One rate is known, the other adds nothing to it. */
	assert_true(last->blamed.growth_bytes_per_sec == 0);
	assert_true(last->blamed.live_bytes == (64 << 10) + 4096);
}

static void rollup__histories_are_aligned_at_the_newest(void **state)
{
	struct fixture *f = *state;
	double history[SNAPSHOT_HISTORY_MAX];

	f->sample.stacks[1].n_history = 2;
	f->sample.stacks[1].history[0] = 7;
	f->sample.stacks[1].history[1] = 8;
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	assert_int_equal(rollup_history(&f->rollup.rows[0], history), 20);
	assert_true(history[19] == (20 << 20) + 8);
	assert_true(history[18] == (19 << 20) + 7);
	assert_true(history[17] == 18 << 20);
}

static void rollup__nothing_gives_nothing(void **state)
{
	struct fixture *f = *state;
	struct rollup_figures sum;

	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 0, ROLLUP_BY_LINE, false, &f->rollup));
	assert_int_equal(f->rollup.n_rows, 0);
	assert_ok(rollup_sum(&f->sample.snapshot, f->stacks, 0, &sum));
	assert_true(isnan(sum.growth_bytes_per_sec) && isnan(sum.growth_error));
	assert_true(sum.live_bytes == 0 && sum.live_error == 0);
}

/* ── live bytes: what was sampled together errs together ──────────────────────────────────── */
static void give_samples(struct snapshot_stack *s, const struct estimate_sample *samples, size_t n,
			 size_t n_windows, double weight_error)
{
	struct estimate e = estimate_live(samples, n, n_windows, weight_error);

	s->samples = samples;
	s->n_samples = n;
	s->n_windows = n_windows;
	s->weight_error = weight_error;
	s->live_bytes = e.bytes;
	s->live_bytes_error = e.bytes_error;
}

static const struct estimate_sample samples_of_0[] = {
	{ 3, 64, 20, 0 }, { 5, 64, 20, 0 }, { 5, 32, 20, 0 }, { 9, 64, 40, 0 }
};
static const struct estimate_sample samples_of_1[] = { { 2, 100, 10, 0 }, { 5, 50, 20, 0 } };
static const struct estimate_sample samples_of_2[] = { { 3, 500, 20, 0 }, { UINT64_MAX, 8, 2, 0 } };
static const struct estimate_sample samples_of_0_1[] = { { 2, 100, 10, 0 }, { 3, 64, 20, 0 },
							 { 5, 64, 20, 0 },  { 5, 32, 20, 0 },
							 { 5, 50, 20, 0 },  { 9, 64, 40, 0 } };
static const struct estimate_sample samples_of_0_1_2[] = {
	{ 2, 100, 10, 0 }, { 3, 64, 20, 0 }, { 3, 500, 20, 0 }, { 5, 64, 20, 0 },
	{ 5, 32, 20, 0 },  { 5, 50, 20, 0 }, { 9, 64, 40, 0 },	{ UINT64_MAX, 8, 2, 0 },
};

static void give_all_samples(struct fixture *f)
{
	give_samples(&f->sample.stacks[0], samples_of_0, ARRAY_SIZE(samples_of_0), 40, 0.02);
	give_samples(&f->sample.stacks[1], samples_of_1, ARRAY_SIZE(samples_of_1), 30, 0.1);
	give_samples(&f->sample.stacks[2], samples_of_2, ARRAY_SIZE(samples_of_2), 60, 0.05);
}

static void assert_near(double got, double want)
{
	if (fabs(got - want) > 1e-9 * fabs(want))
		fail_msg("%.17g, not %.17g", got, want);
}

static void rollup__live_error_is_of_all_samples_together(void **state)
{
	struct fixture *f = *state;
	const struct rollup_row *row;
	double error;

	give_all_samples(f);
	f->sample.stacks[3].live_bytes_error = 0; /* exact: has no samples, and no error */
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	row = row_of(f, "get_user", 17);
	error = estimate_live(samples_of_0_1, ARRAY_SIZE(samples_of_0_1), 40, 0.1).bytes_error;
	assert_near(row->blamed.live_error, error);
	assert_near(row->all.live_error, error);
	assert_true(error > hypot(f->sample.stacks[0].live_bytes_error,
				  f->sample.stacks[1].live_bytes_error));

	row = row_of(f, "<module>", 8);
	error = estimate_live(samples_of_0_1_2, ARRAY_SIZE(samples_of_0_1_2), 60, 0.1).bytes_error;
	assert_near(row->all.live_error, error);
	assert_true(row->blamed.live_error == 0);
	row = row_of(f, "Generator.parse", 98);
	assert_near(row->all.live_error, f->sample.stacks[0].live_bytes_error);
}

static void rollup__live_errors_of_both_kinds_add_in_quadrature(void **state)
{
	struct fixture *f = *state;
	double sampled;

	give_all_samples(f);
	sampled = f->sample.stacks[0].live_bytes_error;
	f->sample.stacks[1].samples = NULL;
	f->sample.stacks[1].live_bytes_error = 4000;
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	assert_near(row_of(f, "get_user", 17)->all.live_error, hypot(sampled, 4000));
}

static void rollup__processes_are_sampled_apart(void **state)
{
	struct fixture *f = *state;
	struct rollup_figures sum;

	give_all_samples(f);
	f->sample.stacks[0].pid = f->sample.stacks[3].pid = 1;
	assert_ok(rollup_sum(&f->sample.snapshot, f->stacks, 1, &sum));
	assert_near(sum.live_error, f->sample.stacks[0].live_bytes_error);
	f->sample.stacks[1].pid = 1;
	f->sample.stacks[2].pid = 2;
	/* Whatever order they come in. */
	f->stacks[1] = &f->sample.stacks[2];
	f->stacks[2] = &f->sample.stacks[1];
	assert_ok(rollup_sum(&f->sample.snapshot, f->stacks, 4, &sum));
	assert_near(sum.live_error,
		    hypot(estimate_live(samples_of_0_1, ARRAY_SIZE(samples_of_0_1), 40, 0.1)
				  .bytes_error,
			  f->sample.stacks[2].live_bytes_error));
}

/* ── growth: the scatter of the sum ───────────────────────────────────────────────────────── */
static void give_times(struct fixture *f, size_t n)
{
	f->sample.snapshot.n_history = n;
	for (size_t i = 0; i < n; i++)
		f->sample.snapshot.history_sec[i] = 1000 + 2.0 * (double)i;
}

static struct series_rate give_history(struct snapshot_stack *s, const double *live, size_t n,
				       size_t n_times)
{
	struct series series;
	struct series_rate rate;

	series_init(&series);
	for (size_t i = 0; i < n_times; i++)
		(void)series_push(&series, 1000 + 2.0 * (double)i,
				  i + n < n_times ? 0 : live[i + n - n_times], 0);
	rate = series_rate(&series, SERIES_RATE_POINTS);
	if (!s)
		return rate;
	s->n_history = n;
	memcpy(s->history, live, n * sizeof(*live));
	s->growth_bytes_per_second = rate.bytes_per_sec;
	s->growth_error = rate.error;
	return rate;
}

static void rollup__growth_error_is_of_the_summed_history(void **state)
{
	struct fixture *f = *state;
	double a[50], b[50], same[50], sum[50] = { 0 };
	const struct rollup_row *row;
	struct series_rate want;

	for (int i = 0; i < 50; i++) {
		a[i] = 100.0 * i + (i % 3) * 1000;
		b[i] = 50.0 * i + (i * 7 % 11) * 300;
		same[i] = -a[i] + 30.0 * i;
	}
	give_times(f, 50);
	/* The second one came 20 points ago. */
	give_history(&f->sample.stacks[0], a, 50, 50);
	give_history(&f->sample.stacks[1], b, 20, 50);
	for (int i = 0; i < 50; i++)
		sum[i] = a[i] + (i < 30 ? 0 : b[i - 30]);
	want = give_history(NULL, sum, 50, 50);
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	row = row_of(f, "get_user", 17);
	assert_near(row->blamed.growth_error, want.error);
	assert_near(row->blamed.growth_bytes_per_sec, want.bytes_per_sec);

	/* What falls exactly as much as another one rises leaves a straight line. */
	give_history(&f->sample.stacks[1], same, 50, 50);
	rollup_done(&f->rollup);
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	row = row_of(f, "get_user", 17);
	assert_true(row->all.growth_error < 1e-6 && f->sample.stacks[0].growth_error > 1);
	assert_near(row->all.growth_bytes_per_sec, 15);
}

static void rollup__without_a_history_growth_errors_add_in_quadrature(void **state)
{
	struct fixture *f = *state;
	double a[10];
	double error;

	for (int i = 0; i < 10; i++)
		a[i] = 100.0 * i + (i % 3) * 1000;
	give_times(f, 10);
	error = give_history(&f->sample.stacks[0], a, 10, 10).error;
	f->sample.stacks[1].n_history = 0;
	f->sample.stacks[1].growth_error = 300;
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	assert_near(row_of(f, "get_user", 17)->all.growth_error, hypot(error, 300));
	/* Two times are too few for a rate of anything. */
	give_times(f, SERIES_RATE_POINTS_MIN - 1);
	rollup_done(&f->rollup);
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	assert_near(row_of(f, "get_user", 17)->all.growth_error, hypot(error, 300));
}

static void rollup__stack_without_a_rate_has_no_part_in_growth(void **state)
{
	struct fixture *f = *state;
	double a[10], wild[10];
	double error;

	for (int i = 0; i < 10; i++) {
		a[i] = 100.0 * i + (i % 3) * 1000;
		wild[i] = (i % 2) * 1e9;
	}
	give_times(f, 10);
	error = give_history(&f->sample.stacks[0], a, 10, 10).error;
	give_history(&f->sample.stacks[1], wild, 10, 10);
	f->sample.stacks[1].growth_bytes_per_second = NAN;
	assert_ok(rollup_new(&f->sample.snapshot, f->stacks, 4, ROLLUP_BY_LINE, false, &f->rollup));
	assert_near(row_of(f, "get_user", 17)->all.growth_error, error);
}

/* ── does the interval hold the truth? ────────────────────────────────────────────────────────
 * Requests of KINDS kinds leak one block in each of the STACKS_OF_KIND stacks of their kind, all of
 * them through one line. What a row says of that line, and what quadrature would.
 */
#define RUNS	       500
#define KINDS	       5
#define STACKS_OF_KIND 20
#define STACKS	       (KINDS * STACKS_OF_KIND)
#define SAMPLES_MAX    200 /* of one stack */
#define DUTY	       0.05
#define WINDOWS	       60
#define REQUESTS       1200 /* 60 are seen, 12 of each kind */

struct service {
	struct snapshot snapshot;
	struct snapshot_stack stacks[STACKS];
	const struct snapshot_stack *list[STACKS];
	struct snapshot_frame frames[STACKS][2];
	struct estimate_sample samples[STACKS][SAMPLES_MAX];
	size_t n_samples[STACKS];
};

static double block_bytes(size_t stack)
{
	return (double)(16 * (1 + stack % 32));
}

static void service_init(struct service *s)
{
	for (size_t i = 0; i < STACKS; i++) {
		s->frames[i][0] = (struct snapshot_frame){ "leaf", "lib.py", (int)i + 1, false };
		s->frames[i][1] = (struct snapshot_frame){ "handler", "app.py", 7, true };
		s->stacks[i] = (struct snapshot_stack){
			.pid = 1, .frames = s->frames[i], .n_frames = 2, .blame = 1
		};
		s->list[i] = &s->stacks[i];
		s->n_samples[i] = 0;
	}
}

static double requests_are_sampled(struct service *s, uint64_t *seed)
{
	double truth = 0;

	for (size_t request = 0; request < REQUESTS; request++) {
		double time = (double)WINDOWS * (double)request / REQUESTS +
			      uniform(seed) * WINDOWS / REQUESTS;
		uint64_t window = (uint64_t)time;
		size_t first = (size_t)(uniform(seed) * KINDS) * STACKS_OF_KIND;
		bool is_seen = uniform(seed) < DUTY;

		for (size_t i = first; i < first + STACKS_OF_KIND; i++) {
			truth += block_bytes(i);
			if (!is_seen)
				continue;
			assert_true(s->n_samples[i] < SAMPLES_MAX);
			s->samples[i][s->n_samples[i]++] =
				(struct estimate_sample){ 1 + window, block_bytes(i), 1 / DUTY, 0 };
		}
	}
	for (size_t i = 0; i < STACKS; i++)
		give_samples(&s->stacks[i], s->samples[i], s->n_samples[i], WINDOWS, 0);
	return truth;
}

struct outcome {
	double row_holds, quadrature_holds; /* shares of the runs */
};

static void outcome_add(struct outcome *o, double error, double row_error, double quadrature)
{
	o->row_holds += (fabs(error) <= row_error) / (double)RUNS;
	o->quadrature_holds += (fabs(error) <= quadrature) / (double)RUNS;
}

static void assert_outcome(const char *what, const struct outcome *o)
{
	print_message("  %s: the row's interval holds %.1f %%, quadrature's %.1f %%\n", what,
		      100 * o->row_holds, 100 * o->quadrature_holds);
	assert_true(o->row_holds >= 0.90 && o->row_holds <= 0.99);
	assert_true(o->quadrature_holds < 0.75);
}

static void rollup__interval_of_live_bytes_holds_the_truth(void **state)
{
	struct fixture *f = *state;
	static struct service s;
	struct outcome o = { 0 };
	uint64_t seed = 20240607;

	for (int run = 0; run < RUNS; run++) {
		double truth, quadrature = 0;

		service_init(&s);
		truth = requests_are_sampled(&s, &seed);
		rollup_done(&f->rollup);
		assert_ok(
			rollup_new(&s.snapshot, s.list, STACKS, ROLLUP_BY_LINE, false, &f->rollup));
		for (size_t i = 0; i < STACKS; i++)
			quadrature = hypot(quadrature, s.stacks[i].live_bytes_error);
		assert_int_equal(f->rollup.rows[0].key.line, 7);
		outcome_add(&o, f->rollup.rows[0].blamed.live_bytes - truth,
			    f->rollup.rows[0].blamed.live_error, quadrature);
	}
	assert_outcome("live bytes", &o);
}

#define TRIES	     40 /* of requests in an interval */
#define TRY_SUCCEEDS 0.25
#define INTERVAL_SEC 2.0

/* Bytes per second. Followed exactly: the only accident is how many requests there are. */
static double requests_are_followed(struct service *s, uint64_t *seed)
{
	double live[STACKS] = { 0 }, history[STACKS][SERIES_RATE_POINTS], rate = 0;

	s->snapshot.n_history = SERIES_RATE_POINTS;
	for (size_t t = 0; t < SERIES_RATE_POINTS; t++) {
		s->snapshot.history_sec[t] = 1000 + INTERVAL_SEC * (double)t;
		for (int try = 0; try < TRIES; try++) {
			size_t first = (size_t)(uniform(seed) * KINDS) * STACKS_OF_KIND;

			if (uniform(seed) >= TRY_SUCCEEDS)
				continue;
			for (size_t i = first; i < first + STACKS_OF_KIND; i++)
				live[i] += block_bytes(i);
		}
		for (size_t i = 0; i < STACKS; i++)
			history[i][t] = live[i];
	}
	for (size_t i = 0; i < STACKS; i++) {
		give_history(&s->stacks[i], history[i], SERIES_RATE_POINTS, SERIES_RATE_POINTS);
		rate += block_bytes(i) * TRIES * TRY_SUCCEEDS / KINDS / INTERVAL_SEC;
	}
	return rate;
}

static void rollup__interval_of_growth_holds_the_truth(void **state)
{
	struct fixture *f = *state;
	static struct service s;
	struct outcome o = { 0 };
	uint64_t seed = 20240608;

	for (int run = 0; run < RUNS; run++) {
		double truth, quadrature = 0;

		service_init(&s);
		truth = requests_are_followed(&s, &seed);
		rollup_done(&f->rollup);
		assert_ok(
			rollup_new(&s.snapshot, s.list, STACKS, ROLLUP_BY_LINE, false, &f->rollup));
		for (size_t i = 0; i < STACKS; i++)
			quadrature = hypot(quadrature, s.stacks[i].growth_error);
		assert_int_equal(f->rollup.rows[0].key.line, 7);
		outcome_add(&o, f->rollup.rows[0].blamed.growth_bytes_per_sec - truth,
			    f->rollup.rows[0].blamed.growth_error, quadrature);
	}
	assert_outcome("growth", &o);
}

/* ── processes that are one ───────────────────────────────────────────────────────────────── */
#define WORKERS 3

/* Three workers of a service, each with the first two stacks of the sample; interleaved, as sorted
 * by growth they would be. */
struct workers {
	struct snapshot_process processes[WORKERS];
	struct snapshot_stack stacks[2 * WORKERS];
	const struct snapshot_stack *list[2 * WORKERS];
};

static void workers_init(struct workers *w, struct fixture *f)
{
	for (pid_t i = 0; i < WORKERS; i++)
		w->processes[i] = (struct snapshot_process){ .pid = 30 - i,
							     .group = 30,
							     .service = "web.service" };
	for (int i = 0; i < 2 * WORKERS; i++) {
		w->stacks[i] = f->sample.stacks[i / WORKERS];
		w->stacks[i].pid = w->processes[i % WORKERS].pid;
		w->list[i] = &w->stacks[i];
	}
	f->sample.snapshot.processes = w->processes;
	f->sample.snapshot.n_processes = WORKERS;
}

static void rollup__workers_are_added_up(void **state)
{
	struct fixture *f = *state;
	struct workers w;
	const struct rollup_row *row;
	struct rollup_figures one;
	double history[SNAPSHOT_HISTORY_MAX];

	give_all_samples(f);
	workers_init(&w, f);
	assert_ok(rollup_sum(&f->sample.snapshot, f->stacks, 2, &one));
	assert_ok(rollup_new(&f->sample.snapshot, w.list, 6, ROLLUP_BY_LINE, false, &f->rollup));
	row = &f->rollup.rows[0];
	assert_string_equal(row->key.function, "get_user");
	assert_string_equal(row->service, "web.service");
	assert_int_equal(row->n_pids, WORKERS);
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(row->pids[i], 28 + i);
	assert_int_equal(row->n_gone_pids, 0);
	assert_false(row->is_gone);
	assert_near(row->blamed.live_bytes, 3 * one.live_bytes);
	assert_near(row->blamed.growth_bytes_per_sec, 3 * one.growth_bytes_per_sec);
	/* Within a process windows are shared, between processes nothing is. */
	assert_near(row->blamed.live_error, sqrt(3) * one.live_error);
	assert_ptr_equal(row->top_stack, &w.stacks[0]);
	assert_int_equal(rollup_history(row, history), 20);
	assert_near(history[19], 3.0 * (24 << 20));
}

static void rollup__split_is_by_process(void **state)
{
	struct fixture *f = *state;
	struct workers w;
	int n = 0;

	workers_init(&w, f);
	assert_ok(rollup_new(&f->sample.snapshot, w.list, 6, ROLLUP_BY_LINE, true, &f->rollup));
	for (size_t i = 0; i < f->rollup.n_rows; i++) {
		assert_int_equal(f->rollup.rows[i].n_pids, 1);
		n += f->rollup.rows[i].key.line == 17;
	}
	assert_int_equal(n, WORKERS);
}

static void rollup__by_stack_ids_are_added_up(void **state)
{
	struct fixture *f = *state;
	struct workers w;

	workers_init(&w, f);
	w.stacks[2].n_frames =
		0; /* whatever else is known of it: the id says that it is the same */
	w.stacks[2].blame = -1;
	assert_ok(rollup_new(&f->sample.snapshot, w.list, 6, ROLLUP_BY_STACK, false, &f->rollup));
	assert_int_equal(f->rollup.n_rows, 2);
	assert_true(f->rollup.rows[0].key.stack == 0x1f2e3d4c5b6a7988);
	assert_int_equal(f->rollup.rows[0].n_pids, WORKERS);
	assert_true(f->rollup.rows[0].blamed.live_bytes == 60 << 20);
	assert_true(f->rollup.rows[1].all.live_bytes == 12 << 20);
}

static void rollup__groups_stay_apart(void **state)
{
	struct fixture *f = *state;
	struct workers w;

	workers_init(&w, f);
	w.processes[1].group = 29;
	w.processes[2].group = 0; /* nobody has said */
	assert_ok(rollup_new(&f->sample.snapshot, w.list, 6, ROLLUP_BY_STACK, false, &f->rollup));
	assert_int_equal(f->rollup.n_rows, 6);
	rollup_done(&f->rollup);
	f->sample.snapshot.n_processes = 0;
	assert_ok(rollup_new(&f->sample.snapshot, w.list, 6, ROLLUP_BY_STACK, false, &f->rollup));
	assert_int_equal(f->rollup.n_rows, 6);
	assert_null(f->rollup.rows[0].service);
}

static void rollup__what_a_worker_held_that_has_gone_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct workers w;
	const struct rollup_row *row;
	double history[SNAPSHOT_HISTORY_MAX];

	workers_init(&w, f);
	w.processes[1].is_gone = true;
	/* It freed one of its two stacks before it ended. */
	w.stacks[1].live_bytes = 0;
	w.stacks[1].peak_bytes = 20 << 20;
	assert_ok(rollup_new(&f->sample.snapshot, w.list, 6, ROLLUP_BY_LINE, false, &f->rollup));
	row = row_of(f, "get_user", 17);
	assert_int_equal(row->n_pids, 2);
	assert_int_equal(row->pids[1], 30);
	assert_int_equal(row->n_gone_pids, 1);
	assert_int_equal(row->gone_pids[0], 29);
	assert_true(row->blamed.live_bytes == 48 << 20);
	assert_true(row->blamed.growth_bytes_per_sec == 2 * ((1 << 20) + 200000));
	assert_true(row->gone_bytes == 24 << 20 && row->gone_blamed_bytes == 24 << 20);
	rollup_history(row, history);
	assert_true(history[19] == 48 << 20);
	row = row_of(f, "Handle._run", 80);
	assert_true(row->gone_bytes == 24 << 20 && row->gone_blamed_bytes == 0);
	assert_true(row->all.live_bytes == 48 << 20);
}

static void rollup__if_all_have_gone_it_is_what_they_held(void **state)
{
	struct fixture *f = *state;
	struct workers w;
	const struct rollup_row *row;

	workers_init(&w, f);
	w.processes[0].is_gone = w.processes[1].is_gone = true;
	/* The one that is left never came by here. */
	w.stacks[2].frames = w.stacks[5].frames = sample_frames[2];
	w.stacks[2].n_frames = w.stacks[5].n_frames = 3;
	w.stacks[2].blame = w.stacks[5].blame = 0;
	assert_ok(rollup_new(&f->sample.snapshot, w.list, 6, ROLLUP_BY_LINE, false, &f->rollup));
	row = row_of(f, "get_user", 17);
	assert_true(row->is_gone);
	assert_int_equal(row->n_pids, 2);
	assert_int_equal(row->n_gone_pids, 0);
	assert_true(row->blamed.live_bytes == 48 << 20);
	assert_false(row_of(f, "Handle._run", 80)->is_gone);
}

/* ── size ─────────────────────────────────────────────────────────────────────────────────── */
/* More rows than the first table has room for: none is lost or split when it grows. */
static void rollup__many_rows(void **state)
{
	struct fixture *f = *state;
	static struct snapshot_frame frames[MANY];
	static struct snapshot_stack stacks[MANY];
	static const struct snapshot_stack *list[MANY * 2];
	double sum = 0;

	for (int i = 0; i < MANY; i++) {
		frames[i] = (struct snapshot_frame){ "f", "f.py", i + 1, true };
		sample_stack(&stacks[i], (uint64_t)i, 1, 0, i, i, 0);
		stacks[i].frames = &frames[i];
		list[i] = list[MANY + i] = &stacks[i];
		sum += 2.0 * i;
	}
	assert_ok(
		rollup_new(&f->sample.snapshot, list, MANY * 2, ROLLUP_BY_LINE, false, &f->rollup));
	assert_int_equal(f->rollup.n_rows, MANY);
	assert_int_equal(f->rollup.rows[0].key.line, MANY);
	for (size_t i = 0; i < MANY; i++)
		sum -= f->rollup.rows[i].blamed.live_bytes;
	assert_true(sum == 0);
}

/* What rollup_new() costs at most: ROLLUP_BENCH=1, and SAN=0 for numbers that mean something. The
 * frames are a tree: outer ones that all stacks share, 15 that fork in two, inner ones of each
 * stack's own. */
#define BENCH_STACKS  4000
#define BENCH_FRAMES  40
#define BENCH_SAMPLES 32768
#define BENCH_SHARED  20

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void bench_stack(struct snapshot_stack *s, struct snapshot_frame *frames, uint64_t id,
			size_t n_shared)
{
	sample_stack(s, id, BENCH_FRAMES, 5, 1 << 20, 1, 1);
	s->frames = frames;
	s->n_windows = 1000;
	s->n_history = SNAPSHOT_HISTORY_MAX;
	for (size_t i = 0; i < SNAPSHOT_HISTORY_MAX; i++)
		s->history[i] = (double)(i * id % 1009);
	for (size_t i = 0; i < BENCH_FRAMES; i++) {
		size_t depth = BENCH_FRAMES - 1 - i; /* 0: the outermost */
		size_t mask = depth < n_shared	      ? 0
			      : depth < n_shared + 15 ? ((size_t)1 << (depth - n_shared)) - 1
						      : SIZE_MAX;

		frames[i] =
			(struct snapshot_frame){ "function", "/srv/app/module.py",
						 (int)(depth << 16 | (id & mask & 0xffff)), true };
	}
}

static void bench(struct fixture *f, size_t n_shared)
{
	struct snapshot_stack *stacks = calloc(BENCH_STACKS, sizeof(*stacks));
	struct snapshot_frame(*frames)[BENCH_FRAMES] = calloc(BENCH_STACKS, sizeof(*frames));
	struct estimate_sample *samples = calloc(BENCH_SAMPLES, sizeof(*samples));
	const struct snapshot_stack **list = calloc(BENCH_STACKS, sizeof(*list));
	size_t n = BENCH_SAMPLES / BENCH_STACKS;
	uint64_t seed = 1;
	double start;

	assert_true(stacks && frames && samples && list);
	for (size_t i = 0; i < BENCH_SAMPLES; i++)
		samples[i] = (struct estimate_sample){ 1 + (uint64_t)(uniform(&seed) * 1000), 64,
						       20, 0 };
	for (size_t i = 0; i < BENCH_STACKS; i++) {
		list[i] = &stacks[i];
		bench_stack(&stacks[i], frames[i], i, n_shared);
		stacks[i].samples = samples + i * n;
		stacks[i].n_samples =
			n + (i == BENCH_STACKS - 1 ? BENCH_SAMPLES % BENCH_STACKS : 0);
	}
	give_times(f, SNAPSHOT_HISTORY_MAX);
	start = cpu_ms();
	rollup_done(&f->rollup);
	assert_ok(rollup_new(&f->sample.snapshot, list, BENCH_STACKS, ROLLUP_BY_LINE, false,
			     &f->rollup));
	print_message("  %d stacks of %d frames, %d samples, %zu rows: %.1f ms\n", BENCH_STACKS,
		      BENCH_FRAMES, BENCH_SAMPLES, f->rollup.n_rows, cpu_ms() - start);
	free(list);
	free(samples);
	free(frames);
	free(stacks);
}

static void rollup__full_size(void **state)
{
	bench(*state, 0);
	bench(*state, BENCH_SHARED);
	bench(*state, BENCH_FRAMES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rollup__the_line_to_mend_is_on_top, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			rollup__errors_without_samples_or_times_add_in_quadrature, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__outer_frames_have_it_all_but_are_not_blamed,
						setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__functions_join_their_lines, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rollup__processes_stay_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__stacks_without_frames_are_one_row, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rollup__histories_are_aligned_at_the_newest, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rollup__nothing_gives_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__live_error_is_of_all_samples_together,
						setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__live_errors_of_both_kinds_add_in_quadrature,
						setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__processes_are_sampled_apart, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rollup__growth_error_is_of_the_summed_history,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			rollup__without_a_history_growth_errors_add_in_quadrature, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__stack_without_a_rate_has_no_part_in_growth,
						setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__interval_of_live_bytes_holds_the_truth,
						setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__interval_of_growth_holds_the_truth, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rollup__workers_are_added_up, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__split_is_by_process, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__by_stack_ids_are_added_up, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__groups_stay_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(
			rollup__what_a_worker_held_that_has_gone_is_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__if_all_have_gone_it_is_what_they_held,
						setup, teardown),
		cmocka_unit_test_setup_teardown(rollup__many_rows, setup, teardown),
	};

	const struct CMUnitTest benches[] = {
		cmocka_unit_test_setup_teardown(rollup__full_size, setup, teardown),
	};

	if (getenv("ROLLUP_BENCH"))
		return cmocka_run_group_tests_name("rollup bench", benches, NULL, NULL);
	return cmocka_run_group_tests_name("rollup", tests, NULL, NULL);
}
