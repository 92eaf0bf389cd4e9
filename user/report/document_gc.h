/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/document_gc.h — the collector's part of the JSON document. */
#ifndef USER_REPORT_DOCUMENT_GC_H
#define USER_REPORT_DOCUMENT_GC_H

#include <json-c/json.h>

#include "growth/snapshot.h"

json_object *document_gc_new(const struct snapshot_gc *gc); /* of a process */
json_object *document_cycles_new(const struct snapshot_cycles *c); /* of a stack */
/* For qsort() of pointers to stacks: most bytes freed by the collector first. */
int document_by_cycles(const void *a, const void *b);

#endif
