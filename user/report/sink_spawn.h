/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_spawn.h — start a program of the administrator's that gets nothing of ours.
 *
 * It is our user, but has no capabilities and can get none; no descriptor but stdin, stdout and
 * stderr; two variables in its environment (PATH, LC_ALL); "/" as its directory; a session and
 * process group of its own, whose number is its PID. SIGTERM when we die.
 */
#ifndef USER_REPORT_SINK_SPAWN_H
#define USER_REPORT_SINK_SPAWN_H

#include <sys/types.h>

/* argv[0] is a path; no shell and no search. `stdin_fd` is a file, `output_fd` the end of a pipe
 * that is written to; both remain the caller's.
 *
 * 0: it runs; *ret_pid and *ret_pidfd are the caller's to wait for and close. Else what failed, of
 * execve(2) for one; -EPERM: its rights cannot be taken from it. Waits until the program's file has
 * been opened, which takes a millisecond on a disk of this host, and may take long on another's. */
int sink_spawn(char *const *argv, int stdin_fd, int output_fd, pid_t *ret_pid, int *ret_pidfd);

#endif
