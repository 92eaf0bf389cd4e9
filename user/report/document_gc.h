/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/document_gc.h — the collector's part of the JSON document. */
#ifndef USER_REPORT_DOCUMENT_GC_H
#define USER_REPORT_DOCUMENT_GC_H

#include <json-c/json.h>

#include "growth/snapshot.h"

json_object *document_gc_new(const struct snapshot_gc *gc); /* of a process */
json_object *document_cycles_new(const struct snapshot_cycles *c); /* of a stack */
/* A list of those of these stacks whose blocks the collector has freed, most bytes first, at most
 * `limit`; *ret_is_cut: there were more. 0 or -ENOMEM. */
int document_cyclic_new(const struct snapshot_stack *const *stacks, size_t n, size_t limit,
			json_object **ret, bool *ret_is_cut);

#endif
