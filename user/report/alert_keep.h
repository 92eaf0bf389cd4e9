/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/alert_keep.h — alerts for the next daemon: what fires there is not said again. */
#ifndef USER_REPORT_ALERT_KEEP_H
#define USER_REPORT_ALERT_KEEP_H

#include "report/alert.h"

/* The list as it is now, the newest change last; the caller's. NULL: out of memory. */
json_object *alert_keep_new(const struct alerts *a);
/* Alerts of such a list, into one that has none yet: nothing is said of them. Whoever fires needs a
 * cause at the next alerts_update(). How many there are; *ret_bad grows by rows that make no sense,
 * which are left out. */
size_t alert_keep_load(struct alerts *a, json_object *list, double now_sec, uint64_t *ret_bad);
/* Another number when an alert has begun, ended, or is of another stack: worth saving then. */
uint64_t alert_keep_mark(const struct alerts *a);

#endif
