/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/writer_json.c — the document as it is, for machines; indented, since people read it too.
 */
#include <errno.h>

#include "cli/writer.h"

static int json_write(FILE *out, enum writer_view view, json_object *doc,
		      const struct writer_options *o)
{
	const int flags =
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *text = json_object_to_json_string_ext(doc, flags);

	(void)view;
	(void)o;
	if (!text)
		return -ENOMEM;
	fprintf(out, "%s\n", text);
	return 0;
}

const struct writer writer_json = { .name = "json", .write = json_write };
