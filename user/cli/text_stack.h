/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/text_stack.h — one stack of the document in full: the view `show`. */
#ifndef USER_CLI_TEXT_STACK_H
#define USER_CLI_TEXT_STACK_H

#include <json-c/json.h>

#include "cli/page.h"

void text_stack_show(struct page *p, json_object *stack);

#endif
