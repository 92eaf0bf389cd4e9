/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/maprows.c — see maprows.h. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "target/maprows.h"

#define BATCH_ROWS 4096

int maprows_each(int map_fd, size_t key_bytes, size_t value_bytes, maprows_each_t each,
		 void *userdata)
{
	_cleanup_free_ void *keys = malloc(BATCH_ROWS * key_bytes);
	_cleanup_free_ void *values = malloc(BATCH_ROWS * value_bytes);
	uint32_t in = 0, out = 0;
	void *from = NULL;
	int r = 0;

	if (!keys || !values)
		return -ENOMEM;
	while (r == 0) {
		uint32_t n = BATCH_ROWS;
		int said;

		r = bpf_map_lookup_batch(map_fd, from, &out, keys, values, &n, NULL);
		if (r < 0 && r != -ENOENT) /* ENOENT: that was the last batch */
			return r;
		said = each(userdata, keys, values, n);
		if (said < 0)
			return said;
		in = out;
		from = &in;
	}
	return 0;
}
