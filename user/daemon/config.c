/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/config.c — see config.h.
 *
 *   file ─► check_bytes ─► check_text ─► libconfuse ─► on_key, on_rule_key, on_section ─► config
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
#include "lib/escape.h"
#include "lib/fsutil.h"

#define MESSAGE_MAX 512 /* longer ones are cut */
#define SUFFIX	    ".conf"
#define SEE_MANUAL  "pygrowd.conf(5) has the syntax and all keys"

DEFINE_CLEANUP(cfg_t *, cfg_free)

_Static_assert(CONFIG_KEYS <= 32, "struct reader has a bit for each");

struct reader {
	struct config *config; /* is made here */
	const char *path; /* of the file that is read now */
	unsigned int seen; /* keys of this file: bits by their index in config_keys */
	struct rule *rule; /* of the section that is read now */
	struct strbuf *why;
	int error; /* the first one; its words are in `why` */
};

/* ── errors: one line, the first one counts ───────────────────────────────────────────────── */
/* line: 0 if it is about the file. The text may hold anything that was in the file; of -ENOMEM
 * there is no more to say. */
__attribute__((format(printf, 4, 5))) static int fail(struct reader *r, int error, int line,
						      const char *fmt, ...)
{
	char text[MESSAGE_MAX];
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

/* libconfuse hands no userdata to its callbacks, but copies our options into each section. */
static struct reader *reader_of(const cfg_t *cfg)
{
	return (struct reader *)cfg->opts[0].simple_value.ptr;
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[MESSAGE_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	fail(reader_of(cfg), -EINVAL, cfg->line, "%.200s; " SEE_MANUAL, text);
}

/* ── what libconfuse calls ────────────────────────────────────────────────────────────────── */
static int on_key(cfg_t *cfg, cfg_opt_t *opt)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	const char *value = cfg_opt_getstr(opt);
	struct reader *r = reader_of(cfg);
	const struct config_key *key;
	size_t i = 0;
	int error;

	while (strcmp(config_keys[i].name, opt->name) != 0)
		i++;
	key = &config_keys[i];
	if (r->seen & 1u << i)
		return fail(r, -EINVAL, cfg->line, "%s: given twice in this file", opt->name);
	r->seen |= 1u << i;
	error = key->set((char *)r->config + key->at, value, key->min, key->max, &why);
	if (error && key->is_secret)
		return fail(r, error, cfg->line, "%s: %s", opt->name, why.buf);
	if (error)
		return fail(r, error, cfg->line, "%s \"%.64s\": %s", opt->name, value, why.buf);
	return 0;
}

static int rule_begin(struct reader *r, const cfg_t *section)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	enum rules_kind kind = strcmp(section->name, rules_kind_name(RULES_INCLUDE)) == 0
				       ? RULES_INCLUDE
				       : RULES_EXCLUDE;
	int error;

	if (r->rule)
		return 0;
	error = rule_new(kind, section->title, &r->rule, &why);
	if (error)
		return fail(r, error, section->line, "%s \"%.64s\": %s", section->name,
			    section->title, why.buf);
	return 0;
}

static int on_rule_key(cfg_t *cfg, cfg_opt_t *opt)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;
	const char *value = cfg_opt_getstr(opt);
	struct reader *r = reader_of(cfg);
	size_t key = 0;
	int error;

	/* "include|comm" = x: libconfuse's way into a section that is closed. */
	if (!cfg->title)
		return fail(r, -EINVAL, cfg->line, "%s: not in a section; " SEE_MANUAL, opt->name);
	error = rule_begin(r, cfg);
	if (error)
		return error;
	while (strcmp(rules_key_name(key), opt->name) != 0)
		key++;
	error = rule_set(r->rule, key, value, &why);
	if (error)
		return fail(r, error, cfg->line, "%s %s: %s \"%.64s\": %s", cfg->name, cfg->title,
			    opt->name, value, why.buf);
	return 0;
}

/* Its closing brace. */
static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	const cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	struct reader *r = reader_of(cfg);
	int error = rule_begin(r, section);

	if (error)
		return error;
	error = rules_put(r->config->rules, r->rule);
	if (error == -EINVAL)
		return fail(r, error, cfg->line,
			    "%s %s: without a condition it is every process; give it one",
			    section->name, section->title);
	if (error)
		return fail(r, -EINVAL, cfg->line,
			    "%s %s: more than %d include and exclude sections", section->name,
			    section->title, RULES_MAX);
	r->rule = NULL;
	return 0;
}

/* ── one file ─────────────────────────────────────────────────────────────────────────────── */
static int check_bytes(struct reader *r, char *text, size_t n)
{
	int line = 1;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n')
			line++;
		else if (c == '\r' && text[i + 1] == '\n')
			text[i] = ' ';
		else if ((c < ' ' && c != '\t') || c == 0x7f)
			return fail(r, -EINVAL, line, "a byte 0x%02x: this is not a text file", c);
	}
	return 0;
}

/* *at: from the opening quote to the closing one. */
static int check_string(struct reader *r, const char *text, size_t *at, int line)
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
			return fail(r, -EINVAL, line,
				    "\\%c in double quotes: write \\\\ for a backslash, or use "
				    "single quotes",
				    text[i + 1]);
		else if (quote == '"' && text[i] == '$' && text[i + 1] == '{')
			return fail(r, -EINVAL, line,
				    "${ in double quotes: the environment is not looked at; write "
				    "the value, or use single quotes for these characters");
	}
	return fail(r, -EINVAL, line, "a %c that is not closed on its line", quote);
}

