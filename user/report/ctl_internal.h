/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/ctl_internal.h — what ctl.c (who gets a place) and ctl_client.c (what is said to
 * whom) share. */
#ifndef USER_REPORT_CTL_INTERNAL_H
#define USER_REPORT_CTL_INTERNAL_H

#include <stdbool.h>

#include "report/ctl.h"
#include "report/listener.h"

#define CTL_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

struct client {
	struct ctl *ctl;
	int fd;
	struct peer peer;
	sd_event_source *io, *deadline;
	char *buf; /* of READING: the request as far as it came; of WRITING: the answer */
	size_t cap, len; /* bytes of buf: there is room for, are valid */
	size_t sent; /* WRITING: how many of them were sent */
	bool is_writing;
};

struct ctl {
	sd_event *event;
	sd_event_source *io, *resume;
	struct listener listener;
	int spare_fd; /* given up to accept one client more, who is told that there is none */
	uid_t own;
	ctl_handler handler;
	void *userdata;
	uint64_t timeout_us;
	size_t bytes; /* of all clients' bufs */
	uint64_t counters[CTL_COUNTER_MAX];
	uint64_t logged_us, denied_logged; /* the last line about refused ones: when, how many */
	size_t n_places, n_clients;
	struct client clients[CTL_CLIENTS_MAX]; /* fd < 0: free */
};

/* Its descriptor and peer are set; from here on the loop calls us. Negative: close it. */
int ctl_client_start(struct client *k);
/* Idempotent: also of a free place. */
void ctl_client_close(struct client *k);
/* { "error": why } as a frame; the caller frees it. 0 or -ENOMEM. */
int ctl_error_frame_new(const char *why, char **ret, size_t *ret_bytes);

#endif
