/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/judge.c. What grows and what does not, detect.c's own tests say; here it gets
 * the right points. */
#include <math.h>
#include <stdbool.h>

#include "daemon/judge.h"
#include "growth/estimate.h"
#include "test.h"

#define STEP_SEC  10.0
#define MIN	  60.0
#define HOUR	  3600.0
#define START_SEC 1e6
#define UNIX_SEC  1767225600.0 /* of monotonic 0 */
#define LEAK_ID	  0xaaUL
#define BLOCK	  512.0
#define PER_STEP  20 /* blocks that leak in a step */
#define ROWS_MAX  4096

static const struct snapshot_frame frames[] = { { "keep", "/srv/app.py", 17, true } };

struct fixture {
	struct judge *judge;
	struct snapshot snapshot;
	struct snapshot_process processes[2];
	struct snapshot_stack stacks[JUDGE_STACKS_MAX + 64];
	struct gather_birth births[ROWS_MAX];
	size_t n_births;
	double now_sec;
};

static void process_init(struct snapshot_process *p, pid_t pid)
{
	*p = (struct snapshot_process){ .pid = pid,
					.start_ticks = (uint64_t)pid * 100,
					.comm = "app",
					.cmdline = "python3 /srv/app.py",
					.unit = "app.service",
					.service = "app.service",
					.group = pid,
					.regime = "exact",
					.uss_bytes = 100 << 20,
					.rss_bytes = 100 << 20,
					.headroom_bytes = NAN,
					.gc = { .known = true } };
}

static void stack_init(struct snapshot_stack *s, uint64_t id, pid_t pid)
{
	*s = (struct snapshot_stack){ .id = id,
				      .pid = pid,
				      .cycles = SNAPSHOT_CYCLES_NOT_KNOWN,
				      .frames = frames,
				      .n_frames = 1 };
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct detect_limits limits = detect_limits_default();

	if (!f)
		return -1;
	process_init(&f->processes[0], 4711);
	process_init(&f->processes[1], 4712);
	stack_init(&f->stacks[0], LEAK_ID, 4711);
	f->snapshot = (struct snapshot){
		.processes = f->processes, .n_processes = 1, .stacks = f->stacks, .n_stacks = 1
	};
	f->now_sec = START_SEC;
	*state = f;
	return judge_new(&limits, &f->judge);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	judge_free(f->judge);
	free(f);
	return 0;
}

static void tick(struct fixture *f)
{
	f->now_sec += STEP_SEC;
	f->snapshot.at = UNIX_SEC + f->now_sec;
	judge_tick(f->judge, &f->snapshot, f->births, f->n_births, f->now_sec);
	for (size_t i = 0; i < f->snapshot.n_stacks; i++)
		f->snapshot.stacks[i].is_judged = false;
	judge_put(f->judge, &f->snapshot);
}

/* The row of this minute. */
static struct gather_birth *birth_of(struct fixture *f, const struct snapshot_stack *s)
{
	for (size_t i = 0; i < f->n_births; i++)
		if (f->births[i].stack == s->id && f->births[i].pid == s->pid &&
		    f->births[i].born_sec > f->now_sec - MIN)
			return &f->births[i];
	assert_true(f->n_births < ROWS_MAX);
	f->births[f->n_births] =
		(struct gather_birth){ s->pid, s->id, f->now_sec + STEP_SEC / 2, 0 };
	return &f->births[f->n_births++];
}

static void take(struct fixture *f, struct snapshot_stack *s, double blocks)
{
	birth_of(f, s)->bytes += blocks * BLOCK;
	s->live_blocks += (int64_t)blocks;
	s->live_bytes += blocks * BLOCK;
	s->taken_bytes += (uint64_t)(blocks * BLOCK);
}

