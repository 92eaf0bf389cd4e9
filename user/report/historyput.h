/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/historyput.h — what the history knows of a stack or a process, as JSON. Not known:
 * null or empty, as everywhere.
 */
#ifndef USER_REPORT_HISTORYPUT_H
#define USER_REPORT_HISTORYPUT_H

#include <json-c/json.h>

#include "report/history.h"

/* { unit, comm, cmdline, python, build_id }: one that survives restarts has no PID. */
json_object *historyput_process_new(struct history *h, uint64_t process);
/* Fields blame, frames, truncated. */
void historyput_frames(json_object *o, struct history *h, uint64_t stack);
/* [ { at, step_seconds, live_bytes, live_bytes_error, peak_bytes, is_restart } ], oldest first. */
json_object *historyput_series_new(const struct history_series *s);

#endif
