/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/probes_live.c — a slot's rows in the kernel's hash maps: blocks that are followed,
 * and stacks.
 *
 * Both maps are of all slots, so whatever is done to all rows of one reads those of the others too:
 * of several slots, do it at once.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "target/maprows.h"
#include "target/probes_internal.h"

struct slot_rows {
	int map_fd;
	size_t key_bytes, value_bytes;
	const bool *is_of; /* by slot */
	uint32_t (*key_slot)(const void *key);
	int (*each)(void *userdata, const void *key, void *value); /* non-zero deletes the row */
	void *userdata;
};

static int each_of_slots(void *userdata, void *keys, void *values, uint32_t n)
{
	const struct slot_rows *rows = userdata;

	for (uint32_t i = 0; i < n; i++) {
		const void *key = (uint8_t *)keys + i * rows->key_bytes;
		void *value = (uint8_t *)values + i * rows->value_bytes;

		if (rows->is_of[rows->key_slot(key) & (PGD_TARGETS_MAX - 1)] &&
		    rows->each(rows->userdata, key, value))
			bpf_map_delete_elem(rows->map_fd, key);
	}
	return 0;
}

/* All rows whose key belongs to one of the slots. Best effort: a row that is missed is found by
 * nobody, since a slot's blocks are looked up by address and its stacks by hash. */
static void each_row(const struct slot_rows *rows)
{
	maprows_each(rows->map_fd, rows->key_bytes, rows->value_bytes, each_of_slots, (void *)rows);
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

static struct slot_rows blocks_of(const struct probes *p, const bool is_of[PGD_TARGETS_MAX])
{
	return (struct slot_rows){ .map_fd = probes_live_fd(p),
				   .key_bytes = sizeof(uint64_t),
				   .value_bytes = sizeof(struct pgd_live),
				   .is_of = is_of,
				   .key_slot = block_slot };
}

static struct slot_rows stacks_of(const struct probes *p, const bool is_of[PGD_TARGETS_MAX])
{
	return (struct slot_rows){ .map_fd = bpf_map__fd(p->skel->maps.pgd_stacks),
				   .key_bytes = sizeof(struct pgd_stack_key),
				   .value_bytes = sizeof(struct pgd_stack_total),
				   .is_of = is_of,
				   .key_slot = stack_slot };
}

void probes_rows_forget(struct probes *p, uint32_t slot)
{
	bool is_of[PGD_TARGETS_MAX] = { false };
	struct slot_rows blocks = blocks_of(p, is_of), stacks = stacks_of(p, is_of);

	is_of[slot] = true;
	blocks.each = stacks.each = let_go;
	each_row(&blocks);
	each_row(&stacks);
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
	probes_live_visit_t each;
	void *userdata;
};

static int visit_live(void *userdata, const void *key, void *value)
{
	const struct live_visit *v = userdata;
	uint64_t k = *(const uint64_t *)key;

	return v->each(v->userdata, PGD_BLOCK_SLOT(k), PGD_BLOCK_ADDR(k), value);
}

void probes_live_each(struct probes *p, const bool is_of[PGD_TARGETS_MAX], probes_live_visit_t each,
		      void *userdata)
{
	struct live_visit v = { each, userdata };
	struct slot_rows blocks = blocks_of(p, is_of);

	blocks.each = visit_live;
	blocks.userdata = &v;
	each_row(&blocks);
}

static int reset_stack(void *userdata, const void *key, void *value)
{
	struct pgd_stack_total *total = value;

	total->live_bytes = 0;
	total->live_blocks = 0;
	bpf_map_update_elem(*(const int *)userdata, key, total, BPF_EXIST);
	return 0;
}

void probes_stacks_reset(struct probes *p, const bool is_of[PGD_TARGETS_MAX])
{
	struct slot_rows stacks = stacks_of(p, is_of);

	stacks.each = reset_stack;
	stacks.userdata = &stacks.map_fd;
	each_row(&stacks);
}
