/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/document_frame.c — see document_frame.h. */
#include "report/document_frame.h"
#include "report/jsonput.h"

json_object *document_frame_new(const struct snapshot_frame *f)
{
	json_object *o = json_object_new_object();

	jsonput_text(o, "function", f->function, JSONPUT_TEXT_BYTES);
	jsonput_text(o, "file", f->file, JSONPUT_TEXT_BYTES);
	jsonput_count(o, "line", f->line > 0 ? f->line : -1);
	jsonput_bool(o, "in_application", f->in_application);
	return o;
}
