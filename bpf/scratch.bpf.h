/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/scratch.bpf.h — a buffer to walk a stack in, for as long as one hit lasts. */
#ifndef BPF_SCRATCH_BPF_H
#define BPF_SCRATCH_BPF_H

#include "kernel.bpf.h"
#include "maps.bpf.h"

/* Some buffer of this CPU, or NULL. The cpu cannot change under a program, the task can. */
static __always_inline struct scratch *scratch_claim(void)
{
	for (__u32 i = 0; i < SCRATCHES_MAX; i++) {
		__u32 key = i;
		struct scratch *s = bpf_map_lookup_elem(&pgd_scratch, &key);

		if (s && !__sync_lock_test_and_set(&s->claimed, 1))
			return s;
	}
	return NULL;
}

static __always_inline void scratch_release(struct scratch *s)
{
	__sync_lock_test_and_set(&s->claimed, 0);
}

/* The running thread: who is walked, into s->event. Its thread state; 0: it runs no Python. */
static __always_inline __u64 scratch_thread(struct scratch *s, const struct pgd_target *t,
					    __u32 slot)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 fs_base = task->thread.fsbase, tstate = 0;

	s->event.key.slot = slot;
	s->event.thread_id = fs_base;
	if (pywalk_top(&t->py, t->runtime, t->tss_key, fs_base, &s->walk, &tstate))
		return 0;
	return tstate;
}

/* Count what a whole walk could not see. */
static __always_inline void scratch_note(const struct scratch *s, __u32 slot)
{
	if (s->event.flags & PGD_STACK_F_TRUNCATED)
		counter_add(slot, PGD_COUNTER_STACK_TRUNCATED);
	if (s->event.flags & PGD_STACK_F_UNREADABLE)
		counter_add(slot, PGD_COUNTER_STACK_UNREADABLE);
	if (!s->event.n_frames)
		counter_add(slot, PGD_COUNTER_NO_PYTHON);
}

#endif