/* A leak, a full collection every 5 minutes; for that long, or until it is found. */
static void leak(struct fixture *f, double for_sec)
{
	struct snapshot_stack *s = &f->stacks[0];
	struct snapshot_process *p = &f->processes[0];
	int steps = (int)(for_sec / STEP_SEC);

	for (int i = 0; i < steps && s->verdict.state != DETECT_GROWING; i++) {
		take(f, s, PER_STEP);
		p->uss_bytes += (int64_t)(PER_STEP * BLOCK);
		p->gc.generations[PGD_GENERATIONS - 1].collections += i % 30 == 0;
		tick(f);
	}
}

static size_t causes(struct fixture *f, struct alert_cause *ret)
{
	struct alert_cause *list;
	size_t n;

	assert_ok(judge_causes(f->judge, &f->snapshot, &list, &n));
	if (n)
		*ret = list[0];
	free(list);
	return n;
}

static void judge__an_exact_leak_grows(void **state)
{
	struct fixture *f = *state;
	struct snapshot_stack *s = &f->stacks[0];
	struct alert_cause cause;

	leak(f, HOUR);
	assert_true(s->is_judged);
	assert_true(s->verdict.state == DETECT_QUIET || s->verdict.state == DETECT_SUSPECT);
	assert_int_equal(causes(f, &cause), 0);
	leak(f, HOUR);
	assert_int_equal(s->verdict.state, DETECT_GROWING);
	assert_int_equal(s->verdict.why, DETECT_RISES);
	assert_true(fabs(s->verdict.slope_bytes_per_sec - PER_STEP * BLOCK / STEP_SEC) < 1);
	assert_true(fabs(s->verdict.since_sec - (UNIX_SEC + START_SEC)) < 15 * MIN);
	assert_int_equal(causes(f, &cause), 1);
	assert_int_equal(cause.state, DETECT_GROWING);
	assert_ptr_equal(cause.process, &f->processes[0]);
	assert_ptr_equal(cause.stack, s);
}

/* More and more, all of it ten minutes old, and four times as much was taken and given back: load.
 */
static void judge__what_is_taken_and_given_back_counts(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < (int)(3 * HOUR / STEP_SEC); i++) {
		take(f, &f->stacks[0], PER_STEP);
		f->births[0].bytes = f->stacks[0].live_bytes;
		f->births[0].born_sec = f->now_sec - 10 * MIN;
		f->n_births = 1;
		f->stacks[0].taken_bytes += (uint64_t)(PER_STEP * BLOCK) * 4;
		f->processes[0].uss_bytes += (int64_t)(PER_STEP * BLOCK);
		tick(f);
		assert_int_not_equal(f->stacks[0].verdict.state, DETECT_GROWING);
	}
	assert_int_equal(f->stacks[0].verdict.why, DETECT_TURNS_OVER);
}

/* The samples behind its births, each from a window of its own. How fast the target runs, and with
 * it what all of them stand for, is known to 30 %. */
static void put_samples(struct fixture *f, struct snapshot_stack *s,
			struct estimate_sample *samples)
{
	size_t n = f->n_births;

	for (size_t i = 0; i < n; i++)
		samples[i] =
			(struct estimate_sample){ i + 1, BLOCK, f->births[i].bytes / BLOCK, 0 };
	s->samples = samples;
	s->n_samples = s->n_windows = n;
	s->weight_error = 0.3;
	s->live_bytes_error = estimate_live(samples, n, n, s->weight_error).bytes_error;
}

