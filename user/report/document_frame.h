/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/document_frame.h — a frame, as every document has it. */
#ifndef USER_REPORT_DOCUMENT_FRAME_H
#define USER_REPORT_DOCUMENT_FRAME_H

#include <json-c/json.h>

#include "growth/snapshot.h"

json_object *document_frame_new(const struct snapshot_frame *f);

#endif
