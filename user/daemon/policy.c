/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/policy.c — see policy.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/policy.h"
#include "lib/fnv.h"

#define BITS 64

struct row {
	struct policy_section section;
	struct alert_suppression suppression; /* its strings are the section's */
	bool is_end_told;
};

/* Which sections' conditions for a process are met by this one. */
struct known {
	pid_t pid; /* 0: free */
	uint64_t facts; /* hash: they are others after exec */
	uint64_t matches[POLICY_MAX / BITS];
};

struct policy {
	size_t n;
	struct row rows[POLICY_MAX];
	struct known known[POLICY_PROCESSES_MAX];
	size_t next_known; /* whose place the next one takes */
};

/* ── sections ─────────────────────────────────────────────────────────────────────────────── */

void policy_section_done(struct policy_section *s)
{
	rule_free(s->rule);
	free(s->reason);
	free(s->where);
	*s = (struct policy_section){ 0 };
}

int policy_new(struct policy **ret)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	*ret = p;
	return 0;
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++)
		policy_section_done(&p->rows[i].section);
	free(p);
}

static int section_check(const struct policy_section *s, struct strbuf *why)
{
	const struct policy_thresholds *t = &s->thresholds;

	if (rule_is_empty(s->rule))
		return strbuf_fail(why, -EINVAL,
				   "without a condition it is every stack; give it one");
	if (rule_kind(s->rule) == RULES_ALERT)
		return t->after_sec > 0 || t->min_growth_bytes || t->min_rate_bytes
			       ? 0
			       : strbuf_fail(why, -EINVAL,
					     "without a threshold it changes nothing; give it "
					     "alert-after, alert-min-growth or alert-min-rate");
	if (!s->reason)
		return strbuf_fail(why, -EINVAL,
				   "without a reason nobody knows later why; give it one");
	if (!(s->until_sec > 0))
		return strbuf_fail(why, -EINVAL,
				   "without an end it is forgotten; give it until = a date");
	return 0;
}

/* Its namesake's, or the next one; NULL: all are taken. */
static struct row *row_for(struct policy *p, const struct rule *rule)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct rule *there = p->rows[i].section.rule;

		if (rule_kind(there) == rule_kind(rule) &&
		    strcmp(rule_name(there), rule_name(rule)) == 0)
			return &p->rows[i];
	}
	return p->n < POLICY_MAX ? &p->rows[p->n++] : NULL;
}

int policy_put(struct policy *p, struct policy_section *s, struct strbuf *why)
{
	int r = section_check(s, why);
	struct row *row;

	if (r < 0)
		return r;
	row = row_for(p, s->rule);
	if (!row)
		return strbuf_fail(why, -ENOSPC, "more than %d alert and suppress sections",
				   POLICY_MAX);
	policy_section_done(&row->section);
	*row = (struct row){ .section = *s,
			     .suppression = { rule_name(s->rule), s->reason, s->until_sec } };
	*s = (struct policy_section){ 0 };
	memset(p->known, 0, sizeof(p->known));
	return 0;
}

/* ── whose section is it ──────────────────────────────────────────────────────────────────── */

static struct rules_facts facts_of(const struct snapshot_process *p, const struct snapshot_stack *s)
{
	bool is_blamed = s->blame >= 0 && (size_t)s->blame < s->n_frames;

	return (struct rules_facts){
		.comm = p->comm,
		.cmdline = p->cmdline,
		.user = p->user,
		.unit = p->unit,
		.cgroup = p->cgroup,
		.container = p->container,
		.file = is_blamed ? s->frames[s->blame].file : NULL,
		.function = is_blamed ? s->frames[s->blame].function : NULL,
	};
}

/* FNV-1a. */
static uint64_t hash_facts(const struct rules_facts *f)
{
	const char *const texts[] = {
		f->comm, f->cmdline, f->user, f->unit, f->cgroup, f->container
	};
	uint64_t hash = FNV_BASIS;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (const char *s = texts[i]; s && *s; s++)
			hash = (hash ^ (unsigned char)*s) * FNV_PRIME;
		hash = (hash ^ (texts[i] ? 0x100 : 0x101)) * FNV_PRIME;
	}
	return hash;
}

static const struct known *known_of(struct policy *p, pid_t pid, const struct rules_facts *facts)
{
	uint64_t hash = hash_facts(facts);
	struct known *k;

	for (size_t i = 0; i < POLICY_PROCESSES_MAX; i++)
		if (p->known[i].pid == pid && p->known[i].facts == hash)
			return &p->known[i];
	k = &p->known[p->next_known];
	p->next_known = (p->next_known + 1) % POLICY_PROCESSES_MAX;
	*k = (struct known){ .pid = pid, .facts = hash };
	for (size_t i = 0; i < p->n; i++)
		if (rule_matches(p->rows[i].section.rule, RULES_PART_PROCESS, facts))
			k->matches[i / BITS] |= 1ull << i % BITS;
	return k;
}

/* now_sec: NAN: whenever. */
static const struct row *find(struct policy *p, enum rules_kind kind,
			      const struct snapshot_process *process,
			      const struct snapshot_stack *stack, double now_sec)
{
	const struct known *known;
	struct rules_facts facts;

	if (!p || !p->n)
		return NULL;
	facts = facts_of(process, stack);
	known = known_of(p, process->pid, &facts);
	for (size_t i = 0; i < p->n; i++) {
		const struct policy_section *s = &p->rows[i].section;

		if ((known->matches[i / BITS] & 1ull << i % BITS) && rule_kind(s->rule) == kind &&
		    !(s->until_sec <= now_sec) && rule_matches(s->rule, RULES_PART_STACK, &facts))
			return &p->rows[i];
	}
	return NULL;
}

const struct policy_thresholds *policy_thresholds(struct policy *p,
						  const struct snapshot_process *process,
						  const struct snapshot_stack *stack)
{
	const struct row *row = find(p, RULES_ALERT, process, stack, NAN);

	return row ? &row->section.thresholds : NULL;
}

const struct alert_suppression *policy_suppression(struct policy *p,
						   const struct snapshot_process *process,
						   const struct snapshot_stack *stack,
						   double now_sec)
{
	const struct row *row = find(p, RULES_SUPPRESS, process, stack, now_sec);

	return row ? &row->suppression : NULL;
}

const struct policy_section *policy_ended_next(struct policy *p, double now_sec)
{
	for (size_t i = 0; p && i < p->n; i++) {
		struct row *row = &p->rows[i];

		if (rule_kind(row->section.rule) != RULES_SUPPRESS || row->is_end_told ||
		    row->section.until_sec > now_sec)
			continue;
		row->is_end_told = true;
		return &row->section;
	}
	return NULL;
}
