/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/say.c — see say.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/writer.h"
#include "daemon/gather.h"
#include "daemon/say.h"
#include "lib/log.h"
#include "report/document.h"

/* What a hit costs besides its trap, which is measured at start: docs/OVERHEAD.md, the table of a
 * hit (stacks of 10 to 40 frames), less the trap of the machine it was made on. */
#define ALLOC_US_MIN 1.2
#define ALLOC_US_MAX 2.2
#define FREE_US_MIN  0.2
#define FREE_US_MAX  0.7

void say_watching(const struct options *o, const struct watch *w, double trap_us)
{
	fprintf(stderr, "pygrowd: watching pid %d (%s, python %s, ", w->pid, w->comm,
		w->runtime.version);
	if (o->exact)
		fprintf(stderr,
			"exact: costs it about %.1f to %.1f µs an allocation, %.1f to %.1f a free, "
			"%.1f of each the trap)\n",
			trap_us + ALLOC_US_MIN, trap_us + ALLOC_US_MAX, trap_us + FREE_US_MIN,
			trap_us + FREE_US_MAX, trap_us);
	else
		fprintf(stderr, "under a budget of %g %% of its CPU time)\n", o->overhead * 100);
}

int say_report(const struct options *o, const struct pipeline *p)
{
	const struct writer *w = o->json ? &writer_json : &writer_text;
	struct document_options d = DOCUMENT_OPTIONS_INIT;
	struct writer_options wo;
	struct snapshot snapshot;
	json_object *document = NULL;
	int r = gather(p, &snapshot);

	if (r < 0)
		return log_err(r, "gather the report");
	writer_options_init(&wo);
	wo.is_live = false;
	if (o->json)
		d.limit = DOCUMENT_LIMIT_MAX;
	r = document_new(&snapshot, &d, &document);
	gather_done(&snapshot);
	if (r == 0)
		r = writer_document(w, stdout, WRITER_REPORT, document, &wo);
	json_object_put(document);
	if (r < 0 || fflush(stdout) != 0)
		return log_err(r, "write the report");
	return 0;
}

int say_end(const struct options *o, enum loop_end end, double elapsed_sec)
{
	if (o->for_sec <= 0 || end == LOOP_END_TIME)
		return EXIT_SUCCESS;
	log_full(LOG_LEVEL_ERR, 0, "%s after %.1f s of %g s: the report covers that time",
		 end == LOOP_END_ALONE ? "no watched process is left" : "interrupted", elapsed_sec,
		 o->for_sec);
	return EXIT_FAILURE;
}
