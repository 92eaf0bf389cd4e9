/* SPDX-License-Identifier: GPL-2.0-only */
/* user/pygrowd.c — the observer: parse, open, run, report, close. */
#include <locale.h>
#include <stdlib.h>

#include "daemon/check.h"
#include "daemon/loop.h"
#include "daemon/options.h"
#include "daemon/pipeline.h"
#include "daemon/say.h"
#include "lib/clock.h"
#include "lib/log.h"

int main(int argc, char **argv)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(pipeline_closep) struct pipeline *p = NULL;
	struct pipeline_options po = { 0 };
	enum loop_end end = LOOP_END_TIME;
	double elapsed_sec = 0;
	struct options o;
	int r;

	setlocale(LC_CTYPE, "");
	options_parse(&o, argc, argv);
	if (o.check)
		return check_run(&o);
	po.state_dir = o.state;
	po.exact = o.exact;
	po.budget = (struct budget_options){ o.overhead, o.host_overhead, clock_monotonic_ns() };
	if (pipeline_open(&po, &p, &why) < 0)
		return log_err(0, "%s", why.buf), EXIT_FAILURE;
	if (loop_signals() < 0)
		return EXIT_FAILURE;
	for (size_t i = 0; i < o.n_pids; i++) {
		if (pipeline_add(p, o.pids[i], &why) < 0)
			return log_err(0, "%s", why.buf), EXIT_FAILURE;
		say_watching(&o, p->watches[i], probes_trap_ns(p->probes) / 1e3);
	}
	r = loop_run(&o, p, &end, &elapsed_sec);
	if (r < 0)
		return EXIT_FAILURE;
	if (o.for_sec > 0 && say_report(&o, p) < 0)
		return EXIT_FAILURE;
	return say_end(&o, end, elapsed_sec);
}
