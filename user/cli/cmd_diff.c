/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_diff.c — what changed between two moments. */
#include "cli/cmd_diff.h"

const struct argp_option cmd_diff_options[] = { COMMAND_OPTION_LIMIT, { 0 } };

int cmd_diff(const struct command_words *words)
{
	return command_ask_and_print("diff", WRITER_DIFF, words);
}
