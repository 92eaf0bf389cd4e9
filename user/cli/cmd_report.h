/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/cmd_report.h — pygrowctl report. */
#ifndef USER_CLI_CMD_REPORT_H
#define USER_CLI_CMD_REPORT_H

#include "cli/command.h"

extern const struct argp_option cmd_report_options[];
int cmd_report(const struct command_words *words);

#endif
