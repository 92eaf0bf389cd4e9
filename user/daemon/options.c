/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/options.c — see options.h. Parsing and --help by argp(3). */
#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/options.h"
#include "lib/log.h"
#include "lib/units.h"
#include "pgd_proto.h"
#include "report/metrics_http.h"

#define EXIT_USAGE	      2
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
	OPT_CHECK,
	OPT_MATCH,
	OPT_METRICS
};

static const struct argp_option table[] = {
	{ "pid", 'p', "PID", 0,
	  "watch this process; can be given more than once (without: every CPython process that "
	  "the config lets in)",
	  0 },
	{ "match", OPT_MATCH, "REGEX", 0,
	  "watch the CPython processes whose command line matches, now and later, in place of the "
	  "config's rules",
	  0 },
	{ "config", 'c', "FILE", 0, "read this file and FILE.d/*.conf (" CONFIG_PATH ")", 0 },
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
	{ "state", OPT_STATE, "DIR", 0,
	  "where histories are kept, and sites that were found (" OPTIONS_STATE ")", 0 },
	{ "metrics", OPT_METRICS, "ADDR:PORT|off", 0,
	  "where Prometheus asks (" METRICS_HTTP_ADDRESS "; off with -p)", 0 },
	{ "check", OPT_CHECK, NULL, 0,
	  "test config, kernel, capabilities, socket, directories and processes; say what is "
	  "missing "
	  "and how to mend it, and exit",
	  0 },
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

	if (units_share_parse(text, &share) < 0 || share < CONFIG_OVERHEAD_MIN || share > max)
		argp_failure(state, EXIT_USAGE, 0,
			     "--%s %s: not a share between %g%% and %g%% (examples: 1%%, 0.5%%)",
			     name, text, CONFIG_OVERHEAD_MIN * 100, max * 100);
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

static void check_match(struct argp_state *state, const char *match)
{
	_cleanup_(rules_freep) struct rules *rules = NULL;
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

	if (options_match_rules(match, &rules, &why) < 0)
		argp_failure(state, EXIT_USAGE, 0, "%s", why.buf);
}

static void check_metrics(struct argp_state *state, const char *address)
{
	_cleanup_(strbuf_done) struct strbuf why = STRBUF_INIT;

	if (metrics_http_check(address, &why) < 0)
		argp_failure(state, EXIT_USAGE, 0, "--metrics: %s", why.buf);
}

static void check_budget(struct argp_state *state, const struct options *o)
{
	if (o->exact && (o->overhead > 0 || o->host_overhead > 0))
		argp_failure(state, EXIT_USAGE, 0,
			     "--exact has no budget: leave it out to stay under --%soverhead",
			     o->overhead > 0 ? "" : "host-");
}

/* What only shows when all options are known. */
static void check_all(struct argp_state *state, const struct options *o)
{
	check_budget(state, o);
	if (o->check)
		return;
	if (o->n_pids && o->match)
		argp_failure(state, EXIT_USAGE, 0,
			     "-p names processes, --match chooses among all: give one of them");
	if (!o->n_pids && o->exact)
		argp_failure(state, EXIT_USAGE, 0,
			     "--exact costs whom it watches much: name a process with -p PID");
	if (o->json && o->for_sec <= 0)
		argp_failure(state, EXIT_USAGE, 0,
			     "--json goes with --for; ask a running pygrowd by `pygrowctl "
			     "--json report`");
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
		o->overhead = parse_share(state, "overhead", arg, CONFIG_OVERHEAD_MAX);
		return 0;
	case OPT_HOST_OVERHEAD:
		o->host_overhead =
			parse_share(state, "host-overhead", arg, CONFIG_HOST_OVERHEAD_MAX);
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_CHECK:
		o->check = true;
		return 0;
	case OPT_FOR:
		o->for_sec =
			parse_duration(state, "for", arg, CONFIG_INTERVAL_SEC_MIN, 86400 * 366.0);
		return 0;
	case OPT_INTERVAL:
		o->interval_sec = parse_duration(state, "interval", arg, CONFIG_INTERVAL_SEC_MIN,
						 CONFIG_INTERVAL_SEC_MAX);
		return 0;
	case 'c':
		o->config = arg;
		return 0;
	case OPT_MATCH:
		check_match(state, arg);
		o->match = arg;
		return 0;
	case OPT_METRICS:
		check_metrics(state, arg);
		o->metrics = arg;
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
	*o = (struct options){ 0 };
	argp_parse(&argp, argc, argv, 0, NULL, o);
}

/* The first that is not 0. */
static double first_of(double a, double b, double c)
{
	return a > 0 ? a : b > 0 ? b : c;
}

static const char *first_text(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

static double look_interval_sec(double for_sec)
{
	return fmax(fmin(for_sec / LOOK_POINTS, LOOK_INTERVAL_SEC_MAX), CONFIG_INTERVAL_SEC_MIN);
}

void options_settle(struct options *o, const struct options *flags, const struct config *config)
{
	*o = *flags;
	o->overhead = first_of(flags->overhead, config->overhead, OPTIONS_OVERHEAD);
	o->host_overhead =
		first_of(flags->host_overhead, config->host_overhead, OPTIONS_HOST_OVERHEAD);
	o->interval_sec =
		first_of(flags->interval_sec, config->interval_sec,
			 o->for_sec > 0 ? look_interval_sec(o->for_sec) : OPTIONS_INTERVAL_SEC);
	o->socket = first_text(flags->socket, config->socket, PGD_SOCKET_PATH);
	o->state = first_text(flags->state, config->state, OPTIONS_STATE);
	/* Who names processes looks at them: nobody scrapes that. */
	o->metrics = first_text(flags->metrics, config->metrics,
				o->n_pids ? "off" : METRICS_HTTP_ADDRESS);
}

int options_match_rules(const char *match, struct rules **ret, struct strbuf *why)
{
	_cleanup_(strbuf_done) struct strbuf what = STRBUF_INIT;
	_cleanup_(rules_freep) struct rules *rules = NULL;
	_cleanup_(rule_freep) struct rule *rule = NULL;
	int r = rules_new(&rules);

	if (r == 0)
		r = rule_new(RULES_INCLUDE, "match", &rule, &what);
	if (r == 0)
		r = rule_set(rule, RULES_CMDLINE, match, &what);
	if (r < 0)
		return strbuf_fail(why, r, "--match %s: %s", match,
				   what.len ? what.buf : strerror(-r));
	r = rules_put(rules, rule);
	if (r < 0)
		return r;
	TAKE_PTR(rule);
	*ret = TAKE_PTR(rules);
	return 0;
}
