/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/setup.c — see setup.h. */
#include <math.h>
#include <string.h>

#include "daemon/setup.h"
#include "lib/clock.h"

#define POINTS_PER_BIN_MIN 2
#define BIRTHS_SHARE_MAX   0.1

int setup_load(struct setup *s, struct strbuf *why)
{
	const char *path = s->flags.config ? s->flags.config : CONFIG_PATH;
	int r = 0;

	if (s->flags.match && !s->match)
		r = options_match_rules(s->flags.match, &s->match, why);
	if (r == 0 && (s->flags.config || s->flags.for_sec <= 0))
		r = config_load(path, s->flags.config, &s->config, why);
	if (r == 0 && !s->config.rules)
		r = rules_new(&s->config.rules);
	if (r < 0)
		return r;
	options_settle(&s->options, &s->flags, &s->config);
	return 0;
}

void setup_done(struct setup *s)
{
	config_done(&s->config);
	rules_free(s->match);
	s->match = NULL;
}

const struct rules *setup_rules(const struct setup *s)
{
	return s->match ? s->match : s->config.rules;
}

/* How much time a moment stands for: 1 in life, more in tests. */
static double compression(const struct setup *s)
{
	return s->config.alert.scale > 0 ? 1 / s->config.alert.scale : 1;
}

struct windows_options setup_windows(const struct setup *s)
{
	return (struct windows_options){
		.budget = { s->options.overhead, s->options.host_overhead, clock_monotonic_ns() },
		.new_sec = WINDOWS_NEW_SEC * compression(s),
	};
}

/* Their own, and for what these leave open the general ones. */
static struct policy_thresholds thresholds_of(const struct setup *s,
					      const struct policy_thresholds *own)
{
	struct policy_thresholds t = s->config.alert.thresholds;

	if (own && own->after_sec > 0)
		t.after_sec = own->after_sec;
	if (own && own->min_growth_bytes)
		t.min_growth_bytes = own->min_growth_bytes;
	if (own && own->min_rate_bytes)
		t.min_rate_bytes = own->min_rate_bytes;
	return t;
}

struct detect_limits setup_detect(const struct setup *s, const struct policy_thresholds *own)
{
	const struct policy_thresholds t = thresholds_of(s, own);
	struct detect_limits l = detect_limits_default();

	if (t.after_sec > 0)
		l.wait_sec = t.after_sec;
	if (t.min_growth_bytes)
		l.min_growth_bytes = (double)t.min_growth_bytes;
	if (t.min_rate_bytes)
		l.min_bytes_per_sec = (double)t.min_rate_bytes;
	if (s->config.alert.scale > 0)
		l = detect_limits_scale(&l, s->config.alert.scale);
	/* A bin without a point is a gap. */
	l.bin_sec = fmax(l.bin_sec, POINTS_PER_BIN_MIN * s->options.interval_sec);
	return l;
}

struct births_options setup_births(const struct setup *s)
{
	return (struct births_options){
		.unit_sec = setup_detect(s, NULL).bin_sec / DETECT_POINTS_PER_BIN,
		.share = fmin(BIRTHS_SHARE * compression(s), BIRTHS_SHARE_MAX),
	};
}

bool setup_ended_next(const struct setup *s, double now_sec, struct strbuf *ret)
{
	const struct policy_section *section = policy_ended_next(s->config.policy, now_sec);
	char moment[CLOCK_TEXT_MAX];

	if (section)
		strbuf_printf(
			ret,
			"%s: suppress %s ended on %s, ignoring; remove it, or give it another "
			"date",
			section->where, rule_name(section->rule),
			clock_rfc3339_format(moment, section->until_sec));
	return section;
}

void setup_history(const struct setup *s, struct history_options *ret)
{
	const struct config_history *c = &s->config.history;

	history_options_init(ret);
	ret->dir = s->options.state;
	if (c->max_bytes)
		ret->max_bytes = c->max_bytes;
	if (c->levels[0].step_sec)
		memcpy(ret->levels, c->levels, sizeof(ret->levels));
}
