/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/place.c — see place.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/field.h"
#include "cli/place.h"
#include "lib/cleanup.h"

/* The part of a path that tells files apart: below site-packages or the standard library, else its
 * last component. */
static const char *path_short(const char *file)
{
	static const char *const roots[] = { "/site-packages/", "/dist-packages/" };
	const char *p;

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		p = strstr(file, roots[i]);
		if (p)
			return p + strlen(roots[i]);
	}
	p = strstr(file, "/lib/python3");
	p = p ? strchr(p + strlen("/lib/"), '/') : NULL;
	if (p)
		return p + 1;
	p = strrchr(file, '/');
	return p && p[1] ? p + 1 : file;
}

const char *place_format(char buf[PLACE_BYTES_MAX], json_object *frame)
{
	const char *file = field_text(frame, "file"), *function = field_text(frame, "function");
	int64_t line = field_count(frame, "line");

	if (!file && !function)
		return "(no Python frame)";
	if (line > 0)
		snprintf(buf, PLACE_BYTES_MAX, "%s:%" PRId64 " %s", path_short(file ? file : "?"),
			 line, function ? function : "?");
	else
		snprintf(buf, PLACE_BYTES_MAX, "%s %s", path_short(file ? file : "?"),
			 function ? function : "?");
	return buf;
}
