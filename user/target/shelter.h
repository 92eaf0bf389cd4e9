/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/shelter.h — do something that SIGKILL must not interrupt.
 *
 * A process that is killed inside the system call that puts sites on, or takes them off, leaves
 * breakpoints in the target for good: the kernel cannot write to the target's text while SIGKILL is
 * pending ("leaking uprobe" in its log). So another process does it, in a session of its own, where
 * no signal of ours reaches it; it shares memory and descriptors with us, and we wait for it as
 * after vfork(). If we are killed meanwhile it finishes, and what it has attached is closed when it
 * ends, since nobody else has the table of descriptors any more.
 */
#ifndef USER_TARGET_SHELTER_H
#define USER_TARGET_SHELTER_H

/* Returns what work() does; called directly if no process can be made. Not for two threads at once:
 * work() runs as the calling thread. */
int shelter_run(int (*work)(void *userdata), void *userdata);

#endif
