/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/report/alert.c and alert_log.c. */
#include <inttypes.h>

#include "lib/log.h"
#include "lib/strbuf.h"
#include "report/alert.h"
#include "report/alert_log.h"
#include "report/document.h"
#include "sample.h"
#include "test.h"

#define NOW   1767300000.0
#define SINCE 1767290000.0

struct fixture {
	struct sample sample;
	struct snapshot_process second; /* another worker of the same service */
	struct snapshot_stack others[4]; /* its stacks */
	struct alerts *alerts;
	struct alert_cause causes[2 * ALERTS_MAX];
	size_t n;
	size_t n_fired, n_resolved;
	enum detect_why why; /* of the last one that was resolved */
	struct strbuf said; /* JSON of the last one that was said */
};

static void on_change(void *userdata, const struct alert *a)
{
	struct fixture *f = userdata;
	json_object *json;

	f->n_fired += a->is_firing;
	f->n_resolved += !a->is_firing;
	if (!a->is_firing)
		f->why = a->why;
	json = alert_json_new(a, NOW);
	strbuf_reset(&f->said);
	strbuf_puts(&f->said, json_object_to_json_string_ext(json, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(json);
}

static void set_growing(struct snapshot_stack *s, double slope)
{
	s->is_judged = true;
	s->verdict = (struct detect_verdict){ .state = DETECT_GROWING,
					      .why = DETECT_RISES,
					      .since_sec = SINCE,
					      .span_sec = 8640,
					      .growth_bytes = slope * 8640,
					      .slope_bytes_per_sec = slope,
					      .slope_low = slope * 0.9,
					      .slope_high = slope * 1.1,
					      .tau = 0.97,
					      .p_value = 0.0004 };
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->said = (struct strbuf)STRBUF_INIT;
	sample_init(&f->sample);
	f->sample.process.service = "web.service";
	f->sample.process.headroom_bytes = 1 << 30;
	f->second = f->sample.process;
	f->second.pid = 4712;
	memcpy(f->others, f->sample.stacks, sizeof(f->others));
	set_growing(&f->sample.stacks[0], 1000);
	set_growing(&f->sample.stacks[1], 3000);
	set_growing(&f->others[0], 2000);
	*state = f;
	return alerts_new(on_change, f, &f->alerts);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	alerts_free(f->alerts);
	strbuf_done(&f->said);
	free(f);
	return 0;
}

static void add(struct fixture *f, uint64_t key, const struct snapshot_process *p,
		const struct snapshot_stack *s)
{
	f->causes[f->n++] = (struct alert_cause){ key, DETECT_GROWING, DETECT_RISES, p, s, NULL };
}

static const struct alert_suppression known = { "issue-17", "mended in 2.4", NOW + 86400 };

static void add_suppressed(struct fixture *f, uint64_t key)
{
	add(f, key, &f->sample.process, &f->sample.stacks[0]);
	f->causes[f->n - 1].suppression = &known;
}

/* With what was added since the last time. */
static void update(struct fixture *f, double now_sec)
{
	alerts_update(f->alerts, f->causes, f->n, now_sec);
	f->n = 0;
}

static json_object *list_of(const struct fixture *f, size_t limit)
{
	json_object *doc = json_tokener_parse("{\"alerts\":[]}"), *list;

	alerts_put(f->alerts, doc, limit, NOW);
	list = json_object_get(json_object_object_get(doc, "alerts"));
	json_object_put(doc);
	return list;
}

static void expect_row(const struct fixture *f, size_t i, const char *key, const char *want)
{
	json_object *list = list_of(f, ALERTS_MAX);
	json_object *row = json_object_array_get_idx(list, i);
	const char *text = json_object_to_json_string_ext(json_object_object_get(row, key),
							  JSON_C_TO_STRING_NOSLASHESCAPE);

	if (strcmp(text, want) != 0)
		fail_msg("%s: %s, not %s", key, text, want);
	json_object_put(list);
}

static void alert__stacks_and_workers_of_one_place_are_one(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) { /* said once */
		add(f, 7, &f->sample.process, &f->sample.stacks[0]);
		add(f, 7, &f->second, &f->others[0]);
		add(f, 7, &f->sample.process, &f->sample.stacks[1]);
		update(f, NOW + i);
	}
	assert_int_equal(f->n_fired, 1);
	assert_int_equal(f->n_resolved, 0);
	assert_int_equal(alerts_firing(f->alerts), 1);
	expect_row(f, 0, "id", "\"0000000000000007\"");
	expect_row(f, 0, "stack", "\"00000000000000aa\""); /* the fastest */
	expect_row(f, 0, "pid", "4711");
	expect_row(f, 0, "state", "\"firing\"");
	expect_row(f, 0, "since", "\"2026-01-01T17:53:20.000Z\"");
	expect_row(f, 0, "fired_at", "\"2026-01-01T20:40:00.000Z\"");
	expect_row(f, 0, "resolved_at", "null");
	expect_row(f, 0, "function", "\"get_user\"");
	expect_row(f, 0, "file", "\"/srv/demo/service.py\"");
	expect_row(f, 0, "line", "17");
	expect_row(f, 0, "unit", "\"web.service\"");
	expect_row(f, 0, "stacks", "3");
	expect_row(f, 0, "processes", "2");
	expect_row(f, 0, "growth_bytes_per_second", "6000.000");
	expect_row(f, 0, "growth_error", "600.000");
	expect_row(f, 0, "headroom_seconds", "178956.971");
	expect_row(f, 0, "why", "\"rises\"");
	expect_row(f, 0, "was_sent", "true");
}

static void alert__it_is_over_when_no_stack_grows(void **state)
{
	struct fixture *f = *state;

	add(f, 7, &f->sample.process, &f->sample.stacks[0]);
	add(f, 7, &f->sample.process, &f->sample.stacks[1]);
	update(f, NOW);
	add(f, 7, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW + 1);
	assert_int_equal(f->n_resolved, 0);
	expect_row(f, 0, "stacks", "1");
	f->causes[f->n++] = (struct alert_cause){
		7, DETECT_SETTLED, DETECT_RELEASED, &f->sample.process, &f->sample.stacks[0], NULL
	};
	update(f, NOW + 2);
	assert_int_equal(f->n_resolved, 1);
	assert_int_equal(alerts_firing(f->alerts), 0);
	expect_row(f, 0, "state", "\"resolved\"");
	expect_row(f, 0, "why", "\"released\"");
	expect_row(f, 0, "resolved_at", "\"2026-01-01T20:40:02.000Z\"");
	expect_row(f, 0, "headroom_seconds", "null");
	/* What has settled is no alert of its own. */
	f->causes[f->n++] = (struct alert_cause){
		8, DETECT_SETTLED, DETECT_STOPPED, &f->sample.process, &f->sample.stacks[1], NULL
	};
	update(f, NOW + 3);
	assert_int_equal(f->n_fired + f->n_resolved, 2);
}

static void alert__it_waits_for_a_process_that_restarts(void **state)
{
	struct fixture *f = *state;

	add(f, 9, NULL, NULL); /* nobody knows where: no alert */
	update(f, NOW);
	assert_int_equal(f->n_fired, 0);
	add(f, 7, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW);
	add(f, 7, NULL, NULL);
	update(f, NOW + 1);
	assert_int_equal(f->n_resolved, 0);
	expect_row(f, 0, "growth_bytes_per_second", "1000.000");
	update(f, NOW + 2);
	assert_int_equal(f->n_resolved, 1);
	expect_row(f, 0, "why", "\"ended\"");
}

static void alert__it_can_come_again(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		add(f, 7, &f->sample.process, &f->sample.stacks[0]);
		update(f, NOW + 2 * i);
		update(f, NOW + 2 * i + 1);
	}
	assert_int_equal(f->n_fired, 3);
	assert_int_equal(f->n_resolved, 3);
	expect_row(f, 0, "fired_at", "\"2026-01-01T20:40:04.000Z\"");
}

