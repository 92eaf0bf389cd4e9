/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/probes_live.c — a slot's rows in the kernel's hash maps: blocks that are followed,
 * and stacks.
 *
 * Both maps are of all slots, so whatever is done to all rows of one reads those of the others too,
 * in batches.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "target/probes_internal.h"

#define BATCH_ROWS 4096

/* All rows of a hash map whose key belongs to `slot`; non-zero from `each` deletes the row. Best
 * effort: a row that is missed is found by nobody, since a slot's blocks are looked up by address
 * and its stacks by hash. */
static void each_row(int map_fd, size_t key_bytes, size_t value_bytes, uint32_t slot,
		     uint32_t (*key_slot)(const void *key),
		     int (*each)(void *userdata, const void *key, void *value), void *userdata)
{
	_cleanup_free_ uint8_t *keys = malloc(BATCH_ROWS * key_bytes);
	_cleanup_free_ uint8_t *values = malloc(BATCH_ROWS * value_bytes);
	uint32_t in = 0, out = 0;
	void *from = NULL;
	int r = 0;

	while (keys && values && r == 0) {
		uint32_t n = BATCH_ROWS;

		r = bpf_map_lookup_batch(map_fd, from, &out, keys, values, &n, NULL);
		if (r < 0 && r != -ENOENT)
			return;
		for (uint32_t i = 0; i < n; i++) {
			const uint8_t *key = keys + i * key_bytes;

			if (key_slot(key) == slot && each(userdata, key, values + i * value_bytes))
				bpf_map_delete_elem(map_fd, key);
		}
		in = out;
		from = &in;
	}
}

static uint32_t block_slot(const void *key)
{
	return PGD_BLOCK_SLOT(*(const uint64_t *)key);
}

static uint32_t stack_slot(const void *key)
{
	return ((const struct pgd_stack_key *)key)->slot;
}

static int let_go(void *userdata, const void *key, void *value)
{
	(void)userdata;
	(void)key;
	(void)value;
	return 1;
}

void probes_rows_forget(struct probes *p, uint32_t slot)
{
	each_row(probes_live_fd(p), sizeof(uint64_t), sizeof(struct pgd_live), slot, block_slot,
		 let_go, NULL);
	each_row(bpf_map__fd(p->skel->maps.pgd_stacks), sizeof(struct pgd_stack_key),
		 sizeof(struct pgd_stack_total), slot, stack_slot, let_go, NULL);
}

int probes_follow(struct probes *p, uint32_t slot, uint64_t block)
{
	const struct pgd_live row = { .is_sampled = 1 };
	uint64_t key = PGD_BLOCK_KEY(slot, block);

	return bpf_map_update_elem(probes_live_fd(p), &key, &row, BPF_ANY);
}

bool probes_is_followed(const struct probes *p, uint32_t slot, uint64_t block)
{
	uint64_t key = PGD_BLOCK_KEY(slot, block);
	struct pgd_live row;

	return bpf_map_lookup_elem(probes_live_fd(p), &key, &row) == 0;
}

void probes_unfollow(struct probes *p, uint32_t slot, uint64_t block)
{
	uint64_t key = PGD_BLOCK_KEY(slot, block);

	bpf_map_delete_elem(probes_live_fd(p), &key);
}

struct live_visit {
	int (*each)(void *userdata, uint64_t block, const struct pgd_live *live);
	void *userdata;
};

static int visit_live(void *userdata, const void *key, void *value)
{
	const struct live_visit *v = userdata;

	return v->each(v->userdata, PGD_BLOCK_ADDR(*(const uint64_t *)key), value);
}

void probes_live_each(struct probes *p, uint32_t slot,
		      int (*each)(void *userdata, uint64_t block, const struct pgd_live *live),
		      void *userdata)
{
	struct live_visit v = { each, userdata };

	each_row(probes_live_fd(p), sizeof(uint64_t), sizeof(struct pgd_live), slot, block_slot,
		 visit_live, &v);
}

static int reset_stack(void *userdata, const void *key, void *value)
{
	struct pgd_stack_total *total = value;

	total->live_bytes = 0;
	total->live_blocks = 0;
	bpf_map_update_elem(*(const int *)userdata, key, total, BPF_EXIST);
	return 0;
}

void probes_stacks_reset(struct probes *p, uint32_t slot)
{
	int fd = bpf_map__fd(p->skel->maps.pgd_stacks);

	each_row(fd, sizeof(struct pgd_stack_key), sizeof(struct pgd_stack_total), slot, stack_slot,
		 reset_stack, &fd);
}
