/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/config_reader.c — who reads, as libconfuse's callbacks find it, and the first
 * mistake.
 *
 * libconfuse hands no userdata to its callbacks, but copies our options into each section: the
 * first option of each list is config_self().
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config_internal.h"
#include "lib/escape.h"

int config_fail(struct config_reader *r, int error, int line, const char *fmt, ...)
{
	char text[CONFIG_MESSAGE_MAX];
	va_list ap;

	if (r->error)
		return r->error;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), error == -ENOMEM ? "out of memory" : fmt, ap);
	va_end(ap);
	escape_add_bytes(r->why, r->path, strlen(r->path));
	if (line)
		strbuf_printf(r->why, ":%d", line);
	strbuf_puts(r->why, ": ");
	escape_add_bytes(r->why, text, strlen(text));
	r->error = error;
	return error;
}

struct config_reader *config_reader_of(const cfg_t *cfg)
{
	return (struct config_reader *)cfg->opts[0].simple_value.ptr;
}

cfg_opt_t config_self(struct config_reader *r)
{
	/* Nobody can set it: libconfuse does not look up an empty name. */
	return (cfg_opt_t){ .name = "", .type = CFGT_PTR, .simple_value.ptr = (void **)r };
}

cfg_opt_t config_option(const char *name, cfg_validate_callback_t on_value)
{
	return (cfg_opt_t){
		.name = name, .type = CFGT_STR, .flags = CFGF_NODEFAULT, .validcb = on_value
	};
}
