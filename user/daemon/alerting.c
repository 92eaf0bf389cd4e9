/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/alerting.c — see alerting.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/alerting.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "report/alert_log.h"
#include "report/sink_exec.h"
#include "report/sink_webhook.h"

DEFINE_CLEANUP(json_object *, json_object_put)

static void on_change(void *userdata, const struct alert *alert)
{
	_cleanup_(json_object_putp) json_object *json = NULL;
	struct alerting *a = userdata;
	double now_sec = clock_realtime_sec();

	alert_log(alert, now_sec);
	json = alert_json_new(alert, now_sec);
	for (int i = 0; i < SINK_KIND_MAX; i++)
		if (json && a->sinks[i])
			(void)sink_send(a->sinks[i], json); /* it counts what it drops */
}

static struct detect_limits limits_of(void *userdata, const struct snapshot_process *p,
				      const struct snapshot_stack *s)
{
	const struct setup *setup = ((const struct alerting *)userdata)->setup;

	return setup_detect(setup, policy_thresholds(setup->config.policy, p, s));
}

/* Those that are over when they are read: to be told once, and not again when a tick finds out. */
static void warn_of_ended(const struct setup *s)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;

	while (setup_ended_next(s, clock_realtime_sec(), &text)) {
		log_full(LOG_LEVEL_WARN, 0, "%s", text.buf);
		strbuf_reset(&text);
	}
}

static const char *config_of(const struct config_alert *c, enum sink_kind kind)
{
	const char *const texts[] = {
		[SINK_KIND_EXEC] = c->exec,
		[SINK_KIND_WEBHOOK] = c->webhook,
		[SINK_KIND_ALERTMANAGER] = c->alertmanager,
	};

	_Static_assert(ARRAY_SIZE(texts) == SINK_KIND_MAX, "every sink has a key");
	return texts[kind];
}

static int open_exec(sd_event *event, const char *command, struct sink **ret, struct strbuf *why)
{
	char *argv[CONFIG_ALERT_ARGS_MAX + 1];
	struct sink_exec_options o = SINK_EXEC_OPTIONS_INIT;
	_cleanup_free_ char *words = NULL;

	words = strdup(command);
	if (!words)
		return -ENOMEM;
	config_words_split(words, argv);
	o.argv = argv;
	return sink_exec_open(event, &o, ret, why);
}

static int open_webhook(sd_event *event, const struct setup *s, enum sink_kind kind,
			const char *url, struct sink **ret, struct strbuf *why)
{
	struct sink_webhook_options o = SINK_WEBHOOK_OPTIONS_INIT;

	o.kind = kind;
	o.url = url;
	o.state_dir = s->options.state;
	return sink_webhook_open(event, &o, ret, why);
}

static int open_sinks(sd_event *event, const struct setup *s, struct alerting *a,
		      struct strbuf *why)
{
	int r = 0;

	for (int i = 0; i < SINK_KIND_MAX && r == 0; i++) {
		const char *text = config_of(&s->config.alert, i);

		if (!text)
			continue;
		a->configured[i] = strdup(text);
		if (!a->configured[i])
			return -ENOMEM;
		r = i == SINK_KIND_EXEC ? open_exec(event, text, &a->sinks[i], why)
					: open_webhook(event, s, i, text, &a->sinks[i], why);
	}
	return r;
}

int alerting_open(sd_event *event, const struct setup *s, struct alerting **ret, struct strbuf *why)
{
	_cleanup_(alerting_closep) struct alerting *a = calloc(1, sizeof(*a));
	struct detect_limits limits = setup_detect(s, NULL);
	int r;

	if (!a)
		return strbuf_fail(why, -ENOMEM, "out of memory");
	a->setup = s;
	r = judge_new(&limits, &a->judge);
	if (r == 0)
		r = alerts_new(on_change, a, &a->alerts);
	if (r == 0)
		r = open_sinks(event, s, a, why);
	if (r < 0)
		return why->len ? r : strbuf_fail(why, r, "set up alerts: %s", strerror(-r));
	judge_set_rules(a->judge, limits_of, a);
	warn_of_ended(s);
	*ret = TAKE_PTR(a);
	return 0;
}