/* 40 KiB a minute, on top of 5 MiB that were there before. */
static void judge__an_error_of_all_weights_hides_no_leak(void **state)
{
	static struct estimate_sample samples[ROWS_MAX];
	struct fixture *f = *state;
	struct snapshot_stack *s = &f->stacks[0];

	f->processes[0].regime = "windows";
	for (int i = 0; i < 256; i++)
		f->births[f->n_births++] =
			(struct gather_birth){ 4711, LEAK_ID, START_SEC - HOUR - i, 40 * BLOCK };
	for (int i = 0; i < (int)(4 * HOUR / STEP_SEC) && s->verdict.state != DETECT_GROWING; i++) {
		if (i % 3 == 0)
			f->births[f->n_births++] =
				(struct gather_birth){ 4711, LEAK_ID, f->now_sec, 40 * BLOCK };
		s->live_bytes = (double)f->n_births * 40 * BLOCK;
		s->live_blocks = (int64_t)f->n_births * 40;
		put_samples(f, s, samples);
		f->processes[0].uss_bytes = (100 << 20) + (int64_t)s->live_bytes;
		f->processes[0].gc.generations[PGD_GENERATIONS - 1].collections += i % 30 == 0;
		tick(f);
	}
	assert_int_equal(s->verdict.state, DETECT_GROWING);
	assert_true(f->now_sec - START_SEC < 2.5 * HOUR);
}

/* Two samples a minute that live on, for two hours; or those of the last half hour. */
static void sampled(struct fixture *f, double life_sec)
{
	struct snapshot_stack *s = &f->stacks[0];
	double began_sec = f->now_sec;

	f->processes[0].regime = "windows";
	f->processes[0].gc.known = false;
	for (int i = 0; i < (int)(2 * HOUR / STEP_SEC) && s->verdict.state != DETECT_GROWING; i++) {
		double now_sec = f->now_sec + STEP_SEC;

		f->n_births = 0;
		for (double born_sec = began_sec; born_sec < now_sec - 2; born_sec += MIN / 2)
			if (born_sec > now_sec - life_sec)
				f->births[f->n_births++] =
					(struct gather_birth){ 4711, LEAK_ID, born_sec,
							       40 * BLOCK };
		/* Others' are no concern of it. */
		f->births[f->n_births++] = (struct gather_birth){ 4711, 0xab, 5, 1e9 };
		f->births[f->n_births++] = (struct gather_birth){ 4712, LEAK_ID, 5, 1e9 };
		s->live_bytes = (double)(f->n_births - 2) * 40 * BLOCK;
		s->live_blocks = (int64_t)(f->n_births - 2) * 40;
		s->live_bytes_error = 0.05 * s->live_bytes;
		f->processes[0].uss_bytes = (100 << 20) + (int64_t)s->live_bytes;
		tick(f);
	}
}

static void judge__ages_tell_a_leak_in_half_the_time(void **state)
{
	struct fixture *f = *state;

	sampled(f, INFINITY);
	assert_int_equal(f->stacks[0].verdict.state, DETECT_GROWING);
	assert_true(f->now_sec - START_SEC < 95 * MIN);
}

static void judge__ages_tell_what_turns_over(void **state)
{
	struct fixture *f = *state;

	sampled(f, 30 * MIN);
	assert_int_not_equal(f->stacks[0].verdict.state, DETECT_GROWING);
}

static void judge__a_restart_does_not_end_it(void **state)
{
	struct alert_cause before, during, after;
	struct fixture *f = *state;

	leak(f, 4 * HOUR);
	assert_int_equal(causes(f, &before), 1);
	/* It is gone, and for a minute still in the snapshot. */
	f->processes[0].is_gone = true;
	tick(f);
	assert_false(f->stacks[0].is_judged);
	assert_int_equal(causes(f, &during), 1);
	assert_int_equal(during.state, DETECT_GROWING);
	assert_null(during.stack);
	assert_true(during.key == before.key);
	/* The next one, once it holds something. */
	f->snapshot.n_processes = 2;
	f->stacks[0].pid = 4712;
	f->stacks[0].live_bytes = 2 * JUDGE_BYTES_MIN;
	tick(f);
	assert_true(f->stacks[0].is_judged);
	assert_int_equal(f->stacks[0].verdict.state, DETECT_GROWING);
	assert_int_equal(causes(f, &after), 1);
	assert_ptr_equal(after.process, &f->processes[1]);
	assert_true(after.key == before.key);
}

