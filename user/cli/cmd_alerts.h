/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_alerts.h — pygrowctl alerts. */
#ifndef USER_CLI_CMD_ALERTS_H
#define USER_CLI_CMD_ALERTS_H

#include "cli/command.h"

extern const struct argp_option cmd_alerts_options[];
int cmd_alerts(const struct command_words *words);

#endif
