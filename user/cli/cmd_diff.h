/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_diff.h — pygrowctl diff. */
#ifndef USER_CLI_CMD_DIFF_H
#define USER_CLI_CMD_DIFF_H

#include "cli/command.h"

extern const struct argp_option cmd_diff_options[];
int cmd_diff(const struct command_words *words);

#endif
