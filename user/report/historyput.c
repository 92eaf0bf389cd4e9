/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/historyput.c — see historyput.h. */
#include "growth/blame.h"
#include "report/document_frame.h"
#include "report/historyput.h"
#include "report/jsonput.h"

json_object *historyput_process_new(struct history *h, uint64_t process)
{
	struct history_process p = { 0 };
	json_object *o = json_object_new_object();

	history_process_get(h, process, &p); /* not known: all are null */
	jsonput_string(o, "unit", p.unit);
	jsonput_string(o, "comm", p.comm);
	jsonput_string(o, "cmdline", p.cmdline);
	jsonput_string(o, "python", p.python);
	jsonput_string(o, "build_id", p.build_id);
	history_process_done(&p);
	return o;
}

void historyput_frames(json_object *o, struct history *h, uint64_t stack)
{
	json_object *frames = json_object_new_array();
	struct history_stack s = { .n_frames = 0 };
	int blame;

	history_stack_get(h, stack, &s);
	blame = blame_find(s.frames, s.n_frames);
	for (size_t i = 0; i < s.n_frames; i++)
		json_object_array_add(frames, document_frame_new(&s.frames[i]));
	jsonput_object(o, "blame", blame < 0 ? NULL : document_frame_new(&s.frames[blame]));
	jsonput_object(o, "frames", frames);
	jsonput_bool(o, "truncated", s.truncated);
	history_stack_done(&s);
}

json_object *historyput_series_new(const struct history_series *s)
{
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct history_point *p = &s->points[i];
		json_object *o = json_object_new_object();

		jsonput_moment(o, "at", p->time_sec);
		jsonput_count(o, "step_seconds", p->step_sec);
		jsonput_bytes(o, "live_bytes", p->live_bytes);
		jsonput_bytes(o, "live_bytes_error", p->live_error);
		jsonput_bytes(o, "peak_bytes", p->peak_bytes);
		jsonput_bool(o, "is_restart", p->is_break);
		json_object_array_add(list, o);
	}
	return list;
}