static void judge__who_does_not_come_again_is_forgotten(void **state)
{
	const struct detect_limits limits = detect_limits_default();
	struct alert_cause cause;
	struct fixture *f = *state;

	leak(f, 4 * HOUR);
	f->snapshot.n_processes = f->snapshot.n_stacks = 0;
	for (double sec = 0; sec < limits.settle_sec; sec += STEP_SEC) {
		tick(f);
		assert_int_equal(causes(f, &cause), 1);
	}
	tick(f);
	assert_int_equal(causes(f, &cause), 0);
}

static void judge__another_program_does_not_inherit(void **state)
{
	struct fixture *f = *state;

	leak(f, 4 * HOUR);
	f->processes[0].is_gone = true;
	f->processes[1].unit = f->processes[1].service = "other.service";
	f->snapshot.n_processes = 2;
	f->stacks[0].pid = 4712;
	tick(f);
	assert_true(f->stacks[0].is_judged);
	assert_int_equal(f->stacks[0].verdict.state, DETECT_QUIET);
}

/* A stack that holds nothing may be taken off the table of stacks: it was given back. */
static void judge__a_stack_that_is_gone_has_released(void **state)
{
	struct alert_cause cause;
	struct fixture *f = *state;

	leak(f, 4 * HOUR);
	f->snapshot.n_stacks = 0;
	for (double sec = 0; sec < 20 * MIN; sec += STEP_SEC) {
		tick(f);
		if (causes(f, &cause) && cause.state == DETECT_SETTLED)
			break;
	}
	assert_int_equal(cause.state, DETECT_SETTLED);
	assert_int_equal(cause.why, DETECT_RELEASED);
	tick(f);
	assert_int_equal(causes(f, &cause), 0);
}

static void judge__other_limits_keep_what_grows(void **state)
{
	struct detect_limits limits = detect_limits_default();
	struct alert_cause cause;
	struct fixture *f = *state;

	leak(f, 4 * HOUR);
	limits.wait_sec *= 2;
	judge_set_limits(f->judge, &limits);
	tick(f);
	assert_int_equal(causes(f, &cause), 1);
}

/* By rule: of this function they are twice as long as elsewhere. */
static double wait_of_keep;

static struct detect_limits limits_of(void *userdata, const struct snapshot_process *p,
				      const struct snapshot_stack *s)
{
	struct detect_limits limits = detect_limits_default();
	size_t *n_asked = userdata;

	assert_non_null(p);
	++*n_asked;
	if (s->n_frames && strcmp(s->frames[s->blame].function, "keep") == 0)
		limits.wait_sec = wait_of_keep;
	return limits;
}

/* Two stacks that leak alike, for that long. */
static void leak_two(struct fixture *f, double for_sec)
{
	for (int i = 0; i < (int)(for_sec / STEP_SEC); i++) {
		take(f, &f->stacks[0], PER_STEP);
		take(f, &f->stacks[1], PER_STEP);
		f->processes[0].uss_bytes += (int64_t)(2 * PER_STEP * BLOCK);
		f->processes[0].gc.generations[PGD_GENERATIONS - 1].collections += i % 30 == 0;
		tick(f);
	}
}

static void two_stacks(struct fixture *f)
{
	static const struct snapshot_frame other[] = { { "lose", "/srv/app.py", 17, true } };

	stack_init(&f->stacks[1], LEAK_ID + 1, 4711);
	f->stacks[1].frames = other;
	f->snapshot.n_stacks = 2;
}

static void judge__thresholds_are_a_stacks_own(void **state)
{
	struct fixture *f = *state;
	size_t n_asked = 0;

	wait_of_keep = 2 * detect_limits_default().wait_sec;
	judge_set_rules(f->judge, limits_of, &n_asked);
	two_stacks(f);
	leak_two(f, 2 * HOUR);
	assert_int_equal(f->stacks[0].verdict.state, DETECT_SUSPECT);
	assert_int_equal(f->stacks[0].verdict.why, DETECT_TOO_SHORT);
	assert_int_equal(f->stacks[1].verdict.state, DETECT_GROWING);
	assert_int_equal(n_asked, 2); /* once each, not each time */
	leak_two(f, 3 * HOUR);
	assert_int_equal(f->stacks[0].verdict.state, DETECT_GROWING);
}

