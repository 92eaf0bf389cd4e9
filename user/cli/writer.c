/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/writer.c — see writer.h. */
#include <errno.h>
#include <langinfo.h>
#include <string.h>

#include "cli/page.h"
#include "cli/writer.h"

static const char *const by_names[] = {
	[WRITER_BY_LINE] = "line",
	[WRITER_BY_FUNCTION] = "function",
	[WRITER_BY_STACK] = "stack",
};
_Static_assert(sizeof(by_names) / sizeof(by_names[0]) == WRITER_BY_MAX, "every one has a name");

void writer_options_init(struct writer_options *o)
{
	*o = (struct writer_options){
		.by = WRITER_BY_LINE,
		.columns = PAGE_COLUMNS,
		.rows = -1,
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.is_live = true,
	};
}

int writer_by_parse(const char *s, enum writer_by *ret)
{
	for (int i = 0; i < WRITER_BY_MAX; i++) {
		if (strcmp(by_names[i], s) == 0) {
			*ret = (enum writer_by)i;
			return 0;
		}
	}
	return -EINVAL;
}

int writer_document(const struct writer *w, FILE *out, enum writer_view view, json_object *doc,
		    const struct writer_options *o)
{
	int r;

	r = w->write(out, view, doc, o);
	if (r < 0)
		return r;
	errno = 0;
	if (fflush(out) != 0 || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
