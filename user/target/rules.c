/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/rules.c — see rules.h. */
#include <errno.h>
#include <fnmatch.h>
#include <locale.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "target/rules.h"

#define REGEX_WHY_MAX 128

struct rule {
	enum rules_kind kind;
	char name[RULES_NAME_BYTES_MAX + 1];
	char *globs[RULES_KEY_MAX]; /* NULL: not given; never of RULES_CMDLINE */
	bool has_regex;
	regex_t regex;
};

struct rules {
	size_t n;
	struct rule *all[RULES_MAX];
};

static const struct {
	const char *name;
	size_t fact; /* its place in struct rules_facts */
} keys[] = {
	[RULES_COMM] = { "comm", offsetof(struct rules_facts, comm) },
	[RULES_CMDLINE] = { "cmdline", offsetof(struct rules_facts, cmdline) },
	[RULES_USER] = { "user", offsetof(struct rules_facts, user) },
	[RULES_UNIT] = { "unit", offsetof(struct rules_facts, unit) },
	[RULES_CGROUP] = { "cgroup", offsetof(struct rules_facts, cgroup) },
	[RULES_CONTAINER] = { "container", offsetof(struct rules_facts, container) },
	[RULES_FILE] = { "file", offsetof(struct rules_facts, file) },
	[RULES_FUNCTION] = { "function", offsetof(struct rules_facts, function) },
};
_Static_assert(ARRAY_SIZE(keys) == RULES_KEY_MAX, "a key without a name");

static const char *const kinds[] = {
	[RULES_INCLUDE] = "include",
	[RULES_EXCLUDE] = "exclude",
	[RULES_ALERT] = "alert",
	[RULES_SUPPRESS] = "suppress",
};
_Static_assert(ARRAY_SIZE(kinds) == RULES_KIND_MAX, "a kind without a name");

const char *rules_key_name(enum rules_key key)
{
	return keys[key].name;
}

const char *rules_kind_name(enum rules_kind kind)
{
	return kinds[kind];
}

enum rules_kind rule_kind(const struct rule *rule)
{
	return rule->kind;
}

const char *rule_name(const struct rule *rule)
{
	return rule->name;
}

/* ── one rule ─────────────────────────────────────────────────────────────────────────────── */
static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@:");

	return n > 0 && n <= RULES_NAME_BYTES_MAX && !s[n];
}

int rule_new(enum rules_kind kind, const char *name, struct rule **ret, struct strbuf *why)
{
	struct rule *rule;

	if (!is_name(name))
		return strbuf_fail(why, -EINVAL,
				   "a name has 1 to %d letters, digits or any of \"_-.@:\"",
				   RULES_NAME_BYTES_MAX);
	rule = calloc(1, sizeof(*rule));
	if (!rule)
		return -ENOMEM;
	rule->kind = kind;
	strcpy(rule->name, name);
	*ret = rule;
	return 0;
}

void rule_free(struct rule *rule)
{
	if (!rule)
		return;
	for (size_t i = 0; i < RULES_KEY_MAX; i++)
		free(rule->globs[i]);
	if (rule->has_regex)
		regfree(&rule->regex);
	free(rule);
}

/* The larger number of "{2,30}" at s, at least 1. Not one that the regex compiler refuses: it says
 * so better. */
static unsigned int repeat_at(const char *s)
{
	unsigned int largest = 1, n = 0;

	for (s++; (*s >= '0' && *s <= '9') || *s == ','; s++) {
		n = *s == ',' ? 0 : n * 10 + (unsigned int)(*s - '0');
		if (n > RULES_REPEATS_MAX)
			n = RULES_REPEATS_MAX + 1;
		if (n > largest)
			largest = n;
	}
	return largest;
}

/* What makes glibc's matcher dear: many copies in memory, and \1, which it tries every way. */
static int regex_check_cost(const char *pattern, struct strbuf *why)
{
	unsigned int repeats = 1;

	for (const char *s = pattern; *s; s++) {
		if (*s == '\\' && s[1]) {
			s++;
			if (*s >= '1' && *s <= '9')
				return strbuf_fail(why, -EINVAL,
						   "\\%c, what a group matched, is not supported",
						   *s);
			continue;
		}
		if (*s == '{')
			repeats *= repeat_at(s);
		if (repeats > RULES_REPEATS_MAX)
			return strbuf_fail(why, -EINVAL,
					   "its counts in {}, multiplied, are over %d; use * or +",
					   RULES_REPEATS_MAX);
	}
	return 0;
}

static int regex_set(struct rule *rule, const char *pattern, struct strbuf *why)
{
	locale_t bytes, old;
	char text[REGEX_WHY_MAX];
	int r;

	r = regex_check_cost(pattern, why);
	if (r < 0)
		return r;
	/* What is compiled for bytes is matched by bytes. In UTF-8, "." does not match a byte that
	 * is none, and a process could hide behind one. */
	bytes = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	old = uselocale(bytes);
	r = regcomp(&rule->regex, pattern, REG_EXTENDED | REG_NOSUB);
	uselocale(old);
	if (bytes)
		freelocale(bytes);
	if (r == REG_ESPACE)
		return -ENOMEM;
	if (r != 0) {
		regerror(r, &rule->regex, text, sizeof(text));
		return strbuf_fail(why, -EINVAL, "not a regular expression: %s", text);
	}
	rule->has_regex = true;
	return 0;
}