void alerting_close(struct alerting *a)
{
	if (!a)
		return;
	for (int i = 0; i < SINK_KIND_MAX; i++) {
		if (a->sinks[i])
			sink_close(a->sinks[i]);
		free(a->configured[i]);
	}
	alert_state_done(&a->state);
	alerts_free(a->alerts);
	judge_free(a->judge);
	free(a);
}

static struct alert_state_of state_of(const struct alerting *a, double now_sec)
{
	return (struct alert_state_of){ a->judge, a->alerts, now_sec, clock_realtime_sec() };
}

/* To Alertmanager an alert is over that nobody repeats; to repeat it is no news there. */
static void repeat_firing(const struct alerting *a, double now_sec)
{
	const struct alert *alert;

	for (size_t i = 0; (alert = alerts_get(a->alerts, i)); i++) {
		_cleanup_(json_object_putp) json_object *json = NULL;

		if (!alert->is_firing || alert->is_silent)
			continue;
		json = alert_json_new(alert, now_sec);
		if (json)
			(void)sink_send(a->sinks[SINK_KIND_ALERTMANAGER], json);
	}
}

int alerting_go_on(struct alerting *a, const char *state_dir)
{
	const struct alert_state_of of = state_of(a, clock_monotonic_sec());
	int r = alert_state_load(&a->state, state_dir, &of);

	if (r == 0 && a->sinks[SINK_KIND_ALERTMANAGER])
		repeat_firing(a, of.unix_sec);
	return r;
}

void alerting_save(struct alerting *a)
{
	const struct alert_state_of of = state_of(a, clock_monotonic_sec());

	if (alerts_get(a->alerts, 0))
		alert_state_save(&a->state, &of);
}

void alerting_apply(struct alerting *a)
{
	const struct setup *s = a->setup;
	struct detect_limits limits = setup_detect(s, NULL);

	judge_set_limits(a->judge, &limits);
	warn_of_ended(s);
	for (int i = 0; i < SINK_KIND_MAX; i++) {
		const char *text = config_of(&s->config.alert, i), *was = a->configured[i];

		if (strcmp(text ? text : "", was ? was : "") != 0)
			log_full(LOG_LEVEL_WARN, 0, "%s: another one takes a restart, ignoring",
				 sink_key(i));
	}
}

bool alerting_is_due(const struct alerting *a, double now_sec)
{
	return judge_is_due(a->judge, now_sec);
}

static void log_ended(struct policy *policy, double now_sec)
{
	const struct policy_section *s;

	while ((s = policy_ended_next(policy, now_sec)))
		log_full(LOG_LEVEL_WARN, 0,
			 "%s: suppress %s has ended: what it matches alerts again", s->where,
			 rule_name(s->rule));
}

static void put_suppressions(struct policy *policy, struct alert_cause *causes, size_t n,
			     double now_sec)
{
	for (size_t i = 0; i < n; i++)
		if (causes[i].process && causes[i].stack)
			causes[i].suppression = policy_suppression(policy, causes[i].process,
								   causes[i].stack, now_sec);
}

void alerting_tick(struct alerting *a, const struct pipeline *p, struct snapshot *s, double now_sec)
{
	_cleanup_free_ struct gather_birth *births = NULL;
	_cleanup_free_ struct alert_cause *causes = NULL;
	struct policy *policy = a->setup->config.policy;
	struct alert_state_of of;
	size_t n_births = 0, n_causes = 0;
	int r = gather_births(p, now_sec, &births, &n_births);

	if (r == 0) {
		judge_tick(a->judge, s, births, n_births, now_sec);
		judge_put(a->judge, s);
		r = judge_causes(a->judge, s, &causes, &n_causes);
	}
	if (r < 0) {
		log_warn(r, "judge what grows, skipping an interval");
		return;
	}
	log_ended(policy, s->at);
	put_suppressions(policy, causes, n_causes, s->at);
	alerts_update(a->alerts, causes, n_causes, s->at);
	of = state_of(a, now_sec);
	alert_state_tick(&a->state, &of);
}
