/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/drain.c — see drain.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "sample/drain.h"

#define DRAIN_BATCH    1024
#define DRAIN_EVICT_AT (PGD_STACKS_MAX / 4 * 3) /* rows; above it, empty rows may go */

struct drain {
	int stacks_fd;
	struct ring_buffer *events;
	struct drain_sink sink;
	size_t n_rows; /* at the last drain */
	struct pgd_stack_key keys[DRAIN_BATCH];
	struct pgd_stack_total totals[DRAIN_BATCH];
};

static int on_event(void *userdata, void *data, size_t n_bytes)
{
	const struct drain *d = userdata;
	const struct pgd_stack_event *event = data;

	if (n_bytes < PGD_STACK_EVENT_HEAD_BYTES || event->n_frames > PGD_FRAMES_MAX ||
	    n_bytes < PGD_STACK_EVENT_HEAD_BYTES + event->n_frames * sizeof(event->frames[0]))
		return 0;
	d->sink.stack(d->sink.userdata, event);
	return 0;
}

int drain_open(int stacks_fd, int events_fd, const struct drain_sink *sink, struct drain **ret)
{
	_cleanup_(drain_closep) struct drain *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->stacks_fd = stacks_fd;
	d->sink = *sink;
	d->events = ring_buffer__new(events_fd, on_event, d, NULL);
	if (!d->events)
		return -errno;
	*ret = TAKE_PTR(d);
	return 0;
}

void drain_close(struct drain *d)
{
	if (!d)
		return;
	ring_buffer__free(d->events);
	free(d);
}

int drain_fd(const struct drain *d)
{
	return ring_buffer__epoll_fd(d->events);
}

int drain_events(struct drain *d)
{
	int r = ring_buffer__consume(d->events);

	return r < 0 ? r : 0;
}

/* A row that holds nothing may still be counted up between our read and our delete: that block's
 * death is then counted as STACK_GONE, and its stack announces itself again with its next block. */
static void give(struct drain *d, uint32_t n, int may_evict)
{
	for (uint32_t i = 0; i < n; i++) {
		int evict = may_evict && d->totals[i].live_blocks == 0;

		if (d->sink.total(d->sink.userdata, &d->keys[i], &d->totals[i], evict) && evict)
			bpf_map_delete_elem(d->stacks_fd, &d->keys[i]);
	}
}

int drain_totals(struct drain *d)
{
	int may_evict = d->n_rows >= DRAIN_EVICT_AT;
	uint32_t in, out;
	void *from = NULL;
	size_t n_rows = 0;

	for (;;) {
		uint32_t n = DRAIN_BATCH;
		int r = bpf_map_lookup_batch(d->stacks_fd, from, &out, d->keys, d->totals, &n,
					     NULL);

		if (r < 0 && r != -ENOENT) /* ENOENT: that was the last batch */
			return r;
		give(d, n, may_evict);
		n_rows += n;
		if (r < 0)
			break;
		in = out;
		from = &in;
	}
	d->n_rows = n_rows;
	return 0;
}
