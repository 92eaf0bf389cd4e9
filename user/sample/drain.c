/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/drain.c — see drain.h. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "sample/drain.h"
#include "target/maprows.h"

#define DRAIN_EVICT_AT (PGD_STACKS_MAX / 4 * 3) /* rows; above it, empty rows may go */

struct drain {
	int stacks_fd;
	struct ring_buffer *events;
	struct drain_sink sink;
	size_t n_rows; /* of this drain so far, or at the last one */
	int may_evict;
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
static int give(void *userdata, void *keys, void *values, uint32_t n)
{
	struct drain *d = userdata;
	const struct pgd_stack_key *key = keys;
	const struct pgd_stack_total *totals = values;

	for (uint32_t i = 0; i < n; i++) {
		int evict = d->may_evict && totals[i].live_blocks == 0;

		if (d->sink.total(d->sink.userdata, &key[i], &totals[i], evict) && evict)
			bpf_map_delete_elem(d->stacks_fd, &key[i]);
	}
	d->n_rows += n;
	return 0;
}

int drain_totals(struct drain *d)
{
	size_t n_rows = d->n_rows;
	int r;

	d->may_evict = n_rows >= DRAIN_EVICT_AT;
	d->n_rows = 0;
	r = maprows_each(d->stacks_fd, sizeof(struct pgd_stack_key), sizeof(struct pgd_stack_total),
			 give, d);
	if (r < 0)
		d->n_rows = n_rows;
	return r;
}
