/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/judge_keep.c: two daemons, one after the other, perhaps with a reboot between
 * them. */
#include <math.h>

#include "daemon/judge.h"
#include "report/history.h"
#include "test.h"

#define STEP_SEC  10.0
#define START_SEC 5000.0 /* monotonic, of the second daemon */
#define UNIX_SEC  1767225600.0
#define LEAK_ID	  0xaaUL
#define SLOPE	  512.0
#define SINCE_SEC (UNIX_SEC - 7200)
#define TO_UNIX	  (UNIX_SEC - START_SEC)

static const struct snapshot_frame frames[] = { { "keep", "/srv/app.py", 17, true } };

struct fixture {
	struct judge *judge;
	struct detect_limits limits;
	struct snapshot snapshot;
	struct snapshot_process process;
	struct snapshot_stack stack;
	struct gather_birth births[2048];
	size_t n_births;
	double now_sec;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->limits = detect_limits_default();
	f->process = (struct snapshot_process){ .pid = 4711,
						.start_ticks = 99,
						.comm = "app",
						.cmdline = "python3 /srv/app.py",
						.unit = "app.service",
						.service = "app.service",
						.build_id = "0123abcd",
						.regime = "exact",
						.uss_bytes = 100 << 20,
						.rss_bytes = 100 << 20,
						.headroom_bytes = NAN,
						.gc = { .known = true } };
	f->stack = (struct snapshot_stack){ .id = LEAK_ID,
					    .pid = 4711,
					    .cycles = SNAPSHOT_CYCLES_NOT_KNOWN,
					    .frames = frames,
					    .n_frames = 1 };

	f->snapshot = (struct snapshot){
		.processes = &f->process, .n_processes = 1, .stacks = &f->stack, .n_stacks = 1
	};
	f->now_sec = START_SEC;
	*state = f;
	return judge_new(&f->limits, &f->judge);
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
	f->snapshot.at = TO_UNIX + f->now_sec;
	f->stack.is_judged = false;
	judge_tick(f->judge, &f->snapshot, f->births, f->n_births, f->now_sec);
	judge_put(f->judge, &f->snapshot);
}

static void take(struct fixture *f, double bytes)
{
	assert_true(f->n_births < ARRAY_SIZE(f->births));
	f->births[f->n_births++] =
		(struct gather_birth){ 4711, LEAK_ID, f->now_sec + STEP_SEC / 2, bytes };
	f->stack.live_bytes += bytes;
	f->stack.live_blocks += (int64_t)(bytes / 512);
	f->stack.taken_bytes += (uint64_t)bytes;
}

/* Of two stacks at most. */
static size_t causes(const struct fixture *f, struct alert_cause *ret)
{
	struct alert_cause *list;
	size_t n;

	assert_ok(judge_causes(f->judge, &f->snapshot, &list, &n));
	if (n)
		*ret = list[0];
	free(list);
	return n;
}

/* What a daemon before has left: the leak grows. */
static json_object *left_new(const struct fixture *f)
{
	char text[800];

	snprintf(text, sizeof(text),
		 "[{\"stack\":\"00000000000000aa\",\"process\":\"%016lx\","
		 "\"alert\":\"0000000000000007\",\"waited_sec\":0,\"since\":%.1f,\"span_sec\":8640,"
		 "\"growth_bytes\":4423680,\"slope\":%.1f,\"slope_low\":500,\"slope_high\":520,"
		 "\"tau\":0.99,\"p_value\":1e-9,\"taken_per_sec\":%.1f,\"is_after_collections\":"
		 "true,"
		 "\"why\":\"rises\"}]",
		 history_process_key(&f->process), SINCE_SEC, SLOPE, SLOPE);
	return json_tokener_parse(text);
}

static void begin(struct fixture *f)
{
	json_object *left = left_new(f);
	uint64_t bad = 0;

	assert_int_equal(judge_keep_load(f->judge, left, f->now_sec, TO_UNIX, &bad), 1);
	assert_int_equal(bad, 0);
	json_object_put(left);
}