static void alert__firing_ones_come_first_and_then_the_newest(void **state)
{
	struct fixture *f = *state;
	json_object *doc, *list;

	for (uint64_t key = 1; key <= 4; key++)
		add(f, key, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW);
	add(f, 2, &f->sample.process, &f->sample.stacks[0]);
	add(f, 4, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW + 1);
	expect_row(f, 0, "id", "\"0000000000000004\"");
	expect_row(f, 1, "id", "\"0000000000000002\"");
	expect_row(f, 2, "state", "\"resolved\"");
	list = list_of(f, 3);
	assert_int_equal(json_object_array_length(list), 3);
	json_object_put(list);
	doc = json_tokener_parse("{\"alerts\":[]}");
	alerts_put(f->alerts, doc, 0, NOW);
	assert_string_equal(json_object_to_json_string_ext(doc, JSON_C_TO_STRING_PLAIN),
			    "{\"alerts\":[],\"alerts_firing\":2,\"alerts_suppressed\":0,"
			    "\"alerts_total\":4}");
	json_object_put(doc);
	doc = json_tokener_parse("{\"error\":\"x\"}");
	alerts_put(f->alerts, doc, 9, NOW);
	assert_int_equal(json_object_object_length(doc), 1);
	json_object_put(doc);
	alerts_put(f->alerts, NULL, 9, NOW);
}

