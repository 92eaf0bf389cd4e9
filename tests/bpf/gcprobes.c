/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/bpf/gcprobes.c — the collector's probes on one process, and nothing else: for bench_gc.py.
 *
 * usage: gcprobes PID. Says "on", or why not; when its stdin ends it says how many collections of
 * each generation it saw, and ends.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/watch.h"
#include "lib/log.h"

static int run(struct probes *p, struct watch *w)
{
	const struct window_pick pick = { .progs = 1u << WINDOW_ON_GC_START |
						   1u << WINDOW_ON_GC_DONE };
	struct window_target t = { .path = w->path, .pid = w->pid, .slot = w->slot };
	struct pgd_gc gc = { 0 };
	int r;

	probes_prog_fds(p, t.prog_fds);
	r = watch_put_on(p, w, &t, &pick);
	if (r < 0)
		return log_err(r, "put the collector's sites on");
	puts("on");
	fflush(stdout);
	while (getchar() != EOF)
		;
	r = probes_gc(p, w->slot, &gc);
	for (int i = 0; i < PGD_GENERATIONS; i++)
		printf("%llu ", (unsigned long long)gc.generations[i].collections);
	return r;
}

int main(int argc, char **argv)
{
	const struct procfs fs = { .root = "/proc" };
	const struct watch_options o = { .fs = &fs };
	struct probes_options po = { .live_max = 1024 };
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	_cleanup_(probes_closep) struct probes *p = NULL;
	struct watch *w = NULL;
	int r;

	if (argc != 2)
		return 2;
	r = probes_open(&po, &p, &why);
	if (r == 0)
		r = watch_open(p, atoi(argv[1]), &o, &w, &why);
	if (r < 0)
		return log_err(0, "%s", why.buf), 1;
	r = run(p, w);
	watch_close(p, w);
	return r < 0;
}
