/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/command.c — see command.h. argp parses and prints help; its own error messages are off,
 * since they take two lines and scripts are promised one.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "lib/units.h"
#include "pgd_proto.h"

#define EXIT_USAGE	 2
#define INTERVAL_SEC	 2.0
#define INTERVAL_SEC_MIN 0.2
#define LIMIT_DEFAULT	 10

enum { OPTION_SOCKET = 0x100, OPTION_JSON };

struct parse {
	const struct command *table;
	size_t n_commands;
	const struct command *command; /* found, or being parsed */
	struct command_words *words;
	const char *word; /* what stands where the command's name should */
	int at;		  /* index of it in argv */
};

static const struct argp_option common_options[] = {
	{ .name = "socket", .key = OPTION_SOCKET, .arg = "PATH",
	  .doc = "pygrowd's socket (default " PGD_SOCKET_PATH ")" },
	{ .name = "json", .key = OPTION_JSON, .doc = "print the answer as JSON" },
	{ 0 },
};

static int usage(const struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One line, then EINVAL, which argp_parse() passes on. */
static int usage(const struct parse *p, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_err(0, "%s; see pygrowctl %s%s--help", text, p->command ? p->command->name : "",
		p->command ? " " : "");
	return EINVAL;
}

static int whole_number_parse(const char *s, int64_t max, int64_t *ret)
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || value < 1 || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int since_check(const char *s)
{
	double sec;

	return clock_moment_parse(s, clock_realtime_sec(), &sec);
}

static int interval_parse(const char *s, double *ret)
{
	double sec;

	if (units_duration_parse(s, &sec) < 0 || sec < INTERVAL_SEC_MIN)
		return -EINVAL;
	*ret = sec;
	return 0;
}

static error_t common_parse(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;

	if (key == OPTION_SOCKET)
		p->words->socket = arg;
	else if (key == OPTION_JSON)
		p->words->json = true;
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static error_t command_parse(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct command_words *w = p->words;

	switch (key) {
	case 'n':
		return whole_number_parse(arg, INT64_MAX, &w->limit) ?
			       usage(p, "-n '%s': not a number of rows", arg) :
			       0;
	case 'p':
		return whole_number_parse(arg, INT_MAX, &w->pid) ?
			       usage(p, "--pid '%s': not a process number", arg) :
			       0;
	case 's':
		w->since = arg;
		return since_check(arg) ? usage(p, "--since '%s': not a time", arg) : 0;
	case 'b':
		return writer_by_parse(arg, &w->by) ?
			       usage(p, "--by '%s': not line, function or stack", arg) :
			       0;
	case 'i':
		return interval_parse(arg, &w->interval_sec) ?
			       usage(p, "--interval '%s': not a duration of 200ms or more", arg) :
			       0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = p;
		return 0;
	case ARGP_KEY_ARG:
		if (!p->command->argument || w->stack)
			return usage(p, "'%s': one word too many", arg);
		w->stack = arg;
		return 0;
	case ARGP_KEY_END:
		return p->command->argument && !w->stack ?
			       usage(p, "no %s given", p->command->argument) :
			       0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t program_parse(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = p;
		return 0;
	case ARGP_KEY_ARG:
		/* The rest is the command's. */
		p->word = arg;
		p->at = state->next - 1;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* argp's hook for the text after the options; the caller frees it. */
static char *commands_help(int key, const char *text, void *input)
{
	struct parse *p = input;
	struct strbuf b = STRBUF_INIT;

	if (key != ARGP_KEY_HELP_POST_DOC || !p)
		return (char *)text;
	strbuf_puts(&b, "Commands:\n");
	for (size_t i = 0; i < p->n_commands; i++)
		strbuf_printf(&b, "  %-6s %-6s %s\n", p->table[i].name,
			      p->table[i].argument ? p->table[i].argument : "", p->table[i].help);
	strbuf_puts(&b, "Each has its own --help.");
	return strbuf_take(&b);
}

/* argp has stopped at argv[at] without a word of ours: an unknown option, or one without value. */
static int parse_words(struct parse *p, const struct argp *argp, unsigned flags, int argc,
		       char **argv)
{
	bool was_said;
	int at = 0, r;

	(void)was_said;
	r = argp_parse(argp, argc, argv, flags | ARGP_NO_ERRS, &at, p);
	return r;
}

static int find(struct parse *p)
{
	const char *name = p->word ? p->word : p->table[0].name;

	for (size_t i = 0; i < p->n_commands; i++) {
		if (strcmp(p->table[i].name, name) == 0) {
			p->command = &p->table[i];
			return 0;
		}
	}
	return -usage(p, "'%s': no such command", name);
}
