/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_title.h — the first line of a view: which pygrowd, how long, of how many, when. */
#ifndef USER_CLI_TEXT_TITLE_H
#define USER_CLI_TEXT_TITLE_H

#include <json-c/json.h>

#include "cli/page.h"

void text_title(struct page *p, json_object *doc);

#endif
