/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/config_section.c — the sections of pygrowd.conf: conditions (target/rules.h), and
 * what those about alerts have besides (daemon/policy.h).
 *
 * A section is taken in at its closing brace: what is half there is not believed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_internal.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/escape.h"

_Static_assert(POLICY_MAX == RULES_MAX, "pygrowd.conf's manual names one limit");

static enum rules_kind kind_of(const cfg_t *section)
{
	size_t kind = 0;

	while (strcmp(rules_kind_name(kind), section->name) != 0)
		kind++;
	return kind;
}

static int section_begin(struct config_reader *r, const cfg_t *section)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	int error;

	if (r->section.rule)
		return 0;
	error = rule_new(kind_of(section), section->title, &r->section.rule, &why);
	if (error)
		return config_fail(r, error, section->line, "%s \"%.64s\": %s", section->name,
				   section->title, why.buf);
	return 0;
}

/* ── what libconfuse calls: keys ──────────────────────────────────────────────────────────── */

/* Sets `what` of the section; 0, -ENOMEM, or -EINVAL, and `why` says what it is not. */
typedef int (*set_t)(struct config_reader *r, const cfg_t *cfg, const char *what, const char *value,
		     struct strbuf *why);

static int set_key(cfg_t *cfg, cfg_opt_t *opt, set_t set)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct config_reader *r = config_reader_of(cfg);
	const char *value = cfg_opt_getstr(opt);
	int error;

	/* "include|comm" = x: libconfuse's way into a section that is closed. */
	if (!cfg->title)
		return config_fail(r, -EINVAL, cfg->line,
				   "%s: not in a section; " CONFIG_SEE_MANUAL, opt->name);
	error = section_begin(r, cfg);
	if (error)
		return error;
	error = set(r, cfg, opt->name, value, &why);
	if (error)
		return config_fail(r, error, cfg->line, "%s %s: %s \"%.64s\": %s", cfg->name,
				   cfg->title, opt->name, value, why.buf);
	return 0;
}

static int set_condition(struct config_reader *r, const cfg_t *cfg, const char *what,
			 const char *value, struct strbuf *why)
{
	size_t key = 0;

	(void)cfg;
	while (strcmp(rules_key_name(key), what) != 0)
		key++;
	return rule_set(r->section.rule, key, value, why);
}

/* By the key that has this name outside of sections. */
static int set_threshold(struct config_reader *r, const cfg_t *cfg, const char *what,
			 const char *value, struct strbuf *why)
{
	struct config one = { .alert.thresholds = r->section.thresholds };
	const struct config_key *key = config_keys;
	unsigned int bit;
	int error;

	(void)cfg;
	while (strcmp(key->name, what) != 0)
		key++;
	bit = 1u << (key - config_keys);
	if (r->section_seen & bit)
		return strbuf_fail(why, -EINVAL, "given twice");
	r->section_seen |= bit;
	error = key->set((char *)&one + key->at, value, key->min, key->max, why);
	if (!error)
		r->section.thresholds = one.alert.thresholds;
	return error;
}

static int set_reason(struct config_reader *r, const cfg_t *cfg, const char *what,
		      const char *value, struct strbuf *why)
{
	(void)cfg;
	(void)what;
	if (r->section.reason)
		return strbuf_fail(why, -EINVAL, "given twice");
	if (!value[strspn(value, " \t")] || strlen(value) > POLICY_REASON_BYTES_MAX)
		return strbuf_fail(why, -EINVAL, "not a reason in words, of at most %d bytes",
				   POLICY_REASON_BYTES_MAX);
	r->section.reason = strdup(value);
	return r->section.reason ? 0 : -ENOMEM;
}

static char *place_new(const struct config_reader *r, int line)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;

	escape_add_bytes(&b, r->path, strlen(r->path));
	strbuf_printf(&b, ":%d", line);
	return strbuf_take(&b);
}

