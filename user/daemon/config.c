/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/config.c — see config.h.
 *
 *   file ─► check_bytes ─► check_text ─► libconfuse ─► on_key, config_section.c ─► config
 *
 * libconfuse parses, but its scanner is lenient: what it does not know outside quotes it leaves
 * out (web* is web), "\." is ".", the environment comes in, and a comment counts as three lines
 * (3.3), which makes line numbers wrong. check_text() lets through only what has one meaning, and
 * blanks comments.
 */
#include <confuse.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "daemon/config_internal.h"
#include "lib/cleanup.h"
#include "lib/fsutil.h"

#define SUFFIX ".conf"

DEFINE_CLEANUP(cfg_t *, cfg_free)

_Static_assert(CONFIG_KEYS <= 32, "struct config_reader has a bit for each");

/* ── what libconfuse calls ────────────────────────────────────────────────────────────────── */
static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[CONFIG_MESSAGE_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	config_fail(config_reader_of(cfg), -EINVAL, cfg->line, "%.200s; " CONFIG_SEE_MANUAL, text);
}

static int on_key(cfg_t *cfg, cfg_opt_t *opt)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	const char *value = cfg_opt_getstr(opt);
	struct config_reader *r = config_reader_of(cfg);
	const struct config_key *key;
	size_t i = 0;
	int error;

	while (strcmp(config_keys[i].name, opt->name) != 0)
		i++;
	key = &config_keys[i];
	if (r->seen & 1u << i)
		return config_fail(r, -EINVAL, cfg->line, "%s: given twice in this file",
				   opt->name);
	r->seen |= 1u << i;
	error = key->set((char *)r->config + key->at, value, key->min, key->max, &why);
	if (error && key->is_secret)
		return config_fail(r, error, cfg->line, "%s: %s", opt->name, why.buf);
	if (error)
		return config_fail(r, error, cfg->line, "%s \"%.64s\": %s", opt->name, value,
				   why.buf);
	return 0;
}

/* ── one file ─────────────────────────────────────────────────────────────────────────────── */
static int check_bytes(struct config_reader *r, char *text, size_t n)
{
	int line = 1;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n')
			line++;
		else if (c == '\r' && text[i + 1] == '\n')
			text[i] = ' ';
		else if ((c < ' ' && c != '\t') || c == 0x7f)
			return config_fail(r, -EINVAL, line,
					   "a byte 0x%02x: this is not a text file", c);
	}
	return 0;
}

/* *at: from the opening quote to the closing one. */
static int check_string(struct config_reader *r, const char *text, size_t *at, int line)
{
	char quote = text[*at];

	for (size_t i = *at + 1; text[i] && text[i] != '\n'; i++) {
		if (text[i] == quote) {
			*at = i;
			return 0;
		}
		if (text[i] == '\\' && (text[i + 1] == quote || text[i + 1] == '\\'))
			i++;
		else if (quote == '"' && text[i] == '\\' && text[i + 1] && text[i + 1] != '\n')
			return config_fail(
				r, -EINVAL, line,
				"\\%c in double quotes: write \\\\ for a backslash, or use "
				"single quotes",
				text[i + 1]);
		else if (quote == '"' && text[i] == '$' && text[i + 1] == '{')
			return config_fail(
				r, -EINVAL, line,
				"${ in double quotes: the environment is not looked at; write "
				"the value, or use single quotes for these characters");
	}
	return config_fail(r, -EINVAL, line, "a %c that is not closed on its line", quote);
}

static bool is_plain(char c)
{
	return c && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			   "_-.:/%@[]={} \t\n",
			   c);
}

/* Blanks comments. libconfuse takes the end of a file for a missing brace: a file that is half
 * written would be half believed. */
static int check_text(struct config_reader *r, char *text)
{
	int error = 0, line = 1, open = 0; /* line of the last brace, 0: it is closed */

	for (size_t i = 0; text[i] && !error; i++) {
		if (text[i] == '#') {
			size_t n = strcspn(text + i, "\n");

			memset(text + i, ' ', n);
			i += n - 1;
		} else if (text[i] == '"' || text[i] == '\'') {
			error = check_string(r, text, &i, line);
		} else if (!is_plain(text[i])) {
			error = config_fail(r, -EINVAL, line,
					    "%c outside quotes: quote the whole value", text[i]);
		} else if (text[i] == '/' && text[i + 1] == '/') {
			error = config_fail(
				r, -EINVAL, line,
				"// outside quotes: comments begin with #, other text with // "
				"is to be quoted");
		}
		if (text[i] == '{' || text[i] == '}')
			open = text[i] == '{' ? line : 0;
		line += text[i] == '\n';
	}
	return open ? config_fail(r, -EINVAL, open, "a { that is not closed") : error;
}

