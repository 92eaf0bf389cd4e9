/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/command.c — see command.h. argp parses and prints help; its own error messages are off,
 * since they take two lines and scripts are promised one.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/strbuf.h"
#include "lib/units.h"
#include "pgd_proto.h"

#define EXIT_USAGE	 2
#define PARSE_FLAGS	 (ARGP_NO_ERRS | ARGP_NO_HELP)
#define INTERVAL_SEC	 2.0
#define INTERVAL_SEC_MIN 0.2
#define LIMIT_DEFAULT	 10

DEFINE_CLEANUP(json_object *, json_object_put)

enum {
	OPTION_SOCKET = 0x100,
	OPTION_JSON,
	OPTION_VERSION,
};

struct parse {
	const struct command *table;
	size_t n_commands;
	const struct command *command; /* found, or being parsed */
	struct command_words *words;
	const char *word; /* what stands where the command's name should; NULL: nothing */
	int at; /* index of it in argv */
	bool is_said; /* what is wrong, by usage() */
};

static const struct argp_option common_options[] = {
	{ .name = "socket",
	  .key = OPTION_SOCKET,
	  .arg = "PATH",
	  .doc = "pygrowd's socket (default " PGD_SOCKET_PATH ")" },
	{ .name = "json", .key = OPTION_JSON, .doc = "print the answer as JSON" },
	{ .name = "help", .key = '?', .doc = "print this", .group = -1 },
	{ .name = "version", .key = OPTION_VERSION, .doc = "print the version", .group = -1 },
	{ 0 },
};