/* What a reload does not change loses nothing by it. */
static void judge__other_rules_restart_only_whom_they_touch(void **state)
{
	const struct detect_limits usual = detect_limits_default();
	struct fixture *f = *state;
	size_t n_asked = 0;

	wait_of_keep = usual.wait_sec;
	judge_set_rules(f->judge, limits_of, &n_asked);
	two_stacks(f);
	leak_two(f, HOUR);
	wait_of_keep = 0.9 * usual.wait_sec; /* shorter, but counted from now on */
	judge_set_limits(f->judge, &usual);
	leak_two(f, 45 * MIN);
	assert_int_equal(n_asked, 4);
	assert_int_equal(f->stacks[0].verdict.state, DETECT_SUSPECT);
	assert_int_equal(f->stacks[1].verdict.state, DETECT_GROWING); /* as ever */
	leak_two(f, 2 * HOUR);
	assert_int_equal(f->stacks[0].verdict.state, DETECT_GROWING);
}

static void judge__a_reload_that_changes_nothing_forgets_nothing(void **state)
{
	const struct detect_limits limits = detect_limits_default();
	struct fixture *f = *state;

	leak(f, HOUR);
	judge_set_limits(f->judge, &limits);
	leak(f, HOUR);
	assert_int_equal(f->stacks[0].verdict.state, DETECT_GROWING);
}

/* Nobody can say what rule a stack falls under that is not there. */
static void judge__an_absent_stack_keeps_its_thresholds(void **state)
{
	struct detect_limits limits = detect_limits_default();
	struct alert_cause cause;
	struct fixture *f = *state;
	size_t n_asked = 0;

	wait_of_keep = limits.wait_sec;
	judge_set_rules(f->judge, limits_of, &n_asked);
	leak(f, 4 * HOUR);
	f->snapshot.n_stacks = 0;
	judge_set_limits(f->judge, &limits);
	tick(f);
	assert_int_equal(causes(f, &cause), 1);
	limits.bin_sec *= 2; /* bins are the same for all */
	judge_set_limits(f->judge, &limits);
	tick(f);
	assert_int_equal(causes(f, &cause), 1);
	assert_int_equal(n_asked, 1);
}

/* Garbage that waits, more and more of it when we look; but each full collection leaves the same.
 */
static void judge__what_full_collections_leave_is_judged(void **state)
{
	struct fixture *f = *state;
	struct snapshot_stack *s = &f->stacks[0];

	for (int i = 0; i < (int)(6 * HOUR / STEP_SEC); i++) {
		take(f, s, PER_STEP);
		s->cycles.survived_bytes = 1 << 20;
		f->processes[0].uss_bytes += (int64_t)(PER_STEP * BLOCK);
		f->processes[0].gc.generations[PGD_GENERATIONS - 1].collections++;
		tick(f);
		assert_true(s->verdict.state != DETECT_GROWING);
	}
	assert_int_equal(s->verdict.why, DETECT_NOT_RISING);
	s->cycles.survived_bytes = NAN; /* not known: then it is what is held at that moment */
	leak(f, 6 * HOUR);
	assert_int_equal(s->verdict.state, DETECT_GROWING);
	assert_true(s->verdict.is_after_collections);
}