static void alert__a_crowd_is_listed_but_not_sent(void **state)
{
	struct fixture *f = *state;

	for (uint64_t key = 1; key <= ALERTS_BURST + 5; key++)
		add(f, key, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW);
	assert_int_equal(f->n_fired, ALERTS_BURST);
	assert_int_equal(alerts_firing(f->alerts), ALERTS_BURST + 5);
	assert_int_equal(alerts_counter_get(f->alerts, ALERT_COUNTER_LIMITED), 5);
	expect_row(f, 0, "was_sent", "false");
	/* Who was not told of them is not told that they are over. */
	update(f, NOW + 1);
	assert_int_equal(f->n_resolved, ALERTS_BURST);
	/* Some time later there is room for one again, whatever the clock did. */
	for (uint64_t key = 1; key <= 2; key++)
		add(f, key, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW - 1e6);
	assert_int_equal(f->n_fired, ALERTS_BURST);
	update(f, NOW - 1e6 + 1);
	for (uint64_t key = 1; key <= 2; key++)
		add(f, key, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW - 1e6 + 2 + ALERTS_EVERY_SEC);
	assert_int_equal(f->n_fired, ALERTS_BURST + 1);
}

static void alert__the_list_is_bounded(void **state)
{
	struct fixture *f = *state;

	for (uint64_t key = 1; key <= 10; key++) /* over when the others come */
		add(f, key, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW);
	update(f, NOW + 1);
	for (uint64_t key = 100; key < 100 + ALERTS_MAX + 3; key++)
		add(f, key, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW + 2);
	assert_int_equal(alerts_firing(f->alerts), ALERTS_MAX);
	assert_int_equal(alerts_counter_get(f->alerts, ALERT_COUNTER_FULL), 3);
	update(f, NOW + 3);
	assert_int_equal(alerts_firing(f->alerts), 0);
	add(f, 5000, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW + 4);
	assert_int_equal(alerts_firing(f->alerts), 1);
	expect_row(f, 0, "id", "\"0000000000001388\"");
}

static void alert__a_stack_without_frames_is_one_too(void **state)
{
	struct fixture *f = *state;

	set_growing(&f->sample.stacks[3], 10);
	f->sample.process.service = NULL;
	add(f, 7, &f->sample.process, &f->sample.stacks[3]);
	update(f, NOW);
	assert_int_equal(f->n_fired, 1);
	expect_row(f, 0, "function", "null");
	expect_row(f, 0, "line", "null");
	expect_row(f, 0, "unit", "null");
	expect_row(f, 0, "comm", "\"uvicorn\"");
}

/* ── suppressed ───────────────────────────────────────────────────────────────────────────── */

static void expect_said(const struct fixture *f, const char *part)
{
	if (!strstr(f->said.buf, part))
		fail_msg("'%s' is not in: %s", part, f->said.buf);
}

