/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_alert.h — the alerts of the document in words: the view `alerts`. */
#ifndef USER_CLI_TEXT_ALERT_H
#define USER_CLI_TEXT_ALERT_H

#include <json-c/json.h>

#include "cli/page.h"

void text_alert_list(struct page *p, json_object *doc);
/* One line for other views, if something fires. */
void text_alert_note(struct page *p, json_object *doc);

#endif
