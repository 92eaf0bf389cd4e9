/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_report.c — what grows most. */
#include "cli/cmd_report.h"

const struct argp_option cmd_report_options[] = {
	COMMAND_OPTION_LIMIT, COMMAND_OPTION_PID,   COMMAND_OPTION_SINCE,
	COMMAND_OPTION_BY,    COMMAND_OPTION_SPLIT, { 0 },
};

int cmd_report(const struct command_words *words)
{
	return command_ask_and_print("report", WRITER_REPORT, words);
}
