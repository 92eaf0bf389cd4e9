/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/writer.h — the document, for people or for machines: the same data, two writers.
 *
 * They work on the JSON document and nothing else, so that a person cannot be told what a script
 * cannot know. pygrowctl gets it from the socket, `pygrowd --for` has made it itself.
 */
#ifndef USER_CLI_WRITER_H
#define USER_CLI_WRITER_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

enum writer_view {
	WRITER_STATUS = 0,
	WRITER_REPORT,
	WRITER_SHOW,
	WRITER_GC,
	WRITER_DIFF,
	WRITER_ALERTS,
	WRITER_VIEW_MAX
};
enum writer_by {
	WRITER_BY_LINE = 0,
	WRITER_BY_FUNCTION,
	WRITER_BY_STACK,
	WRITER_BY_MAX
};

struct writer_options {
	enum writer_by by; /* of a report */
	int columns;
	int rows; /* at most so many lines of text; -1: no limit */
	bool utf8;
	bool is_live; /* there is a daemon that can be asked for more */
};

struct writer {
	const char *name;
	int (*write)(FILE *out, enum writer_view view, json_object *doc,
		     const struct writer_options *o);
};

extern const struct writer writer_text, writer_json;

/* 100 columns, no limit of rows, by line, is_live; UTF-8 if the locale has it (after setlocale()).
 */
void writer_options_init(struct writer_options *o);
/* "line", "function" or "stack"; 0 or -EINVAL. */
int writer_by_parse(const char *s, enum writer_by *ret);
/* 0, or -errno: `out` could not take it all. */
int writer_document(const struct writer *w, FILE *out, enum writer_view view, json_object *doc,
		    const struct writer_options *o);

#endif
