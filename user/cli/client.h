/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/client.h — asks the daemon one question. */
#ifndef USER_CLI_CLIENT_H
#define USER_CLI_CLIENT_H

#include <json-c/json.h>

/* 0 and the document, which the caller puts; or -errno. What went wrong, also what the daemon has
 * answered as an error, is then in `why` as one line, ready to be printed. */
#define CLIENT_WHY_BYTES 512
int client_ask(const char *socket_path, json_object *request, json_object **ret,
	       char why[CLIENT_WHY_BYTES]);

/* The same over a connected socket; for tests. */
int client_ask_fd(int fd, json_object *request, json_object **ret);

#endif
