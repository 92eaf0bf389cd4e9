/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/options.c — see options.h. Parsing and --help by argp(3). */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/options.h"
#include "lib/log.h"
#include "lib/units.h"
#include "pgd_proto.h"

#define EXIT_USAGE	      2
/* Shorter intervals measure us, longer ones are no "rate" any more. */
#define INTERVAL_SEC_MIN      0.1
#define INTERVAL_SEC_MAX      3600.0
/* Less than that sees nothing, more is no budget. */
#define OVERHEAD_MIN	      0.0001
#define OVERHEAD_MAX	      0.5
#define HOST_OVERHEAD_MAX     1.0
/* A look of some seconds wants points enough for a rate. */
#define LOOK_POINTS	      20
#define LOOK_INTERVAL_SEC_MAX 1.0

const char *argp_program_version = "pygrowd " PYGROWD_VERSION;

enum {
	OPT_INTERVAL = 256,
	OPT_EXACT,
	OPT_OVERHEAD,
	OPT_HOST_OVERHEAD,
	OPT_FOR,
	OPT_JSON,
	OPT_SOCKET,
	OPT_STATE,
	OPT_CHECK
};

static const struct argp_option table[] = {
	{ "pid", 'p', "PID", 0, "watch this process; can be given more than once", 0 },
	{ "overhead", OPT_OVERHEAD, "SHARE", 0,
	  "what watching may cost a process, of the CPU time it uses (1%)", 0 },
	{ "host-overhead", OPT_HOST_OVERHEAD, "SHARE", 0,
	  "what watching may cost all processes together, of one core (10%)", 0 },
	{ "exact", OPT_EXACT, NULL, 0,
	  "no budget, follow every allocation: exact figures, but an allocation-heavy process runs "
	  "many times slower meanwhile",
	  0 },
	{ "for", OPT_FOR, "DURATION", 0,
	  "run that long in the foreground (20s, 5m), print the report on stdout and exit", 0 },
	{ "json", OPT_JSON, NULL, 0, "with --for: print the report as JSON", 0 },
	{ "interval", OPT_INTERVAL, "DURATION", 0, "time between two points of a series (10s)", 0 },
	{ "socket", OPT_SOCKET, "PATH", 0, "where pygrowctl asks (" PGD_SOCKET_PATH ")", 0 },
	{ "state", OPT_STATE, "DIR", 0, "where sites found are kept (" OPTIONS_STATE ")", 0 },
	{ "check", OPT_CHECK, NULL, 0,
	  "test kernel, capabilities and the processes given, say what is missing, and exit", 0 },
	{ "verbose", 'v', NULL, 0, "say more; twice: also what libbpf says", 0 },
	{ 0 },
};

static double parse_duration(struct argp_state *state, const char *name, const char *text,
			     double min_sec, double max_sec)
{
	double sec;

	if (units_duration_parse(text, &sec) < 0 || sec < min_sec || sec > max_sec)
		argp_failure(
			state, EXIT_USAGE, 0,
			"--%s %s: not a duration between %g s and %g s (examples: 500ms, 20s, 5m)",
			name, text, min_sec, max_sec);
	return sec;
}

static double parse_share(struct argp_state *state, const char *name, const char *text, double max)
{
	double share;

	if (units_share_parse(text, &share) < 0 || share < OVERHEAD_MIN || share > max)
		argp_failure(state, EXIT_USAGE, 0,
			     "--%s %s: not a share between %g%% and %g%% (examples: 1%%, 0.5%%)",
			     name, text, OVERHEAD_MIN * 100, max * 100);
	return share;
}

static void parse_pid(struct argp_state *state, struct options *o, const char *text)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || end == text || *end || pid < 1 || pid > INT_MAX)
		argp_failure(state, EXIT_USAGE, 0, "-p %s: not a process ID", text);
	if (o->n_pids == OPTIONS_PIDS_MAX)
		argp_failure(state, EXIT_USAGE, 0, "-p %s: more than %d processes", text,
			     OPTIONS_PIDS_MAX);
	for (size_t i = 0; i < o->n_pids; i++)
		if (o->pids[i] == (pid_t)pid)
			return;
	o->pids[o->n_pids++] = (pid_t)pid;
}

/* 0: not given. */
static void check_budget(struct argp_state *state, struct options *o)
{
	if (o->exact && (o->overhead > 0 || o->host_overhead > 0))
		argp_failure(state, EXIT_USAGE, 0,
			     "--exact has no budget: leave it out to stay under --%soverhead",
			     o->overhead > 0 ? "" : "host-");
	if (o->overhead <= 0)
		o->overhead = OPTIONS_OVERHEAD;
	if (o->host_overhead <= 0)
		o->host_overhead = OPTIONS_HOST_OVERHEAD;
}

/* What only shows when all options are known. */
static void check_all(struct argp_state *state, struct options *o)
{
	check_budget(state, o);
	if (o->check)
		return;
	if (!o->n_pids)
		argp_failure(state, EXIT_USAGE, 0, "no process given: name one with -p PID");
	if (o->json && o->for_sec <= 0)
		argp_failure(state, EXIT_USAGE, 0,
			     "--json goes with --for; ask a running pygrowd by `pygrowctl "
			     "--json report`");
	if (o->interval_sec <= 0) {
		o->interval_sec = OPTIONS_INTERVAL_SEC;
		if (o->for_sec > 0)
			o->interval_sec = o->for_sec / LOOK_POINTS < LOOK_INTERVAL_SEC_MAX
						  ? o->for_sec / LOOK_POINTS
						  : LOOK_INTERVAL_SEC_MAX;
		if (o->interval_sec < INTERVAL_SEC_MIN)
			o->interval_sec = INTERVAL_SEC_MIN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'p':
		parse_pid(state, o, arg);
		return 0;
	case 'v':
		log_set_level(log_level_get() == LOG_LEVEL_WARN ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG);
		return 0;
	case OPT_EXACT:
		o->exact = true;
		return 0;
	case OPT_OVERHEAD:
		o->overhead = parse_share(state, "overhead", arg, OVERHEAD_MAX);
		return 0;
	case OPT_HOST_OVERHEAD:
		o->host_overhead = parse_share(state, "host-overhead", arg, HOST_OVERHEAD_MAX);
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_CHECK:
		o->check = true;
		return 0;
	case OPT_FOR:
		o->for_sec = parse_duration(state, "for", arg, INTERVAL_SEC_MIN, 86400 * 366.0);
		return 0;
	case OPT_INTERVAL:
		o->interval_sec =
			parse_duration(state, "interval", arg, INTERVAL_SEC_MIN, INTERVAL_SEC_MAX);
		return 0;
	case OPT_SOCKET:
		o->socket = arg;
		return 0;
	case OPT_STATE:
		o->state = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_failure(state, EXIT_USAGE, 0, "%s: unexpected argument", arg);
		return 0;
	case ARGP_KEY_END:
		check_all(state, o);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	static const struct argp argp = {
		.options = table,
		.parser = parse,
		.doc = "Watch running CPython processes and name the Python stacks that make "
		       "memory "
		       "grow.\vExample: pygrowd -p 4711 --for 60s",
	};

	argp_err_exit_status = EXIT_USAGE;
	*o = (struct options){ .socket = PGD_SOCKET_PATH, .state = OPTIONS_STATE };
	argp_parse(&argp, argc, argv, 0, NULL, o);
}
