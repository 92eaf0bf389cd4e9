/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/place.h — a place in somebody's code, in a few words. */
#ifndef USER_CLI_PLACE_H
#define USER_CLI_PLACE_H

#include <json-c/json.h>

#define PLACE_BYTES_MAX 512

/* "service.py:17 get_user", of a frame, a blame or a row. */
const char *place_format(char buf[PLACE_BYTES_MAX], json_object *frame);

#endif
