/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/losses.c. That the counters themselves count, their owners' tests say. */
#include "daemon/losses.h"
#include "test.h"

static void losses__of_processes_that_are_gone(void **state)
{
	struct pipeline *p = calloc(1, sizeof(*p));
	const struct losses_of of = { .pipeline = p };
	struct losses l;

	(void)state;
	p->lost_before[PGD_COUNTER_BAD_POOL] = 7;
	losses_gather(&of, &l);
	assert_int_equal(l.besides[PGD_COUNTER_BAD_POOL], 7);
	assert_int_equal(l.besides[PGD_COUNTER_PROCS_LOST], 0);
	assert_int_equal(l.n_more, 0);
	free(p);
}

static void losses__of_alerts_and_sinks(void **state)
{
	struct detect_limits limits = detect_limits_default();
	struct pipeline *p = calloc(1, sizeof(*p));
	struct sink sink = { .kind = SINK_KIND_EXEC, .counters[SINK_COUNTER_DROPPED] = 5 };
	struct alerting a = { .sinks[SINK_KIND_EXEC] = &sink };
	const struct losses_of of = { .pipeline = p, .alerting = &a };
	struct losses l;
	bool found = false;

	(void)state;
	assert_ok(judge_new(&limits, &a.judge));
	assert_ok(alerts_new(NULL, NULL, &a.alerts));
	losses_gather(&of, &l);
	assert_string_equal(l.more[0].reason, "stacks_not_judged");
	for (size_t i = 0; i < l.n_more; i++) {
		assert_true(strlen(l.more_help[i]) > 0);
		found |= !strcmp(l.more[i].reason, "alert_exec_dropped") && l.more[i].cnt == 5;
		assert_string_not_equal(l.more[i].reason, "alert_exec_sent"); /* is no loss */
	}
	assert_true(found);
	alerts_free(a.alerts);
	judge_free(a.judge);
	free(p);
}

static void losses__what_is_0_is_not_said(void **state)
{
	struct losses l = { .besides[PGD_COUNTER_NAME_BAD] = 3, .n_more = 2 };
	json_object *o = json_tokener_parse("{\"lost_help\":{\"live_full\":\"its own\"}}");

	(void)state;
	l.more[0] = (struct metrics_lost){ "ctl_busy", 1 };
	l.more[1] = (struct metrics_lost){ "ctl_slow", 0 };
	l.more_help[0] = "busy's";
	losses_put(&l, o);
	assert_string_equal(json_object_to_json_string_ext(json_object_object_get(o, "lost"),
							   JSON_C_TO_STRING_PLAIN),
			    "{\"name_bad\":3,\"ctl_busy\":1}");
	assert_string_equal(json_object_to_json_string_ext(json_object_object_get(o, "lost_help"),
							   JSON_C_TO_STRING_PLAIN),
			    "{\"live_full\":\"its own\",\"name_bad\":\"a name was not a valid str, "
			    "or was cut\","
			    "\"ctl_busy\":\"busy's\"}");
	json_object_put(o);
}

static void losses__an_error_stays_as_it_is(void **state)
{
	struct losses l = { .besides[0] = 1 };
	json_object *o = json_tokener_parse("{\"error\":\"x\"}");

	(void)state;
	losses_put(&l, o);
	assert_int_equal(json_object_object_length(o), 1);
	losses_put(&l, NULL);
	json_object_put(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(losses__of_processes_that_are_gone),
		cmocka_unit_test(losses__of_alerts_and_sinks),
		cmocka_unit_test(losses__what_is_0_is_not_said),
		cmocka_unit_test(losses__an_error_stays_as_it_is),
	};

	return cmocka_run_group_tests_name("losses", tests, NULL, NULL);
}