static int parse(struct config_reader *r, const char *text)
{
	cfg_opt_t sections[RULES_KIND_MAX][CONFIG_SECTION_OPTIONS];
	cfg_opt_t opts[1 + CONFIG_KEYS + RULES_KIND_MAX + 1] = { config_self(r) };
	_cleanup_(cfg_freep) cfg_t *cfg = NULL;

	for (size_t i = 0; i < CONFIG_KEYS; i++)
		opts[1 + i] = config_option(config_keys[i].name, on_key);
	for (size_t i = 0; i < RULES_KIND_MAX; i++)
		opts[1 + CONFIG_KEYS + i] = config_section(r, i, sections[i]);
	cfg = cfg_init(opts, CFGF_NONE);
	if (!cfg)
		return config_fail(r, -ENOMEM, 0, "out of memory");
	cfg_set_error_function(cfg, on_error);
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS)
		return config_fail(r, -EINVAL, cfg->line, "not understood; " CONFIG_SEE_MANUAL);
	return 0;
}

/* A pipe would make us wait for ever. */
static bool is_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3));
}

static int read_file(struct config_reader *r, const char *path)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n;
	int error;

	r->path = path;
	r->seen = 0;
	if (stat(path, &st) < 0)
		return config_fail(r, -errno, 0, "cannot be read: %s", strerror(errno));
	if (!is_file(&st))
		return config_fail(r, -EINVAL, 0, "cannot be read: not a regular file");
	error = fsutil_file_load(path, CONFIG_FILE_BYTES_MAX, &text, &n);
	if (error == -EFBIG)
		return config_fail(r, error, 0, "longer than %u KiB; split it into drop-ins",
				   CONFIG_FILE_BYTES_MAX >> 10);
	if (error)
		return config_fail(r, error, 0, "cannot be read: %s", strerror(-error));
	error = check_bytes(r, text, n);
	if (!error)
		error = check_text(r, text);
	return error ? error : parse(r, text);
}

/* ── all files ────────────────────────────────────────────────────────────────────────────── */
static int is_dropin(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return *entry->d_name != '.' && n > strlen(SUFFIX) &&
	       strcmp(entry->d_name + n - strlen(SUFFIX), SUFFIX) == 0;
}

/* Not alphasort(3): that goes by the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_dropin(struct config_reader *r, const char *directory, const char *name)
{
	_cleanup_free_ char *path = NULL;
	int error;

	if (asprintf(&path, "%s/%s", directory, name) < 0) {
		path = NULL;
		return config_fail(r, -ENOMEM, 0, "out of memory");
	}
	error = read_file(r, path);
	r->path = directory; /* the other one ends here */
	return error;
}

static int read_dropins(struct config_reader *r, const char *directory)
{
	struct dirent **entries;
	int n, error = 0;

	r->path = directory;
	n = scandir(directory, &entries, is_dropin, by_bytes);
	if (n < 0)
		return errno == ENOENT
			       ? 0
			       : config_fail(r, -errno, 0, "cannot be read: %s", strerror(errno));
	if (n > CONFIG_DROPINS_MAX)
		error = config_fail(r, -EINVAL, 0, "more than %d files *" SUFFIX,
				    CONFIG_DROPINS_MAX);
	for (int i = 0; i < n; i++) {
		if (!error)
			error = read_dropin(r, directory, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return error;
}

static int read_all(struct config_reader *r, const char *path, bool is_named)
{
	_cleanup_free_ char *directory = NULL;
	int error;

	r->path = path;
	if (asprintf(&directory, "%s.d", path) < 0) {
		directory = NULL;
		return config_fail(r, -ENOMEM, 0, "out of memory");
	}
	if (rules_new(&r->config->rules) < 0 || policy_new(&r->config->policy) < 0)
		return config_fail(r, -ENOMEM, 0, "out of memory");
	if (is_named || access(path, F_OK) == 0 || errno != ENOENT) {
		error = read_file(r, path);
		if (error)
			return error;
	}
	return read_dropins(r, directory);
}

int config_load(const char *path, bool is_named, struct config *ret, struct strbuf *why)
{
	_cleanup_(config_done) struct config config = { 0 };
	struct config_reader r = { .config = &config, .why = why };
	int error;

	error = read_all(&r, path, is_named);
	policy_section_done(&r.section);
	if (error)
		return error;
	config_done(ret);
	*ret = config;
	config = (struct config){ 0 };
	return 0;
}

void config_done(struct config *c)
{
	free(c->socket);
	free(c->state);
	free(c->metrics);
	free(c->alert.exec);
	free(c->alert.webhook);
	free(c->alert.alertmanager);
	rules_free(c->rules);
	policy_free(c->policy);
	*c = (struct config){ 0 };
}