static void alert__what_is_suppressed_is_listed_and_not_said(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		add_suppressed(f, 7);
		update(f, NOW + i);
	}
	assert_int_equal(f->n_fired + f->n_resolved, 0);
	assert_int_equal(alerts_firing(f->alerts), 0);
	assert_int_equal(alerts_suppressed(f->alerts), 1);
	assert_int_equal(alerts_counter_get(f->alerts, ALERT_COUNTER_SUPPRESSED), 1);
	assert_int_equal(alerts_counter_get(f->alerts, ALERT_COUNTER_LIMITED), 0);
	expect_row(f, 0, "state", "\"firing\"");
	expect_row(f, 0, "was_sent", "false");
	expect_row(f, 0, "fired_at", "\"2026-01-01T20:40:00.000Z\"");
	expect_row(f, 0, "suppressed",
		   "{\"by\":\"issue-17\",\"reason\":\"mended in 2.4\","
		   "\"until\":\"2026-01-02T20:40:00.000Z\"}");
	/* It is over: whoever was not told that it fires is not told of that either. */
	update(f, NOW + 3);
	assert_int_equal(f->n_fired + f->n_resolved, 0);
	assert_int_equal(alerts_suppressed(f->alerts), 0);
	expect_row(f, 0, "state", "\"resolved\"");
	expect_row(f, 0, "why", "\"ended\"");
	/* When it comes again nothing of that is left. */
	add(f, 7, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW + 4);
	assert_int_equal(f->n_fired, 1);
	expect_row(f, 0, "suppressed", "null");
}

static void alert__it_fires_when_its_suppression_ends(void **state)
{
	struct fixture *f = *state;

	add_suppressed(f, 7);
	update(f, NOW);
	add(f, 7, NULL, NULL); /* its process is restarted: nobody knows */
	update(f, NOW + 1);
	assert_int_equal(alerts_suppressed(f->alerts), 1);
	add(f, 7, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW + 2);
	assert_int_equal(f->n_fired, 1);
	assert_int_equal(alerts_firing(f->alerts), 1);
	expect_said(f, "\"suppressed\":null");
	expect_row(f, 0, "was_sent", "true");
	expect_row(f, 0, "fired_at", "\"2026-01-01T20:40:02.000Z\"");
	expect_row(f, 0, "since", "\"2026-01-01T17:53:20.000Z\""); /* as long as ever */
	update(f, NOW + 3);
	assert_int_equal(f->n_resolved, 1);
}

static void alert__a_suppression_of_what_fires_resolves_it(void **state)
{
	struct fixture *f = *state;

	add(f, 7, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW);
	for (int i = 1; i < 4; i++) {
		add_suppressed(f, 7);
		update(f, NOW + i);
	}
	assert_int_equal(f->n_fired, 1);
	assert_int_equal(f->n_resolved, 1); /* once */
	expect_said(f, "\"state\":\"resolved\"");
	expect_said(f, "\"why\":\"suppressed\"");
	expect_said(f, "\"resolved_at\":\"2026-01-01T20:40:01.000Z\"");
	expect_said(f, "grows on, which is suppressed until 2026-01-02T20:40:00Z by issue-17: "
		       "mended in 2.4\"");
	expect_row(f, 0, "state", "\"firing\"");
	expect_row(f, 0, "why", "\"rises\"");
	expect_row(f, 0, "resolved_at", "null");
	expect_row(f, 0, "was_sent", "false");
	assert_int_equal(alerts_counter_get(f->alerts, ALERT_COUNTER_SUPPRESSED), 1);
	update(f, NOW + 5); /* now it is over */
	assert_int_equal(f->n_resolved, 1);
	expect_row(f, 0, "state", "\"resolved\"");
}

/* One worker under a section that does not match the other one. */
static void alert__one_cause_that_is_not_suppressed_is_enough(void **state)
{
	struct fixture *f = *state;

	add_suppressed(f, 7);
	add(f, 7, &f->second, &f->others[0]);
	update(f, NOW);
	assert_int_equal(f->n_fired, 1);
	expect_row(f, 0, "suppressed", "null");
	expect_row(f, 0, "processes", "2");
	add_suppressed(f, 7);
	add(f, 7, NULL, NULL); /* what cannot be seen has no say */
	update(f, NOW + 1);
	assert_int_equal(f->n_resolved, 1);
	assert_int_equal(alerts_suppressed(f->alerts), 1);
}

/* Whoever was not told, since there were too many, is not told that it is suppressed. */
static void alert__a_silent_one_is_suppressed_silently(void **state)
{
	struct fixture *f = *state;

	for (uint64_t key = 1; key <= ALERTS_BURST + 1; key++)
		add(f, key, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW);
	for (uint64_t key = 1; key <= ALERTS_BURST + 1; key++)
		add_suppressed(f, key);
	update(f, NOW + 1);
	assert_int_equal(f->n_resolved, ALERTS_BURST);
	assert_int_equal(alerts_counter_get(f->alerts, ALERT_COUNTER_SUPPRESSED), ALERTS_BURST + 1);
	assert_int_equal(alerts_counter_get(f->alerts, ALERT_COUNTER_LIMITED), 1);
}