static int glob_set(struct rule *rule, enum rules_key key, const char *pattern, struct strbuf *why)
{
	if (key == RULES_COMM && !strpbrk(pattern, "*?[") && strlen(pattern) > RULES_COMM_BYTES_MAX)
		return strbuf_fail(why, -EINVAL,
				   "longer than %d bytes, where the kernel cuts it; end it with *",
				   RULES_COMM_BYTES_MAX);
	rule->globs[key] = strdup(pattern);
	return rule->globs[key] ? 0 : -ENOMEM;
}

int rule_set(struct rule *rule, enum rules_key key, const char *pattern, struct strbuf *why)
{
	if (rule->globs[key] || (key == RULES_CMDLINE && rule->has_regex))
		return strbuf_fail(why, -EINVAL, "given twice; make two sections of it");
	if (!*pattern)
		return strbuf_fail(why, -EINVAL, "empty; leave it out if all will do");
	if (strlen(pattern) > RULES_PATTERN_BYTES_MAX)
		return strbuf_fail(why, -EINVAL, "longer than %d bytes", RULES_PATTERN_BYTES_MAX);
	return key == RULES_CMDLINE ? regex_set(rule, pattern, why)
				    : glob_set(rule, key, pattern, why);
}

bool rule_is_empty(const struct rule *rule)
{
	for (size_t i = 0; i < RULES_KEY_MAX; i++)
		if (rule->globs[i])
			return false;
	return !rule->has_regex;
}

static const char *fact_of(const struct rules_facts *facts, size_t key)
{
	return *(const char *const *)((const char *)facts + keys[key].fact);
}

static bool globs_match(const struct rule *rule, size_t from, size_t to,
			const struct rules_facts *facts)
{
	for (size_t i = from; i < to; i++) {
		const char *fact = fact_of(facts, i);

		if (rule->globs[i] && (!fact || fnmatch(rule->globs[i], fact, FNM_NOESCAPE) != 0))
			return false;
	}
	return true;
}

/* The cheap ones first. */
static bool process_matches(const struct rule *rule, const struct rules_facts *facts)
{
	return globs_match(rule, 0, RULES_PROCESS_KEY_MAX, facts) &&
	       (!rule->has_regex ||
		(facts->cmdline && regexec(&rule->regex, facts->cmdline, 0, NULL, 0) == 0));
}

bool rule_matches(const struct rule *rule, enum rules_part part, const struct rules_facts *facts)
{
	/* fnmatch(3) goes by the locale of now, other than a regex. */
	locale_t bytes = newlocale(LC_ALL_MASK, "C", (locale_t)0), old = uselocale(bytes);
	bool ret = part == RULES_PART_PROCESS
			   ? process_matches(rule, facts)
			   : globs_match(rule, RULES_PROCESS_KEY_MAX, RULES_KEY_MAX, facts);

	uselocale(old);
	if (bytes)
		freelocale(bytes);
	return ret;
}

/* ── all of them ──────────────────────────────────────────────────────────────────────────── */
int rules_new(struct rules **ret)
{
	struct rules *rules = calloc(1, sizeof(*rules));

	if (!rules)
		return -ENOMEM;
	*ret = rules;
	return 0;
}

void rules_free(struct rules *rules)
{
	if (!rules)
		return;
	for (size_t i = 0; i < rules->n; i++)
		rule_free(rules->all[i]);
	free(rules);
}

int rules_put(struct rules *rules, struct rule *rule)
{
	if (rule_is_empty(rule))
		return -EINVAL;
	for (size_t i = 0; i < rules->n; i++) {
		struct rule *there = rules->all[i];

		if (there->kind == rule->kind && strcmp(there->name, rule->name) == 0) {
			rules->all[i] = rule;
			rule_free(there);
			return 0;
		}
	}
	if (rules->n == RULES_MAX)
		return -ENOSPC;
	rules->all[rules->n++] = rule;
	return 0;
}

size_t rules_cnt(const struct rules *rules, enum rules_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < rules->n; i++)
		n += rules->all[i]->kind == kind;
	return n;
}

static const struct rule *find(const struct rules *rules, enum rules_kind kind,
			       const struct rules_facts *facts)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->all[i]->kind == kind &&
		    rule_matches(rules->all[i], RULES_PART_PROCESS, facts))
			return rules->all[i];
	return NULL;
}

struct rules_verdict rules_match(const struct rules *rules, const struct rules_facts *facts)
{
	const struct rule *rule = find(rules, RULES_EXCLUDE, facts);
	struct rules_verdict verdict = { .is_watched = !rule };

	if (!rule) {
		rule = find(rules, RULES_INCLUDE, facts);
		verdict.is_watched = rule || rules_cnt(rules, RULES_INCLUDE) == 0;
	}
	if (rule) {
		verdict.kind = rule->kind;
		strcpy(verdict.name, rule->name);
	}
	return verdict;
}

char *rules_verdict_format(const struct rules_verdict *verdict, char buf[RULES_TEXT_MAX])
{
	if (*verdict->name)
		snprintf(buf, RULES_TEXT_MAX, "%sd by rule %s", kinds[verdict->kind],
			 verdict->name);
	else
		strcpy(buf, verdict->is_watched ? "there is no include rule"
						: "no include rule matches");
	return buf;
}