static int set_until(struct config_reader *r, const cfg_t *cfg, const char *what, const char *value,
		     struct strbuf *why)
{
	struct policy_section *s = &r->section;

	(void)what;
	if (s->where)
		return strbuf_fail(why, -EINVAL, "given twice");
	if (clock_date_parse(value, &s->until_sec) < 0)
		return strbuf_fail(why, -EINVAL,
				   "not a date that there is (examples: 2027-01-31, "
				   "2027-01-31T18:00:00+01:00)");
	s->where = place_new(r, cfg->line);
	return s->where ? 0 : -ENOMEM;
}

static int on_condition(cfg_t *cfg, cfg_opt_t *opt)
{
	return set_key(cfg, opt, set_condition);
}

static int on_threshold(cfg_t *cfg, cfg_opt_t *opt)
{
	return set_key(cfg, opt, set_threshold);
}

static int on_reason(cfg_t *cfg, cfg_opt_t *opt)
{
	return set_key(cfg, opt, set_reason);
}

static int on_until(cfg_t *cfg, cfg_opt_t *opt)
{
	return set_key(cfg, opt, set_until);
}

/* ── … and the closing brace ──────────────────────────────────────────────────────────────── */

static int put_rule(struct config_reader *r, const cfg_t *section, int line)
{
	int error = rules_put(r->config->rules, r->section.rule);

	if (error == -EINVAL)
		return config_fail(r, error, line,
				   "%s %s: without a condition it is every process; give it one",
				   section->name, section->title);
	if (error)
		return config_fail(r, -EINVAL, line,
				   "%s %s: more than %d include and exclude sections",
				   section->name, section->title, RULES_MAX);
	r->section.rule = NULL;
	return 0;
}

static int put_policy(struct config_reader *r, const cfg_t *section, int line)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

	if (policy_put(r->config->policy, &r->section, &why) < 0)
		return config_fail(r, -EINVAL, line, "%s %s: %s", section->name, section->title,
				   why.buf);
	return 0;
}

static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	const cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	struct config_reader *r = config_reader_of(cfg);
	int error = section_begin(r, section);

	if (error)
		return error;
	r->section_seen = 0;
	switch (rule_kind(r->section.rule)) {
	case RULES_ALERT:
	case RULES_SUPPRESS:
		return put_policy(r, section, cfg->line);
	default:
		return put_rule(r, section, cfg->line);
	}
}

/* ── what it is told to look for ──────────────────────────────────────────────────────────── */

static const struct {
	enum rules_kind kind;
	const char *name;
	cfg_validate_callback_t on_value;
} extras[] = {
	{ RULES_ALERT, "alert-after", on_threshold },
	{ RULES_ALERT, "alert-min-growth", on_threshold },
	{ RULES_ALERT, "alert-min-rate", on_threshold },
	{ RULES_SUPPRESS, "reason", on_reason },
	{ RULES_SUPPRESS, "until", on_until },
};

cfg_opt_t config_section(struct config_reader *r, enum rules_kind kind,
			 cfg_opt_t opts[CONFIG_SECTION_OPTIONS])
{
	bool is_of_processes = kind == RULES_INCLUDE || kind == RULES_EXCLUDE;
	size_t n = 0;

	opts[n++] = config_self(r);
	for (size_t i = 0; i < (is_of_processes ? RULES_PROCESS_KEY_MAX : RULES_KEY_MAX); i++)
		opts[n++] = config_option(rules_key_name(i), on_condition);
	for (size_t i = 0; i < ARRAY_SIZE(extras); i++)
		if (extras[i].kind == kind)
			opts[n++] = config_option(extras[i].name, extras[i].on_value);
	opts[n] = (cfg_opt_t)CFG_END();
	return (cfg_opt_t){
		.name = rules_kind_name(kind),
		.type = CFGT_SEC,
		.flags = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES,
		.subopts = opts,
		.validcb = on_section,
	};
}