/* One function of one service, whatever the process and the line. */
static void judge__alerts_are_of_places(void **state)
{
	static const struct snapshot_frame moved[] = { { "keep", "/srv/app.py", 99, true } };
	static const struct snapshot_frame other[] = { { "lose", "/srv/app.py", 17, true } };
	struct alert_cause *list;
	struct fixture *f = *state;
	uint64_t keys[4];
	size_t n;

	f->snapshot.n_processes = 2;
	f->snapshot.n_stacks = 4;
	for (size_t i = 0; i < 4; i++)
		stack_init(&f->stacks[i], LEAK_ID + i, i == 3 ? 4712 : 4711);
	f->stacks[1].frames = moved;
	f->stacks[2].frames = other;
	for (int step = 0; step < (int)(3 * HOUR / STEP_SEC); step++) {
		for (size_t i = 0; i < 4; i++)
			take(f, &f->stacks[i], PER_STEP);
		f->processes[0].gc.generations[2].collections =
			f->processes[1].gc.generations[2].collections = (uint64_t)step / 30;
		f->processes[0].uss_bytes += (int64_t)(PER_STEP * BLOCK) * 3;
		f->processes[1].uss_bytes += (int64_t)(PER_STEP * BLOCK);
		tick(f);
	}
	assert_ok(judge_causes(f->judge, &f->snapshot, &list, &n));
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(list[i].stack);
		keys[list[i].stack - f->stacks] = list[i].key;
	}
	free(list);
	assert_true(keys[0] == keys[1] && keys[0] == keys[3] && keys[0] != keys[2]);
}

static void judge__a_full_table_judges_the_larger_ones(void **state)
{
	const size_t more = 10;
	struct fixture *f = *state;
	size_t n = JUDGE_STACKS_MAX + more;

	f->snapshot.n_stacks = n;
	for (size_t i = 0; i < n; i++) {
		stack_init(&f->stacks[i], 1 + i, 4711);
		f->stacks[i].live_bytes = 2 * JUDGE_BYTES_MIN;
	}
	tick(f);
	assert_false(f->stacks[n - 1].is_judged);
	assert_int_equal(judge_lost(f->judge), more);
	f->stacks[n - 1].live_bytes *= 3;
	tick(f);
	assert_true(f->stacks[n - 1].is_judged);
	assert_int_equal(judge_lost(f->judge), 2 * more - 1);
	/* Whose stacks are gone leave their place. */
	f->snapshot.n_stacks = 1;
	tick(f);
	f->snapshot.n_stacks = n;
	tick(f);
	assert_int_equal(judge_lost(f->judge), 3 * more - 1);
}

static void judge__small_stacks_are_not_worth_it(void **state)
{
	struct fixture *f = *state;

	f->stacks[0].live_bytes = JUDGE_BYTES_MIN - 1;
	tick(f);
	assert_false(f->stacks[0].is_judged);
	f->stacks[0].live_bytes = JUDGE_BYTES_MIN;
	tick(f);
	assert_true(f->stacks[0].is_judged);
	f->stacks[0].live_bytes = 0; /* once judged it stays so */
	tick(f);
	assert_true(f->stacks[0].is_judged);
}

static void judge__nonsense_is_survived(void **state)
{
	static const double bytes[] = { NAN, INFINITY, -5, 1e30, 1e6 };
	static const char *const regimes[] = {
		NULL, "", "waiting", "unsupported", "gone", "exact"
	};
	static const int64_t blocks[] = { 0, -1, INT64_MAX, INT64_MIN, 1 };
	struct fixture *f = *state;

	for (size_t i = 0; i < 200; i++) {
		f->stacks[0].live_bytes = bytes[i % 5];
		f->stacks[0].live_bytes_error = bytes[i / 5 % 5];
		f->stacks[0].live_blocks = blocks[i % 5];
		f->stacks[0].taken_bytes = i % 7 ? i % 7 : UINT64_MAX;
		f->stacks[0].blame = i % 2 ? 5 : -1;
		f->processes[0].regime = regimes[i % 6];
		f->processes[0].uss_bytes = i % 3 ? -1 : INT64_MAX;
		f->processes[0].rss_bytes = -1;
		f->births[0] =
			(struct gather_birth){ 4711, LEAK_ID, bytes[i % 5], bytes[i / 5 % 5] };
		f->n_births = 1;
		if (i % 11 == 0)
			f->now_sec -= 100;
		tick(f);
		assert_int_not_equal(f->stacks[0].verdict.state, DETECT_GROWING);
	}
}

