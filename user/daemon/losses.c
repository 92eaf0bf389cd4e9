/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/losses.c — see losses.h. */
#include <string.h>

#include "daemon/losses.h"
#include "lib/cleanup.h"

struct row {
	const char *name, *help;
};

#define ROW(id, name, help) { name, help },
static const struct row besides_rows[] = { PGD_COUNTERS(ROW) };
static const struct row history_rows[] = { HISTORY_COUNTERS(ROW) };
static const struct row ctl_rows[] = { CTL_COUNTERS(ROW) };
static const struct row alert_rows[] = { ALERT_COUNTERS(ROW) };
static const struct row state_rows[] = { ALERT_STATE_COUNTERS(ROW) };
static const struct row judge_row = {
	"stacks_not_judged",
	"a stack held too little to be judged in an interval, beside 4,096 others"
};
#undef ROW
_Static_assert(ARRAY_SIZE(besides_rows) == PGD_COUNTER_MAX, "every counter has a name");
_Static_assert(ARRAY_SIZE(history_rows) == HISTORY_COUNTER_MAX, "every counter has a name");
_Static_assert(ARRAY_SIZE(ctl_rows) == CTL_COUNTER_MAX, "every counter has a name");
_Static_assert(ARRAY_SIZE(alert_rows) == ALERT_COUNTER_MAX, "every counter has a name");
_Static_assert(ARRAY_SIZE(state_rows) == ALERT_STATE_COUNTER_MAX, "every counter has a name");

static void more_add(struct losses *l, const struct row *row, uint64_t cnt)
{
	l->more_help[l->n_more] = row->help;
	l->more[l->n_more++] = (struct metrics_lost){ row->name, cnt };
}

static void sink_add(struct losses *l, const struct sink *s)
{
	for (int i = 0; i < SINK_COUNTER_MAX; i++) {
		const struct row row = { sink_counter_name(s->kind, i), sink_counter_help(i) };

		if (sink_counter_is_loss(i))
			more_add(l, &row, sink_counter_get(s, i));
	}
}

static void alerting_add(struct losses *l, const struct alerting *a)
{
	more_add(l, &judge_row, judge_lost(a->judge));
	for (int i = 0; i < ALERT_COUNTER_MAX; i++)
		more_add(l, &alert_rows[i], alerts_counter_get(a->alerts, i));
	for (int i = 0; i < ALERT_STATE_COUNTER_MAX; i++)
		more_add(l, &state_rows[i], a->state.counters[i]);
	for (int i = 0; i < SINK_KIND_MAX; i++)
		if (a->sinks[i])
			sink_add(l, a->sinks[i]);
}

void losses_gather(const struct losses_of *of, struct losses *ret)
{
	ret->n_more = 0;
	memcpy(ret->besides, of->pipeline->lost_before, sizeof(ret->besides));
	if (of->roster)
		ret->besides[PGD_COUNTER_PROCS_LOST] += roster_lost(of->roster);
	for (int i = 0; of->history && i < HISTORY_COUNTER_MAX; i++)
		more_add(ret, &history_rows[i], history_counter_get(of->history, i));
	for (int i = 0; of->ctl && i < CTL_COUNTER_MAX; i++)
		more_add(ret, &ctl_rows[i], ctl_counter_get(of->ctl, i));
	if (of->alerting)
		alerting_add(ret, of->alerting);
}

static void put(json_object *lost, json_object *help, const char *name, const char *words,
		uint64_t cnt)
{
	if (!cnt)
		return;
	json_object_object_add(lost, name, json_object_new_int64((int64_t)cnt));
	json_object_object_add(help, name, json_object_new_string(words));
}

void losses_put(const struct losses *l, json_object *document)
{
	json_object *help = json_object_object_get(document, "lost_help"), *lost;

	if (!help)
		return;
	lost = json_object_new_object();
	for (int i = 0; i < PGD_COUNTER_MAX; i++)
		put(lost, help, besides_rows[i].name, besides_rows[i].help, l->besides[i]);
	for (size_t i = 0; i < l->n_more; i++)
		put(lost, help, l->more[i].reason, l->more_help[i], l->more[i].cnt);
	json_object_object_add(document, "lost", lost);
}
