/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_alertmanager.h — an alert of ours as one of Alertmanager's API v2.
 *
 * Pure. Alertmanager tells alerts apart by their labels, all of them: firing and resolved must have
 * the same ones. So labels say what the alert is about (host, id, unit, blame frame), annotations
 * what is known of it now. What is not known has no label.
 */
#ifndef USER_REPORT_SINK_ALERTMANAGER_H
#define USER_REPORT_SINK_ALERTMANAGER_H

#include <json-c/json.h>

#define SINK_ALERTMANAGER_NAME	      "PygrowdStackGrows"
#define SINK_ALERTMANAGER_LABEL_BYTES 256 /* as in /metrics */

/* { labels, annotations, startsAt }, and endsAt if it is resolved; the caller's. NULL: out of
 * memory. `host` is the label "instance"; `now_sec` is Unix time. */
json_object *sink_alertmanager_new(json_object *alert, const char *host, double now_sec);

#endif
