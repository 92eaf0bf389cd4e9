/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_status.h — pygrowctl status. */
#ifndef USER_CLI_CMD_STATUS_H
#define USER_CLI_CMD_STATUS_H

#include "cli/command.h"

extern const struct argp_option cmd_status_options[];
int cmd_status(const struct command_words *words);

#endif
