/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/document_frame.c — see document_frame.h. */
#include "report/document_frame.h"
#include "report/jsonput.h"

json_object *document_frame_new(const struct snapshot_frame *f)
{
	json_object *o = json_object_new_object();

	jsonput_string(o, "function", f->function);
	jsonput_string(o, "file", f->file);
	jsonput_count(o, "line", f->line > 0 ? f->line : -1);
	jsonput_bool(o, "in_application", f->in_application);
	return o;
}
