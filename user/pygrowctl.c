/* SPDX-License-Identifier: GPL-2.0-only */
/* user/pygrowctl.c — asks pygrowd: the table of commands. The first is the default. */
#include <locale.h>

#include "cli/cmd_alerts.h"
#include "cli/cmd_diff.h"
#include "cli/cmd_gc.h"
#include "cli/cmd_report.h"
#include "cli/cmd_show.h"
#include "cli/cmd_status.h"
#include "cli/cmd_top.h"
#include "lib/cleanup.h"
#include "lib/log.h"

static const struct command commands[] = {
	{ .name = "status",
	  .help = "How well each watched process is seen, and what was lost.",
	  .options = cmd_status_options,
	  .run = cmd_status },
	{ .name = "top",
	  .help = "The report, refreshed until q is pressed.",
	  .options = cmd_top_options,
	  .run = cmd_top },
	{ .name = "report",
	  .help = "What grows most: lines, functions or whole stacks.",
	  .options = cmd_report_options,
	  .run = cmd_report },
	{ .name = "show",
	  .argument = "STACK",
	  .help = "One stack in full, by the first digits of its id.",
	  .options = cmd_show_options,
	  .run = cmd_show },
	{ .name = "diff",
	  .argument = "FROM [TO]",
	  .takes_moments = true,
	  .help = "What changed between two moments: times, or -10m.",
	  .options = cmd_diff_options,
	  .run = cmd_diff },
	{ .name = "alerts",
	  .help = "What grows and does not stop: alerts that fire, and that are over.",
	  .options = cmd_alerts_options,
	  .run = cmd_alerts },
	{ .name = "gc",
	  .help = "Garbage collections of each process, by generation.",
	  .options = cmd_gc_options,
	  .run = cmd_gc },
};

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	log_set_name("pygrowctl");
	return command_main(commands, ARRAY_SIZE(commands), argc, argv);
}
