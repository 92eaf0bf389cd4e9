/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/ctlfix.h — a control socket with both ends in this process.
 *
 * The daemon's end runs in sd_event_run(), which is called until there is nothing to do at once;
 * nobody sleeps.
 */
#ifndef TESTS_HARNESS_CTLFIX_H
#define TESTS_HARNESS_CTLFIX_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/proto.h"
#include "report/ctl.h"
#include "test.h"

#define CTLFIX_BIG_BYTES (8u << 20) /* more than a socket's buffers take */

struct ctlfix {
	char directory[64], path[100];
	sd_event *event;
	struct ctl *ctl;
	int n_asked;
	size_t answer_bytes; /* of padding in the answer */
	bool no_answer;
};

static inline json_object *ctlfix_on_request(void *userdata, json_object *request)
{
	_cleanup_free_ char *padding = NULL;
	struct ctlfix *f = userdata;
	json_object *answer;

	f->n_asked++;
	if (f->no_answer)
		return NULL;
	answer = json_object_new_object();
	json_object_object_add(answer, "asked", json_object_get(request));
	if (f->answer_bytes) {
		padding = malloc(f->answer_bytes + 1);
		assert_non_null(padding);
		memset(padding, 'x', f->answer_bytes);
		padding[f->answer_bytes] = '\0';
		json_object_object_add(answer, "padding", json_object_new_string(padding));
	}
	return answer;
}

static inline int ctlfix_setup(void **state)
{
	struct ctlfix *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->directory, "/tmp/pygrowd-test-XXXXXX");
	if (!mkdtemp(f->directory))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/run/pygrowd.sock", f->directory);
	if (sd_event_new(&f->event) < 0 ||
	    ctl_open(f->event, f->path, ctlfix_on_request, f, &f->ctl) < 0)
		return -1;
	*state = f;
	return 0;
}

static inline int ctlfix_teardown(void **state)
{
	struct ctlfix *f = *state;
	char command[128];

	ctl_close(f->ctl);
	sd_event_unref(f->event);
	snprintf(command, sizeof(command), "rm -rf %s", f->directory);
	free(f);
	return system(command);
}

/* What can be done without waiting. */
static inline void ctlfix_run(struct ctlfix *f)
{
	while (sd_event_run(f->event, 0) > 0)
		;
}

static inline int ctlfix_connect(struct ctlfix *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	assert_true(fd >= 0);
	assert_ok(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

static inline void ctlfix_send(int fd, const char *text, size_t length)
{
	struct pgd_proto_head head;

	proto_head_pack(&head, length);
	assert_int_equal(send(fd, &head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that is there now; true if the daemon has closed after it. */
static inline bool ctlfix_receive(int fd, char *ret, size_t max, size_t *ret_bytes)
{
	ssize_t n;

	*ret_bytes = 0;
	while ((n = recv(fd, ret + *ret_bytes, max - *ret_bytes, 0)) > 0)
		*ret_bytes += (size_t)n;
	return n == 0 || errno == ECONNRESET;
}

static inline void ctlfix_expect(int fd, const char *part)
{
	char answer[4096] = "";
	size_t n;

	assert_true(ctlfix_receive(fd, answer, sizeof(answer) - 1, &n));
	assert_true(n > sizeof(struct pgd_proto_head));
	if (!strstr(answer + sizeof(struct pgd_proto_head), part))
		fail_msg("%s: not in %s", part, answer + sizeof(struct pgd_proto_head));
	close(fd);
}

#define WITH_DAEMON(test) cmocka_unit_test_setup_teardown(test, ctlfix_setup, ctlfix_teardown)

#endif