static void judge_keep__what_grew_waits_and_goes_on(void **state)
{
	struct alert_cause cause = { 0 };
	struct fixture *f = *state;

	begin(f);
	tick(f); /* it holds nothing yet that this daemon knows of */
	assert_int_equal(causes(f, &cause), 1);
	assert_true(cause.key == 7 && cause.state == DETECT_GROWING && !cause.stack);
	assert_false(f->stack.is_judged);
	for (int i = 0; i < 6 * 60 * 4; i++) {
		take(f, SLOPE * STEP_SEC);
		f->process.uss_bytes += (int64_t)(SLOPE * STEP_SEC);
		f->process.gc.generations[2].collections += i % 30 == 0;
		tick(f);
		assert_int_equal(causes(f, &cause), 1);
		assert_int_equal(cause.state, DETECT_GROWING);
	}
	assert_ptr_equal(cause.stack, &f->stack);
	assert_true(fabs(f->stack.verdict.since_sec - SINCE_SEC) < 1);
}

static void judge_keep__what_does_not_come_has_stopped(void **state)
{
	struct alert_cause cause = { 0 };
	struct fixture *f = *state;
	double sec = 0;

	begin(f);
	for (; sec < f->limits.settle_sec; sec += STEP_SEC) {
		assert_int_equal(causes(f, &cause), 1);
		assert_int_equal(cause.state, DETECT_GROWING);
		tick(f);
	}
	assert_int_equal(causes(f, &cause), 1);
	assert_int_equal(cause.state, DETECT_SETTLED);
	assert_int_equal(cause.why, DETECT_STOPPED);
	tick(f);
	assert_int_equal(causes(f, &cause), 0);
}

static void judge_keep__whose_process_is_gone_has_ended(void **state)
{
	struct alert_cause cause = { 0 };
	struct fixture *f = *state;

	begin(f);
	f->process.is_gone = true;
	for (double sec = 0; sec < f->limits.settle_sec; sec += STEP_SEC) {
		assert_int_equal(causes(f, &cause), 1);
		assert_int_equal(cause.state, DETECT_GROWING);
		tick(f);
	}
	assert_int_equal(causes(f, &cause), 0);
}

/* It comes, since it holds what it always does, but does not grow. */
static void judge_keep__what_comes_and_does_not_grow_settles(void **state)
{
	struct alert_cause cause = { 0 };
	struct fixture *f = *state;

	begin(f);
	take(f, 1 << 20);
	for (double sec = 0; sec < 3 * f->limits.settle_sec; sec += STEP_SEC) {
		f->stack.taken_bytes += 2 * (uint64_t)(SLOPE * STEP_SEC);
		tick(f);
		if (causes(f, &cause) && cause.state == DETECT_SETTLED)
			break;
	}
	assert_int_equal(cause.state, DETECT_SETTLED);
	assert_int_equal(cause.why, DETECT_STOPPED);
}

/* A daemon that is killed again and again does not make it wait for ever: the time counts in which
 * one looked, not the time between. */
static void judge_keep__waiting_goes_on_over_restarts(void **state)
{
	struct alert_cause cause = { 0 };
	struct fixture *f = *state;
	double waited_sec = 0;

	begin(f);
	f->process.is_gone = true;
	while (causes(f, &cause)) {
		json_object *kept;
		uint64_t bad = 0;

		for (int i = 0; i < 60; i++) {
			tick(f);
			waited_sec += STEP_SEC;
		}
		kept = judge_keep_new(f->judge, f->now_sec, TO_UNIX);
		judge_free(f->judge);
		assert_ok(judge_new(&f->limits, &f->judge));
		f->now_sec += 1e6; /* nobody looks */
		judge_keep_load(f->judge, kept, f->now_sec, TO_UNIX, &bad);
		json_object_put(kept);
	}
	assert_true(fabs(waited_sec - f->limits.settle_sec) <= 60 * STEP_SEC);
}

/* From one daemon to the next and the one after, and a reboot: monotonic time begins anew. */
static void judge_keep__since_outlives_a_reboot(void **state)
{
	struct fixture *f = *state;
	json_object *kept, *left, *again;
	uint64_t bad = 0;
	struct judge *next;

	begin(f);
	take(f, 1 << 20);
	tick(f);
	kept = judge_keep_new(f->judge, f->now_sec, TO_UNIX);
	assert_int_equal(json_object_array_length(kept), 1);
	assert_ok(judge_new(&f->limits, &next));
	assert_int_equal(judge_keep_load(next, kept, 12, UNIX_SEC + 1e5, &bad), 1);
	again = judge_keep_new(next, 12, UNIX_SEC + 1e5);
	left = left_new(f);
	for (int i = 0; i < 2; i++) {
		json_object *row = json_object_array_get_idx(i ? again : kept, 0);
		json_object *first = json_object_array_get_idx(left, 0);

		json_object_object_del(first, "alert"); /* made anew: of the process it is in */
		json_object_object_foreach (first, key, value)
			if (!json_object_equal(value, json_object_object_get(row, key)) &&
			    fabs(json_object_get_double(value) -
				 json_object_get_double(json_object_object_get(row, key))) > 1e-3)
				fail_msg("%s: %s", key,
					 json_object_to_json_string(
						 json_object_object_get(row, key)));
	}
	json_object_put(kept);
	json_object_put(left);
	json_object_put(again);
	judge_free(next);
}

