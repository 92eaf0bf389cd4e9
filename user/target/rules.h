/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/rules.h — does this section of the config match; and shall this process be watched?
 *
 *	include web {                        a rule: its kind, its name,
 *		user = www-data              and patterns, all of which must match
 *		cmdline = 'gunicorn.*:app'
 *	}
 *
 * A rule of the kinds alert and suppress is about stacks (daemon/policy.h): it has patterns for the
 * process, for the frame to blame, or for both. The other two kinds are about processes:
 * a process is watched if some include rule matches (all do if there is none) and no exclude rule.
 * Pure: no clock, no I/O; whoever asks has the facts. cmdline is a POSIX extended regular
 * expression, found anywhere in it; all others are globs (fnmatch(3)) for the whole text, in which
 * "*" matches "/" as well and a backslash is itself, since systemd's unit names hold some. Bytes
 * are compared, whatever the locale is: a name in another encoding matches as well as any. comm
 * and cmdline are what the process says of itself: such a rule keeps nobody out who wants to get
 * in, or the other way round.
 */
#ifndef USER_TARGET_RULES_H
#define USER_TARGET_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/cleanup.h"
#include "lib/strbuf.h"

#define RULES_MAX		256 /* includes and excludes: each is asked for each new process */
#define RULES_NAME_BYTES_MAX	64
#define RULES_PATTERN_BYTES_MAX 1024
/* The counts of a{2,30} in one pattern, multiplied. Each is that many copies of what it repeats,
 * nested ones copies of copies: ((a{99}){99}){99} takes a GiB to compile. */
#define RULES_REPEATS_MAX	1000
#define RULES_COMM_BYTES_MAX	15 /* the kernel cuts a comm there */
#define RULES_TEXT_MAX		(RULES_NAME_BYTES_MAX + 32)

enum rules_kind {
	RULES_INCLUDE,
	RULES_EXCLUDE,
	RULES_ALERT,
	RULES_SUPPRESS,
	RULES_KIND_MAX
};

enum rules_key {
	RULES_COMM,
	RULES_CMDLINE,
	RULES_USER,
	RULES_UNIT,
	RULES_CGROUP,
	RULES_CONTAINER,
	RULES_PROCESS_KEY_MAX, /* those above are about a process, those below about a stack */
	RULES_FILE = RULES_PROCESS_KEY_MAX,
	RULES_FUNCTION,
	RULES_KEY_MAX
};

/* What is known of a process, as struct procfs_facts has it (long command lines are cut there), and
 * of a stack; NULL is unknown, and no pattern matches that. */
struct rules_facts {
	const char *comm;
	const char *cmdline; /* arguments with blanks between, as procfs_cmdline() has them */
	const char *user; /* name, "uid:1234" if it has none */
	const char *unit; /* of systemd: "web.service"; NULL if it is in none */
	const char *cgroup; /* path below the root of cgroups: "/system.slice/web.service" */
	const char *container; /* its ID; NULL if it is in none */
	const char *file, *function; /* of the frame to blame; NULL if it is not about a stack */
};

/* ── one rule ─────────────────────────────────────────────────────────────────────────────── */
struct rule;

/* -EINVAL: the name is empty, too long, or has other characters than letters, digits, "_-.@:";
 * `why` says so. -ENOMEM. */
int rule_new(enum rules_kind kind, const char *name, struct rule **ret, struct strbuf *why);
void rule_free(struct rule *rule);
DEFINE_CLEANUP(struct rule *, rule_free)

/* -EINVAL: not a pattern, too long, too costly, cannot match, or this key has one already; `why`
 * says what, without name and key. -ENOMEM. */
int rule_set(struct rule *rule, enum rules_key key, const char *pattern, struct strbuf *why);
bool rule_is_empty(const struct rule *rule); /* without a pattern it would match every process */

enum rules_part {
	RULES_PART_PROCESS, /* which may be dear: a regex over a command line */
	RULES_PART_STACK,
};

/* Its patterns for one part; true if it has none for that. */
bool rule_matches(const struct rule *rule, enum rules_part part, const struct rules_facts *facts);

enum rules_kind rule_kind(const struct rule *rule);
const char *rule_name(const struct rule *rule);
const char *rules_key_name(enum rules_key key); /* "comm" */
const char *rules_kind_name(enum rules_kind kind); /* "include" */

/* ── all of them ──────────────────────────────────────────────────────────────────────────── */
struct rules;

int rules_new(struct rules **ret);
void rules_free(struct rules *rules);
DEFINE_CLEANUP(struct rules *, rules_free)

/* Of the kinds include and exclude only. Takes the rule over if it succeeds; it replaces one of the
 * same kind and name, in its place. -ENOSPC: RULES_MAX are there. -EINVAL: it is empty. -ENOMEM. */
int rules_put(struct rules *rules, struct rule *rule);
size_t rules_cnt(const struct rules *rules, enum rules_kind kind);

/* Who decided? A copy: it outlives the rules it came from. */
struct rules_verdict {
	bool is_watched;
	enum rules_kind kind; /* of that rule */
	char name[RULES_NAME_BYTES_MAX + 1]; /* "": none, by the lack of include rules that match */
};

/* The first rule that matches decides, those that exclude are asked first. */
struct rules_verdict rules_match(const struct rules *rules, const struct rules_facts *facts);
/* "excluded by rule batch", "no include rule matches", "included by rule web", "there is no include
 * rule"; returns buf. */
char *rules_verdict_format(const struct rules_verdict *verdict, char buf[RULES_TEXT_MAX]);

#endif
