/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/daemon/alerting.c: what a daemon says of alerts that fired before it was there. */
#include <math.h>

#include "daemon/alerting.h"
#include "hookserver.h"
#include "lib/clock.h"
#include "sinkfix.h"

struct fixture {
	struct sinkfix base;
	struct hookserver webhook, alertmanager;
	char webhook_url[64], alertmanager_url[64];
	struct setup setup;
};

static int setup(void **state)
{
	static const int answers[] = { 200 };
	struct fixture *f = calloc(1, sizeof(*f));
	void *base = NULL;

	if (!f || sinkfix_setup(&base) < 0)
		return -1;
	f->base = *(struct sinkfix *)base;
	free(base);
	hookserver_open(&f->webhook, f->base.event, answers, 1);
	hookserver_open(&f->alertmanager, f->base.event, answers, 1);
	snprintf(f->webhook_url, sizeof(f->webhook_url), "http://127.0.0.1:%u/", f->webhook.port);
	snprintf(f->alertmanager_url, sizeof(f->alertmanager_url), "http://127.0.0.1:%u",
		 f->alertmanager.port);
	f->setup.options.state = f->base.dir;
	f->setup.config.alert.webhook = f->webhook_url;
	f->setup.config.alert.alertmanager = f->alertmanager_url;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hookserver_close(&f->webhook);
	hookserver_close(&f->alertmanager);
	return sinkfix_teardown(state); /* `base` is its first member */
}

static struct alerting *start(struct fixture *f)
{
	struct alerting *a;

	assert_ok(alerting_open(f->base.event, &f->setup, &a, &f->base.why));
	assert_ok(alerting_go_on(a, f->base.dir));
	return a;
}

/* One that fires, one that fires unsaid, one that is over. */
static void leave_alerts(struct alerting *a)
{
	double now_sec = clock_realtime_sec();
	struct alert row = { .id = 0xf1,
			     .is_firing = true,
			     .fired_sec = now_sec - 60,
			     .resolved_sec = NAN,
			     .since_sec = now_sec - 9000,
			     .why = DETECT_RISES,
			     .function = "get_user" };

	assert_ok(alerts_restore(a->alerts, &row));
	row.id = 0xf2;
	row.is_silent = true;
	assert_ok(alerts_restore(a->alerts, &row));
	row = (struct alert){ .id = 0xf3,
			      .fired_sec = now_sec - 60,
			      .resolved_sec = now_sec - 30,
			      .since_sec = NAN,
			      .why = DETECT_RELEASED };
	assert_ok(alerts_restore(a->alerts, &row));
	alerting_save(a);
}

/* An alert that nobody repeats is over to Alertmanager; everybody else has been told. */
static void alerting__what_fires_is_repeated_to_alertmanager_only(void **state)
{
	struct fixture *f = *state;
	struct alerting *a = start(f);
	const char *body;

	leave_alerts(a);
	alerting_close(a);
	a = start(f);
	assert_int_equal(alerts_firing(a->alerts), 2);
	while (sink_waiting_cnt(a->sinks[SINK_KIND_ALERTMANAGER]))
		sinkfix_turn(&f->base);
	assert_int_equal(sink_waiting_cnt(a->sinks[SINK_KIND_WEBHOOK]), 0);
	assert_int_equal(f->webhook.n_clients, 0);
	assert_int_equal(f->alertmanager.n_clients, 1);
	body = hook_body(&f->alertmanager.clients[0]);
	assert_non_null(strstr(body, "\"alert_id\":\"00000000000000f1\""));
	assert_null(strstr(body, "00000000000000f2"));
	assert_null(strstr(body, "00000000000000f3"));
	assert_null(strstr(sinkfix_log.buf, "alert: "));
	alerting_close(a);
}

/* With -p: the state is somebody else's. */
static void alerting__who_does_not_go_on_leaves_the_file_alone(void **state)
{
	struct fixture *f = *state;
	struct alerting *a = start(f);

	leave_alerts(a);
	alerting_close(a);
	assert_ok(alerting_open(f->base.event, &f->setup, &a, &f->base.why));
	assert_int_equal(alerts_firing(a->alerts), 0);
	alerting_save(a);
	alerting_close(a);
	a = start(f);
	assert_int_equal(alerts_firing(a->alerts), 2);
	alerting_close(a);
}

#define WITH_SINKS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SINKS(alerting__what_fires_is_repeated_to_alertmanager_only),
		WITH_SINKS(alerting__who_does_not_go_on_leaves_the_file_alone),
	};

	return cmocka_run_group_tests_name("alerting", tests, NULL, NULL);
}