/* Nobody looked for hours (the host slept), and meanwhile it was set up. */
static void judge__a_gap_is_no_growth(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < (int)(6 * HOUR / STEP_SEC); i++) {
		if (i == 360) {
			f->now_sec += 5 * HOUR;
			take(f, &f->stacks[0], 1e5);
			f->processes[0].uss_bytes += (int64_t)(1e5 * BLOCK);
		}
		tick(f);
		assert_int_not_equal(f->stacks[0].verdict.state, DETECT_GROWING);
	}
}

/* Judged is by a clock that nobody sets; what is said of it is by the one that is right now. */
static void judge__a_wall_clock_that_is_set_changes_no_verdict(void **state)
{
	struct fixture *f = *state;
	struct snapshot_stack *s = &f->stacks[0];
	double since_sec;

	leak(f, 4 * HOUR);
	assert_int_equal(s->verdict.state, DETECT_GROWING);
	since_sec = s->verdict.since_sec;
	for (int i = 0; i < 4; i++) {
		double jump_sec = (i % 2 ? -1 : 1) * 86400.0 * i;

		f->now_sec += STEP_SEC;
		f->snapshot.at = UNIX_SEC + f->now_sec + jump_sec;
		take(f, s, PER_STEP);
		judge_tick(f->judge, &f->snapshot, NULL, 0, f->now_sec);
		judge_put(f->judge, &f->snapshot);
		assert_int_equal(s->verdict.state, DETECT_GROWING);
		assert_true(fabs(s->verdict.since_sec - since_sec - jump_sec) < 1e-3);
		assert_true(s->verdict.since_sec < f->snapshot.at);
	}
}

static void judge__is_due_some_times_a_bin(void **state)
{
	struct fixture *f = *state;

	assert_true(judge_is_due(f->judge, 5));
	tick(f);
	assert_false(judge_is_due(f->judge, f->now_sec + 1));
	assert_true(judge_is_due(f->judge, f->now_sec + 9.9));
}

#define WITH_JUDGE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_JUDGE(judge__an_exact_leak_grows),
		WITH_JUDGE(judge__what_is_taken_and_given_back_counts),
		WITH_JUDGE(judge__an_error_of_all_weights_hides_no_leak),
		WITH_JUDGE(judge__ages_tell_a_leak_in_half_the_time),
		WITH_JUDGE(judge__ages_tell_what_turns_over),
		WITH_JUDGE(judge__a_restart_does_not_end_it),
		WITH_JUDGE(judge__who_does_not_come_again_is_forgotten),
		WITH_JUDGE(judge__another_program_does_not_inherit),
		WITH_JUDGE(judge__a_stack_that_is_gone_has_released),
		WITH_JUDGE(judge__other_limits_keep_what_grows),
		WITH_JUDGE(judge__thresholds_are_a_stacks_own),
		WITH_JUDGE(judge__other_rules_restart_only_whom_they_touch),
		WITH_JUDGE(judge__a_reload_that_changes_nothing_forgets_nothing),
		WITH_JUDGE(judge__an_absent_stack_keeps_its_thresholds),
		WITH_JUDGE(judge__what_full_collections_leave_is_judged),
		WITH_JUDGE(judge__alerts_are_of_places),
		WITH_JUDGE(judge__a_full_table_judges_the_larger_ones),
		WITH_JUDGE(judge__small_stacks_are_not_worth_it),
		WITH_JUDGE(judge__nonsense_is_survived),
		WITH_JUDGE(judge__a_gap_is_no_growth),
		WITH_JUDGE(judge__a_wall_clock_that_is_set_changes_no_verdict),
		WITH_JUDGE(judge__is_due_some_times_a_bin),
	};

	return cmocka_run_group_tests_name("judge", tests, NULL, NULL);
}
