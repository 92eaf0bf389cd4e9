/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/check.c — see check.h. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/check.h"
#include "daemon/watch.h"

static int check_process(struct probes *p, const struct options *o, pid_t pid)
{
	const struct procfs fs = { .root = "/proc" };
	struct watch_options wo = { .fs = &fs, .state_dir = o->state };
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	struct watch *w = NULL;

	if (watch_open(p, pid, &wo, &w, &why) < 0) {
		printf("fail  %s\n", why.buf);
		return -1;
	}
	printf("ok    pid %d: python %s, build-id %s, %zu sites (%zu more could not be "
	       "placed)%s%s\n",
	       pid, w->runtime.version, w->build_id, w->sites.n, w->sites.n_unplaced,
	       w->why[0] ? "; " : "", w->why);
	watch_close(p, w);
	return 0;
}

int check_run(const struct options *o)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(probes_closep) struct probes *p = NULL;
	struct probes_options po = { 0 };
	int failed = 0;

	if (probes_open(&po, &p, &why) < 0) {
		printf("fail  %s\n", why.buf);
		return EXIT_FAILURE;
	}
	printf("ok    kernel, BTF, capabilities; programs loaded; sites attach by %s, a trap costs "
	       "%.2f µs\n",
	       window_method_name(probes_method(p)), probes_trap_ns(p) / 1e3);
	for (size_t i = 0; i < o->n_pids; i++)
		failed |= check_process(p, o, o->pids[i]);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
