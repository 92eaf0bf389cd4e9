/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/alert_log.h — an alert as one message of ours, with fields for the journal.
 *
 *	MESSAGE_ID		LOG_ID_ALERT_FIRES or LOG_ID_ALERT_RESOLVED
 *	PYGROWD_PID		one of its processes
 *	PYGROWD_ALERT		its id, the same when it fires again
 *	PYGROWD_STACK		of the stack that grows fastest
 *	PYGROWD_FUNCTION, _FILE, _LINE, _UNIT	as in the message
 *	PYGROWD_GROWTH		bytes a second
 * A field that is not known is absent.
 */
#ifndef USER_REPORT_ALERT_LOG_H
#define USER_REPORT_ALERT_LOG_H

#include "report/alert.h"

void alert_log(const struct alert *a, double now_sec);

#endif