static int usage(struct parse *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One line, then EINVAL, which argp_parse() passes on. */
static int usage(struct parse *p, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	p->is_said = true;
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

	switch (key) {
	case OPTION_SOCKET:
		p->words->socket = arg;
		return 0;
	case OPTION_JSON:
		p->words->json = true;
		return 0;
	case OPTION_VERSION:
		printf("pygrowctl %s\n", PYGROWD_VERSION);
		exit(EXIT_SUCCESS);
	case '?':
		/* ARGP_NO_ERRS silences help too. */
		state->flags &= ~(unsigned)ARGP_NO_ERRS;
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP); /* exits */
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Last of all, if argp itself found something wrong: it has just passed it. */
static int error_say(struct parse *p, const struct argp_state *state)
{
	if (!p->is_said)
		usage(p, "'%s': no such option, or its value is missing",
		      state->argv[state->next > 0 ? state->next - 1 : 0]);
	return 0;
}

/* FROM, then TO. */
static error_t moment_parse(struct parse *p, const char *arg)
{
	struct command_words *w = p->words;

	if (w->to)
		return usage(p, "'%s': one word too many", arg);
	if (since_check(arg))
		return usage(p, "'%s': not a time (examples: -10m, 2026-03-01T12:00:00Z)", arg);
	*(w->from ? &w->to : &w->from) = arg;
	return 0;
}

static error_t command_parse(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct command_words *w = p->words;

	switch (key) {
	case 'n':
		return whole_number_parse(arg, INT64_MAX, &w->limit)
			       ? usage(p, "-n '%s': not a number of rows", arg)
			       : 0;
	case 'p':
		return whole_number_parse(arg, INT_MAX, &w->pid)
			       ? usage(p, "--pid '%s': not a process number", arg)
			       : 0;
	case COMMAND_KEY_SPLIT:
		w->is_split = true;
		return 0;
	case 's':
		w->since = arg;
		return since_check(arg) ? usage(p, "--since '%s': not a time", arg) : 0;
	case 'b':
		return writer_by_parse(arg, &w->by)
			       ? usage(p, "--by '%s': not line, function or stack", arg)
			       : 0;
	case 'i':
		return interval_parse(arg, &w->interval_sec)
			       ? usage(p, "--interval '%s': not a duration of 200ms or more", arg)
			       : 0;
	case ARGP_KEY_INIT:
		state->child_inputs[0] = p;
		return 0;
	case ARGP_KEY_ARG:
		if (p->command->takes_moments)
			return moment_parse(p, arg);
		if (!p->command->argument || w->stack)
			return usage(p, "'%s': one word too many", arg);
		w->stack = arg;
		return 0;
	case ARGP_KEY_ERROR:
		return error_say(p, state);
	case ARGP_KEY_END:
		return p->command->argument && !w->stack && !w->from
			       ? usage(p, "no %s given", p->command->argument)
			       : 0;
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
	case ARGP_KEY_ERROR:
		return error_say(p, state);
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
		strbuf_printf(&b, "  %-6s %-9s %s\n", p->table[i].name,
			      p->table[i].argument ? p->table[i].argument : "", p->table[i].help);
	strbuf_puts(&b, "Each has its own --help.");
	return strbuf_take(&b);
}

static int command_find(struct parse *p)
{
	const char *name = p->word ? p->word : p->table[0].name;

	for (size_t i = 0; i < p->n_commands; i++) {
		if (strcmp(p->table[i].name, name) == 0) {
			p->command = &p->table[i];
			return 0;
		}
	}
	return usage(p, "'%s': no such command", name);
}

/* The words before the command, and its name. */
static int program_words(struct parse *p, int argc, char **argv)
{
	const struct argp common = { .options = common_options, .parser = common_parse };
	const struct argp_child children[] = { { .argp = &common }, { 0 } };
	const struct argp argp = {
		.parser = program_parse,
		.args_doc = "[COMMAND ...]",
		.doc = "Ask the running pygrowd which Python stacks make memory grow.\v",
		.children = children,
		.help_filter = commands_help,
	};
	int r;

	r = argp_parse(&argp, argc, argv, ARGP_IN_ORDER | PARSE_FLAGS, NULL, p);
	return r ? r : command_find(p);
}

/* "-10m" is a moment, and to argp an option that it does not know: those are taken out first. */
static int moments_take(struct parse *p, int *argc, char **argv)
{
	int n = 1, r = 0;

	for (int i = 1; i < *argc && r == 0; i++) {
		if (argv[i][0] == '-' && isdigit((unsigned char)argv[i][1]))
			r = moment_parse(p, argv[i]);
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	*argc = n;
	return r;
}

/* The words after its name, which argp takes for the program's. */
static int command_words(struct parse *p, int argc, char **argv)
{
	const struct argp common = { .options = common_options, .parser = common_parse };
	const struct argp_child children[] = { { .argp = &common }, { 0 } };
	const struct argp argp = {
		.options = p->command->options,
		.parser = command_parse,
		.args_doc = p->command->argument,
		.doc = p->command->help,
		.children = children,
	};
	char *none[] = { NULL, NULL };
	char name[64];

	snprintf(name, sizeof(name), "pygrowctl %s", p->command->name);
	if (!p->word) {
		argc = 1;
		argv = none;
	} else {
		argc -= p->at;
		argv += p->at;
	}
	/* cppcheck-suppress autoVariables ; our caller does not read its argv again */
	argv[0] = name;
	if (p->command->takes_moments && moments_take(p, &argc, argv))
		return EINVAL;
	return argp_parse(&argp, argc, argv, PARSE_FLAGS, NULL, p);
}

int command_main(const struct command *table, size_t n_commands, int argc, char **argv)
{
	struct command_words words = {
		.socket = PGD_SOCKET_PATH,
		.limit = LIMIT_DEFAULT,
		.interval_sec = INTERVAL_SEC,
	};
	struct parse p = { .table = table, .n_commands = n_commands, .words = &words };

	if (program_words(&p, argc, argv) || command_words(&p, argc, argv))
		return EXIT_USAGE;
	return p.command->run(&words) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ── what the commands have in common ─────────────────────────────────────────────────────── */

static json_object *request_new(const char *name, const struct command_words *w)
{
	json_object *request = json_object_new_object();
	const struct {
		const char *key, *text;
	} moments[] = { { "since", w->since }, { "from", w->from }, { "to", w->to } };
	double sec;

	json_object_object_add(request, "command", json_object_new_string(name));
	json_object_object_add(request, "limit", json_object_new_int64(w->limit));
	if (w->pid)
		json_object_object_add(request, "pid", json_object_new_int64(w->pid));
	if (w->is_split)
		json_object_object_add(request, "split", json_object_new_boolean(true));
	if (w->stack)
		json_object_object_add(request, "stack", json_object_new_string(w->stack));
	for (size_t i = 0; i < ARRAY_SIZE(moments); i++)
		if (moments[i].text &&
		    clock_moment_parse(moments[i].text, clock_realtime_sec(), &sec) == 0)
			json_object_object_add(request, moments[i].key,
					       json_object_new_double(sec));
	return request;
}

int command_ask(const char *name, const struct command_words *w, json_object **ret,
		char why[CLIENT_WHY_BYTES])
{
	_cleanup_(json_object_putp) json_object *request = request_new(name, w);

	return client_ask(w->socket, request, ret, why);
}

static int answer_print(enum writer_view view, json_object *doc, const struct command_words *w)
{
	struct writer_options o;
	int r;

	writer_options_init(&o);
	o.by = w->by;
	r = writer_document(w->json ? &writer_json : &writer_text, stdout, view, doc, &o);
	return r < 0 ? log_err(r, "write to stdout") : 0;
}

int command_ask_and_print(const char *name, enum writer_view view, const struct command_words *w)
{
	_cleanup_(json_object_putp) json_object *doc = NULL;
	char why[CLIENT_WHY_BYTES];
	int r;

	r = command_ask(name, w, &doc, why);
	if (r < 0) {
		log_err(0, "%s", why);
		return r;
	}
	return answer_print(view, doc, w);
}
