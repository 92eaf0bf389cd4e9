// SPDX-License-Identifier: GPL-2.0-only
/* bpf/pygrowd.bpf.c — what we hook, and nothing else.
 *
 *   site in the target's text ─► on_alloc ─► sample ─► pywalk ─► account or window ─► maps
 *                             ├► on_free  ─────────────────────► account or window ─► maps
 *                             └► on_count
 *   sched_process_fork, _exec, _exit ─► on_fork, on_exec, on_exit ─► proc ─► maps
 *
 * The four site programs are attached by user/target/window.c, as one uprobe_multi link each (or as
 * perf-event uprobes on kernels without it); every site's cookie says which target it belongs to
 * and which register holds the block. There are no return probes: they are a system call since
 * kernel 6.11, and a target under seccomp can be killed for it.
 */
#include "kernel.bpf.h"
#include "pgd_abi.h"
#include "maps.bpf.h"
#include "pywalk.bpf.h"
#include "sample.bpf.h"
#include "account.bpf.h"
#include "scratch.bpf.h"
#include "window.bpf.h"
#include "collector.bpf.h"
#include "hit.bpf.h"
#include "proc.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* A block was handed out. */
SEC("uprobe")
int on_alloc(struct pt_regs *regs)
{
	return hit_alloc(regs, bpf_get_attach_cookie(regs));
}

/* A block is taken back. */
SEC("uprobe")
int on_free(struct pt_regs *regs)
{
	return hit_free(regs, bpf_get_attach_cookie(regs));
}

/* A site was passed: how often, and nothing else. */
SEC("uprobe")
int on_count(struct pt_regs *regs)
{
	return hit_count(regs, bpf_get_attach_cookie(regs));
}

/* The collector starts. */
SEC("uprobe")
int on_gc_start(struct pt_regs *regs)
{
	return collector_start(PGD_COOKIE_SLOT(bpf_get_attach_cookie(regs)));
}

/* The collector is about to return. */
SEC("uprobe")
int on_gc_done(struct pt_regs *regs)
{
	return collector_done(PGD_COOKIE_SLOT(bpf_get_attach_cookie(regs)));
}

/* A process was made. */
SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *args)
{
	return proc_fork(args);
}

/* A process became another program. */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *args)
{
	return proc_exec(args);
}

/* A thread has ended. */
SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *args)
{
	return proc_exit(args);
}