static void judge_keep__a_clock_set_back_puts_nothing_into_the_future(void **state)
{
	struct fixture *f = *state;
	json_object *left = left_new(f), *kept;
	uint64_t bad = 0;

	assert_int_equal(judge_keep_load(f->judge, left, f->now_sec, -f->now_sec + 1000, &bad), 1);
	kept = judge_keep_new(f->judge, f->now_sec, -f->now_sec + 1000);
	assert_true(json_object_get_double(json_object_object_get(
			    json_object_array_get_idx(kept, 0), "since")) <= 1000);
	json_object_put(left);
	json_object_put(kept);
}

static void judge_keep__nonsense_is_left_out(void **state)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{ "slope", "null" },	    { "slope", "-5" },	      { "slope", "1e30" },
		{ "growth_bytes", "null" }, { "why", "\"stopped\"" }, { "why", "null" },
		{ "stack", "null" },	    { "process", "\"zz\"" },  { "since", "-1" },
		{ "taken_per_sec", "-1" },  { "span_sec", "1e300" },
	};
	static const char *const lists[] = { "null", "{}", "\"x\"", "[1,null,{}]" };
	struct alert_cause cause;
	struct fixture *f = *state;
	uint64_t bad = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_object *left = left_new(f);

		json_object_object_add(json_object_array_get_idx(left, 0), rows[i].key,
				       json_tokener_parse(rows[i].value));
		if (judge_keep_load(f->judge, left, f->now_sec, TO_UNIX, &bad))
			fail_msg("%s: %s", rows[i].key, rows[i].value);
		json_object_put(left);
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		json_object *left = json_tokener_parse(lists[i]);

		assert_int_equal(judge_keep_load(f->judge, left, f->now_sec, TO_UNIX, &bad), 0);
		json_object_put(left);
	}
	assert_int_equal(bad, sizeof(rows) / sizeof(*rows) + 3);
	tick(f);
	assert_int_equal(causes(f, &cause), 0);
}

static void judge_keep__the_list_is_bounded(void **state)
{
	struct fixture *f = *state;
	json_object *left = left_new(f);
	json_object *row = json_object_array_get_idx(left, 0);
	uint64_t bad = 0;

	for (int i = 0; i < JUDGE_STACKS_MAX + 9; i++)
		json_object_array_add(left, json_object_get(row));
	assert_int_equal(judge_keep_load(f->judge, left, f->now_sec, TO_UNIX, &bad),
			 JUDGE_STACKS_MAX);
	assert_int_equal(bad, 10);
	json_object_put(left);
}

static void judge_keep__the_mark_tells_changes(void **state)
{
	struct fixture *f = *state;
	uint64_t none = judge_keep_mark(f->judge), waits, grows;

	tick(f);
	assert_true(judge_keep_mark(f->judge) == none);
	begin(f);
	waits = judge_keep_mark(f->judge);
	assert_true(waits != none);
	take(f, 1 << 20);
	tick(f);
	grows = judge_keep_mark(f->judge);
	assert_true(grows != none && grows != waits);
	take(f, 1 << 20);
	tick(f);
	assert_true(judge_keep_mark(f->judge) == grows);
}

#define WITH_JUDGE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_JUDGE(judge_keep__what_grew_waits_and_goes_on),
		WITH_JUDGE(judge_keep__what_does_not_come_has_stopped),
		WITH_JUDGE(judge_keep__whose_process_is_gone_has_ended),
		WITH_JUDGE(judge_keep__what_comes_and_does_not_grow_settles),
		WITH_JUDGE(judge_keep__waiting_goes_on_over_restarts),
		WITH_JUDGE(judge_keep__since_outlives_a_reboot),
		WITH_JUDGE(judge_keep__a_clock_set_back_puts_nothing_into_the_future),
		WITH_JUDGE(judge_keep__nonsense_is_left_out),
		WITH_JUDGE(judge_keep__the_list_is_bounded),
		WITH_JUDGE(judge_keep__the_mark_tells_changes),
	};

	return cmocka_run_group_tests_name("judge_keep", tests, NULL, NULL);
}
