/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_exec.h — an alert's own program: JSON on stdin, a time limit, no shell.
 *
 *   sink_send ─► queue ─► start (sink_spawn.h) ─► exit status 0: sent, another: failed
 *                                │
 *                                ├ time limit: SIGTERM to its group, later SIGKILL: timed out
 *                                └ ends: what it has left running in its group is killed
 *
 * Standard input is a file with the alert's JSON and a line feed: it may read it or not. What it
 * writes (stdout, stderr) goes to our log when it has ended, SINK_EXEC_KEPT_BYTES of it, escaped;
 * the rest is read and dropped, and after SINK_EXEC_OUTPUT_BYTES_MAX nobody reads any more
 * (SIGPIPE). A program that wants something to go on after it hands it to another service, or takes
 * it into a session of its own: setsid(2) is not pursued.
 */
#ifndef USER_REPORT_SINK_EXEC_H
#define USER_REPORT_SINK_EXEC_H

#include <systemd/sd-event.h>

#include "lib/strbuf.h"
#include "report/sink.h"

#define SINK_EXEC_LIMIT_MS	   30000
#define SINK_EXEC_KILL_MS	   5000 /* from SIGTERM to SIGKILL */
#define SINK_EXEC_CLOSE_MS	   2000
#define SINK_EXEC_AT_ONCE	   2
#define SINK_EXEC_QUEUE_MAX	   64 /* alerts that wait for one of them to end; the oldest goes */
#define SINK_EXEC_KEPT_BYTES	   4096
#define SINK_EXEC_OUTPUT_BYTES_MAX (16u << 20)

struct sink_exec_options {
	char *const *argv; /* program and arguments, NULL at the end; copied */
	uint64_t limit_ms, kill_ms, close_ms;
	size_t at_once, queue_max; /* at least 1 */
};

#define SINK_EXEC_OPTIONS_INIT                                                \
	{                                                                     \
		.limit_ms = SINK_EXEC_LIMIT_MS, .kill_ms = SINK_EXEC_KILL_MS, \
		.close_ms = SINK_EXEC_CLOSE_MS, .at_once = SINK_EXEC_AT_ONCE, \
		.queue_max = SINK_EXEC_QUEUE_MAX                              \
	}

/* Could argv be started? 0; else one sentence in *why: -EINVAL: it is not an absolute path;
 * -ENOENT, -EACCES (not executable, or no file) and what else access(2) says. */
int sink_exec_check(char *const *argv, struct strbuf *why);
/* Errors are those of sink_exec_check(), and -ENOMEM; *ret is untouched then. SIGPIPE and SIGCHLD
 * are left alone; nobody else may wait for any child (waitpid(-1)). */
int sink_exec_open(sd_event *event, const struct sink_exec_options *o, struct sink **ret,
		   struct strbuf *why);

#endif