static bool is_plain(char c)
{
	return c && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			   "_-.:/%@[]={} \t\n",
			   c);
}

/* Blanks comments. libconfuse takes the end of a file for a missing brace: a file that is half
 * written would be half believed. */
static int check_text(struct reader *r, char *text)
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
			error = fail(r, -EINVAL, line, "%c outside quotes: quote the whole value",
				     text[i]);
		} else if (text[i] == '/' && text[i + 1] == '/') {
			error = fail(r, -EINVAL, line,
				     "// outside quotes: comments begin with #, other text with // "
				     "is to be quoted");
		}
		if (text[i] == '{' || text[i] == '}')
			open = text[i] == '{' ? line : 0;
		line += text[i] == '\n';
	}
	return open ? fail(r, -EINVAL, open, "a { that is not closed") : error;
}

static cfg_opt_t option(const char *name, cfg_validate_callback_t on_value)
{
	return (cfg_opt_t){
		.name = name, .type = CFGT_STR, .flags = CFGF_NODEFAULT, .validcb = on_value
	};
}

static int parse(struct reader *r, const char *text)
{
	/* For reader_of(). Nobody can set it: libconfuse does not look up an empty name. */
	const cfg_opt_t self = { .name = "", .type = CFGT_PTR, .simple_value.ptr = (void **)r };
	cfg_opt_t rule_opts[1 + RULES_KEY_MAX + 1] = { self };
	cfg_opt_t opts[1 + CONFIG_KEYS + RULES_KIND_MAX + 1] = { self };
	_cleanup_(cfg_freep) cfg_t *cfg = NULL;

	for (size_t i = 0; i < RULES_KEY_MAX; i++)
		rule_opts[1 + i] = option(rules_key_name(i), on_rule_key);
	for (size_t i = 0; i < CONFIG_KEYS; i++)
		opts[1 + i] = option(config_keys[i].name, on_key);
	for (size_t i = 0; i < RULES_KIND_MAX; i++)
		opts[1 + CONFIG_KEYS + i] = (cfg_opt_t){
			.name = rules_kind_name(i),
			.type = CFGT_SEC,
			.flags = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES,
			.subopts = rule_opts,
			.validcb = on_section,
		};
	cfg = cfg_init(opts, CFGF_NONE);
	if (!cfg)
		return fail(r, -ENOMEM, 0, "out of memory");
	cfg_set_error_function(cfg, on_error);
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS)
		return fail(r, -EINVAL, cfg->line, "not understood; " SEE_MANUAL);
	return 0;
}

/* A pipe would make us wait for ever. */
static bool is_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3));
}

static int read_file(struct reader *r, const char *path)
{
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n;
	int error;

	r->path = path;
	r->seen = 0;
	if (stat(path, &st) < 0)
		return fail(r, -errno, 0, "cannot be read: %s", strerror(errno));
	if (!is_file(&st))
		return fail(r, -EINVAL, 0, "cannot be read: not a regular file");
	error = fsutil_file_load(path, CONFIG_FILE_BYTES_MAX, &text, &n);
	if (error == -EFBIG)
		return fail(r, error, 0, "longer than %u KiB; split it into drop-ins",
			    CONFIG_FILE_BYTES_MAX >> 10);
	if (error)
		return fail(r, error, 0, "cannot be read: %s", strerror(-error));
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

static int read_dropin(struct reader *r, const char *directory, const char *name)
{
	_cleanup_free_ char *path = NULL;
	int error;

	if (asprintf(&path, "%s/%s", directory, name) < 0) {
		path = NULL;
		return fail(r, -ENOMEM, 0, "out of memory");
	}
	error = read_file(r, path);
	r->path = directory; /* the other one ends here */
	return error;
}

static int read_dropins(struct reader *r, const char *directory)
{
	struct dirent **entries;
	int n, error = 0;

	r->path = directory;
	n = scandir(directory, &entries, is_dropin, by_bytes);
	if (n < 0)
		return errno == ENOENT ? 0
				       : fail(r, -errno, 0, "cannot be read: %s", strerror(errno));
	if (n > CONFIG_DROPINS_MAX)
		error = fail(r, -EINVAL, 0, "more than %d files *" SUFFIX, CONFIG_DROPINS_MAX);
	for (int i = 0; i < n; i++) {
		if (!error)
			error = read_dropin(r, directory, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return error;
}

static int read_all(struct reader *r, const char *path, bool is_named)
{
	_cleanup_free_ char *directory = NULL;
	int error;

	r->path = path;
	if (asprintf(&directory, "%s.d", path) < 0) {
		directory = NULL;
		return fail(r, -ENOMEM, 0, "out of memory");
	}
	if (rules_new(&r->config->rules) < 0)
		return fail(r, -ENOMEM, 0, "out of memory");
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
	struct reader r = { .config = &config, .why = why };
	int error;

	error = read_all(&r, path, is_named);
	rule_free(r.rule);
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
	*c = (struct config){ 0 };
}
