/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sitegc_internal.h — what the two files that find the collector's sites share. */
#ifndef USER_TARGET_SITEGC_INTERNAL_H
#define USER_TARGET_SITEGC_INTERNAL_H

#include "target/sitescan.h"

#define SITEGC_PARTS_MAX 16 /* a collector and its cold parts */

struct sitegc_parts {
	const struct sitescan_func *v[SITEGC_PARTS_MAX]; /* the first has the entry */
	size_t n;
};

/* Where a collection that ends at this `ret` (of part f) is best seen to end: *ret_vaddr is the ret
 * itself, or an instruction that needs no single step. */
void sitegc_end_place(const struct sitescan *scan, const struct sitegc_parts *parts,
		      const struct sitescan_func *f, uint64_t vaddr, uint64_t *ret_vaddr);

#endif
