/* SPDX-License-Identifier: GPL-2.0-only */
/* user/pygrowd.c — the observer: parse, open, run, report, close. */
#include <locale.h>
#include <malloc.h>
#include <stdlib.h>

#include "daemon/check.h"
#include "daemon/loop.h"
#include "daemon/options.h"
#include "daemon/pipeline.h"
#include "daemon/roster.h"
#include "daemon/say.h"
#include "daemon/setup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "report/journal.h"

#define BIG_BYTES 0x100000 /* of one allocation: goes back to the kernel when it is freed */

/* Those that were named, or whoever the rules let in. */
static int take_on(const struct setup *s, struct pipeline *p, struct roster **ret_roster,
		   struct strbuf *why)
{
	const struct options *o = &s->options;
	int r = 0;

	if (!o->n_pids)
		return roster_open(p, setup_rules(s), ret_roster, why);
	for (size_t i = 0; i < o->n_pids && r == 0; i++) {
		r = pipeline_add(p, o->pids[i], why);
		if (r == 0)
			say_watching(o, p->watches[i], probes_trap_ns(p->probes) / 1e3);
	}
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(setup_done) struct setup setup = { 0 };
	_cleanup_(pipeline_closep) struct pipeline *p = NULL;
	_cleanup_(roster_closep) struct roster *roster = NULL;
	const struct options *o = &setup.options;
	struct pipeline_options po = { 0 };
	enum loop_end end = LOOP_END_TIME;
	double elapsed_sec = 0;

	setlocale(LC_CTYPE, "");
	/* Else malloc learns from the first program file, read as a whole, to keep its memory. */
	mallopt(M_MMAP_THRESHOLD, BIG_BYTES);
	options_parse(&setup.flags, argc, argv);
	if (journal_open() && log_level_get() < LOG_LEVEL_INFO)
		log_set_level(LOG_LEVEL_INFO); /* who reads it can leave out what it is not after */
	if (setup.flags.check)
		return check_run(&setup);
	if (setup_load(&setup, &why) < 0)
		return log_err(0, "%s", why.buf), EXIT_FAILURE;
	po.state_dir = o->state;
	po.exact = o->exact;
	po.births = setup_births(&setup);
	po.probes.born_unit_sec = po.births.unit_sec;
	po.windows = setup_windows(&setup);
	if (pipeline_open(&po, &p, &why) < 0)
		return log_err(0, "%s", why.buf), EXIT_FAILURE;
	if (loop_signals() < 0)
		return EXIT_FAILURE;
	if (take_on(&setup, p, &roster, &why) < 0)
		return log_err(0, "%s", why.buf), EXIT_FAILURE;
	if (loop_run(&setup, p, roster, &end, &elapsed_sec) < 0)
		return EXIT_FAILURE;
	if (o->for_sec > 0 && say_report(o, p) < 0)
		return EXIT_FAILURE;
	return say_end(o, end, elapsed_sec);
}
