/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/proc.bpf.h — processes that come, become another program, or go: told to the daemon.
 *
 * On raw tracepoints, which the daemon attaches only when it is to find targets by itself. Threads
 * of a process are no news. A process is gone when its last thread ends, which need not be the one
 * that gave it its PID. PIDs are those of the host's own namespace.
 */
#ifndef BPF_PROC_BPF_H
#define BPF_PROC_BPF_H

#include "kernel.bpf.h"
#include "maps.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct signal_struct {
	struct {
		int counter;
	} live; /* threads of the process that have not ended */
};

/* More fields of task_struct than a hit needs; what follows ___ is no part of the kernel's name. */
struct task_struct___proc {
	int pid, tgid;
	struct mm_struct *mm;
	struct task_struct___proc *group_leader;
	struct signal_struct *signal;
	__u64 start_boottime;
};

#pragma clang attribute pop

static __always_inline int proc_say(__u32 what, const struct task_struct___proc *task)
{
	struct pgd_proc_event event = {
		.what = what,
		.pid = (__u32)BPF_CORE_READ(task, tgid),
		.start_ticks = BPF_CORE_READ(task, group_leader, start_boottime) / PGD_TICK_NS,
		.at_ns = bpf_ktime_get_ns(),
	};

	if (bpf_ringbuf_output(&pgd_procs, &event, sizeof(event), 0))
		__sync_fetch_and_add(&pgd_procs_lost, 1);
	return 0;
}

/* Arguments: parent, child. A child without memory is a kernel thread. */
static __always_inline int proc_fork(const struct bpf_raw_tracepoint_args *args)
{
	const struct task_struct___proc *child = (const void *)args->args[1];

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid) || !BPF_CORE_READ(child, mm))
		return 0;
	return proc_say(PGD_PROC_FORK, child);
}

static __always_inline int proc_exec(const struct bpf_raw_tracepoint_args *args)
{
	return proc_say(PGD_PROC_EXEC, (const void *)args->args[0]);
}

/* Two threads that end at once may both be the last: the process is then told to be gone twice. */
static __always_inline int proc_exit(const struct bpf_raw_tracepoint_args *args)
{
	const struct task_struct___proc *task = (const void *)args->args[0];

	return BPF_CORE_READ(task, signal, live.counter) ? 0 : proc_say(PGD_PROC_EXIT, task);
}

#endif
