/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/kernel.bpf.h — the handful of kernel types that we need, as CO-RE fragments.
 *
 * Only the fields that are read are named; libbpf finds their real offsets in the running kernel's
 * BTF. So the build machine needs no BTF and no generated vmlinux.h.
 */
#ifndef BPF_KERNEL_BPF_H
#define BPF_KERNEL_BPF_H

#include <asm-generic/errno-base.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct thread_struct {
	unsigned long fsbase; /* glibc's struct pthread of this thread */
};

struct mm_struct;

struct task_struct {
	struct thread_struct thread;
	struct mm_struct *mm;
	struct task_struct *group_leader;
	__u64 start_boottime; /* ns; /proc/PID/stat says it in ticks */
};

#pragma clang attribute pop

#endif