static void alert__suppressed_ones_take_no_room_from_others(void **state)
{
	struct fixture *f = *state;

	for (uint64_t key = 100; key < 100 + ALERTS_MAX; key++)
		add_suppressed(f, key);
	update(f, NOW);
	assert_int_equal(alerts_suppressed(f->alerts), ALERTS_MAX);
	for (uint64_t key = 100; key < 100 + ALERTS_MAX; key++)
		add_suppressed(f, key);
	add(f, 7, &f->sample.process, &f->sample.stacks[0]);
	update(f, NOW + 1);
	assert_int_equal(f->n_fired, 1);
	assert_int_equal(alerts_firing(f->alerts), 1);
	assert_int_equal(alerts_suppressed(f->alerts), ALERTS_MAX - 1);
	assert_int_equal(alerts_counter_get(f->alerts, ALERT_COUNTER_FULL), 1);
	expect_row(f, 0, "id", "\"0000000000000007\"");
	expect_row(f, 1, "was_sent", "false");
}

/* ── the log ──────────────────────────────────────────────────────────────────────────────── */

static char logged[4096];

static int log_here(const struct log_entry *e)
{
	size_t n = (size_t)snprintf(logged, sizeof(logged), "%d %d %s\n%s\n", e->level,
				    e->about.pid, e->about.id, e->text);

	for (size_t i = 0; i < e->about.n_fields; i++)
		n += (size_t)snprintf(logged + n, sizeof(logged) - n, "%s\n", e->about.fields[i]);
	return 0;
}

static void expect_logged(const char *part)
{
	if (!strstr(logged, part))
		fail_msg("'%s' is not in:\n%s", part, logged);
}

static void alert__its_message_has_fields(void **state)
{
	struct alert a = { .id = 7,
			   .is_firing = true,
			   .stack = 0xab,
			   .pid = 4711,
			   .function = "f\n\x1b[31m",
			   .line = 17,
			   .growth_bytes_per_sec = 1234.6 };
	const enum log_level level = log_level_get();

	(void)state;
	log_set_level(LOG_LEVEL_INFO);
	log_set_sink(log_here);
	alert_log(&a, NOW);
	expect_logged("1 4711 " LOG_ID_ALERT_FIRES "\nalert: Memory taken by f\\x0a\\x1b[31m (");
	expect_logged("\nPYGROWD_ALERT=0000000000000007\nPYGROWD_STACK=00000000000000ab\n"
		      "PYGROWD_FUNCTION=f\\x0a\\x1b[31m\nPYGROWD_LINE=17\nPYGROWD_GROWTH=1235\n");
	assert_null(strstr(logged, "PYGROWD_FILE"));
	a.is_firing = false;
	alert_log(&a, NOW);
	expect_logged("2 4711 " LOG_ID_ALERT_RESOLVED "\nalert resolved: Memory taken by f");
	log_set_sink(NULL);
	log_set_level(level);
}

#define WITH_ALERTS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ALERTS(alert__stacks_and_workers_of_one_place_are_one),
		WITH_ALERTS(alert__it_is_over_when_no_stack_grows),
		WITH_ALERTS(alert__it_waits_for_a_process_that_restarts),
		WITH_ALERTS(alert__it_can_come_again),
		WITH_ALERTS(alert__firing_ones_come_first_and_then_the_newest),
		WITH_ALERTS(alert__a_crowd_is_listed_but_not_sent),
		WITH_ALERTS(alert__the_list_is_bounded),
		WITH_ALERTS(alert__a_stack_without_frames_is_one_too),
		WITH_ALERTS(alert__what_is_suppressed_is_listed_and_not_said),
		WITH_ALERTS(alert__it_fires_when_its_suppression_ends),
		WITH_ALERTS(alert__a_suppression_of_what_fires_resolves_it),
		WITH_ALERTS(alert__one_cause_that_is_not_suppressed_is_enough),
		WITH_ALERTS(alert__a_silent_one_is_suppressed_silently),
		WITH_ALERTS(alert__suppressed_ones_take_no_room_from_others),
		cmocka_unit_test(alert__its_message_has_fields),
	};

	return cmocka_run_group_tests_name("alert", tests, NULL, NULL);
}
