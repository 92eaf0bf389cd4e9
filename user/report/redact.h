/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/redact.h — command lines out of an answer, for those who may not see them.
 *
 * Arguments hold passwords and keys. /proc shows them to everybody on most hosts, but not with
 * hidepid, nor from within a container; a daemon that reads them as root must not undo that. So a
 * command line is its own user's, and root's. One rule for whatever document there will be, where
 * it leaves the house: who adds a command to the protocol cannot forget it.
 */
#ifndef USER_REPORT_REDACT_H
#define USER_REPORT_REDACT_H

#include <json-c/json.h>
#include <sys/types.h>

#define REDACT_DEPTH_MAX 16 /* deeper values, which no document of ours has, are nulled whole */

/* Every field "cmdline", at any depth, becomes null, unless "uid" beside it is `viewer`. */
void redact_cmdlines(json_object *document, uid_t viewer);

#endif
