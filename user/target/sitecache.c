/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sitecache.c — the sites of one binary as a small text file, so that a restart needs
 *no decoding.
 *
 *	pygrowd-sites 1 <build-id> <n> <n_unplaced>
 *	<offset, hex> <kind> <register> [<disp>]        n lines; with disp: the block is in memory
 *	end
 *
 * The version goes up with the format and with any change of what `sites` finds.
 */
#include "target/sites.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fsutil.h"
#include "lib/strbuf.h"
#include "target/sites_internal.h"

#define CACHE_BYTES_MAX (1u << 20) /* SITES_MAX lines fit */

/* Ours are hex digits, or "sum-" and hex digits: nothing that could leave the directory. */
static bool is_build_id(const char *id)
{
	size_t n = strlen(id);

	if (n == 0 || n > 2 * 64 + 4)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)id[i]) && id[i] != '-')
			return false;
	return true;
}

/* ── load ─────────────────────────────────────────────────────────────────────────────────── */
static int parse_kind(const char *name, enum site_kind *ret)
{
	for (int k = 0; k < SITE_KIND_MAX; k++) {
		if (strcmp(site_kind_name((enum site_kind)k), name) != 0)
			continue;
		*ret = (enum site_kind)k;
		return 0;
	}
	return -EBADMSG;
}

static int parse_site(const char *line, struct site *ret)
{
	struct site s = { 0 };
	unsigned reg;
	char name[32];
	int n;

	n = sscanf(line, "%" SCNx64 " %31s %u %" SCNd32, &s.offset, name, &reg, &s.disp);
	if (n < 3 || reg >= PGD_REG_MAX || parse_kind(name, &s.kind) < 0)
		return -EBADMSG;
	s.reg = (uint8_t)reg;
	s.is_mem = n == 4;
	*ret = s;
	return 0;
}

/* The next line of *text, without its newline, or NULL. */
static char *next_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	*text = end + 1;
	return line;
}

static int parse_sites(char *text, size_t n, struct sites *s)
{
	const char *line;

	s->v = calloc(n ? n : 1, sizeof(*s->v));
	if (!s->v)
		return -ENOMEM;
	for (; s->n < n; s->n++) {
		line = next_line(&text);
		if (!line || parse_site(line, &s->v[s->n]) < 0)
			return -EBADMSG;
		if (s->n && s->v[s->n].offset < s->v[s->n - 1].offset)
			return -EBADMSG;
	}
	line = next_line(&text);
	return line && !strcmp(line, "end") ? 0 : -EBADMSG;
}

int sites_load(const char *state_dir, const char *build_id, struct sites *ret)
{
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	_cleanup_free_ char *text = NULL;
	struct sites s = { 0 };
	const char *head;
	char *rest, id[256];
	unsigned version;
	size_t n;
	int r;

	if (!is_build_id(build_id))
		return -EINVAL;
	strbuf_printf(&path, "%s/sites/%s", state_dir, build_id);
	if (strbuf_error(&path))
		return -ENOMEM;
	r = fsutil_file_load(path.buf, CACHE_BYTES_MAX, &text, NULL);
	if (r < 0)
		return r == -EFBIG ? -EBADMSG : r;
	rest = text;
	head = next_line(&rest);
	if (!head ||
	    sscanf(head, "pygrowd-sites %u %255s %zu %zu", &version, id, &n, &s.n_unplaced) != 4)
		return -EBADMSG;
	if (version != SITES_CACHE_VERSION || strcmp(id, build_id) != 0 || n > SITES_MAX)
		return -EBADMSG;
	r = parse_sites(rest, n, &s);
	if (r < 0) {
		sites_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

/* ── save ─────────────────────────────────────────────────────────────────────────────────── */
static void format_sites(const struct sites *s, const char *build_id, struct strbuf *b)
{
	strbuf_printf(b, "pygrowd-sites %d %s %zu %zu\n", SITES_CACHE_VERSION, build_id, s->n,
		      s->n_unplaced);
	for (size_t i = 0; i < s->n; i++) {
		const struct site *v = &s->v[i];

		strbuf_printf(b, "%" PRIx64 " %s %u", v->offset, site_kind_name(v->kind), v->reg);
		if (v->is_mem)
			strbuf_printf(b, " %" PRId32, v->disp);
		strbuf_putc(b, '\n');
	}
	strbuf_puts(b, "end\n");
}

int sites_save(const char *state_dir, const char *build_id, const struct sites *s)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	_cleanup_(strbuf_done) struct strbuf path = STRBUF_INIT;
	int r;

	if (!is_build_id(build_id))
		return -EINVAL;
	format_sites(s, build_id, &text);
	strbuf_printf(&path, "%s/sites", state_dir);
	if (strbuf_error(&path) || strbuf_error(&text))
		return -ENOMEM;
	r = fsutil_mkdir_p(path.buf, 0700);
	if (r < 0)
		return r;
	strbuf_printf(&path, "/%s", build_id);
	if (strbuf_error(&path))
		return -ENOMEM;
	return fsutil_file_save(path.buf, text.buf, text.len, 0600);
}
