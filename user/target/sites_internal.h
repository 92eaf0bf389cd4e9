/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sites_internal.h — how the parts of `sites` add to the one list. */
#ifndef USER_TARGET_SITES_INTERNAL_H
#define USER_TARGET_SITES_INTERNAL_H

#include "target/siteplace.h"
#include "target/sites.h"
#include "target/sitescan.h"

#define SITES_MAX 16384 /* a real interpreter has under 2,000 */

/* Add one site at vaddr. -ENOMEM, -EBADMSG (too many, or no code of the file there). */
int sites_add(struct sites *s, const struct elf_image *e, enum site_kind kind,
	      const struct siteplace *at);
/* Place a site for a block that `start` says where to find, or count it as unplaced. */
int sites_add_forward(struct sites *s, const struct sitescan *scan, enum site_kind kind,
		      const struct siteplace_start *start);
/* The same for the block that the call `b` returns. */
int sites_add_return(struct sites *s, const struct sitescan *scan, enum site_kind kind,
		     const struct sitescan_branch *b);
/* Sort, and drop what is alike. */
void sites_tidy(struct sites *s);

/* The function that opens a new pool and returns its first block, or NULL. */
const struct sitescan_func *sitecarve_find(const struct sitescan *scan);
int sitecarve_add(struct sites *s, const struct sitescan *scan, const struct sitescan_func *carver);
int sitelibc_add(struct sites *s, const struct sitescan *scan);
int sitegc_add(struct sites *s, const struct sitescan *scan);

#endif
