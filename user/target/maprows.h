/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/maprows.h — all rows of one of the kernel's hash maps, in batches.
 *
 * A batch of thousands is one system call. The kernel goes on writing meanwhile: a row that comes
 * or goes may be seen, or not; one that stays is seen once.
 */
#ifndef USER_TARGET_MAPROWS_H
#define USER_TARGET_MAPROWS_H

#include <stddef.h>
#include <stdint.h>

/* n keys, and the value of each, one behind the other; they may be written to, and are gone when it
 * returns. It may delete rows of the map. Negative: no more. */
typedef int (*maprows_each_t)(void *userdata, void *keys, void *values, uint32_t n);

/* key_bytes, value_bytes: of the map's rows. 0, -errno of the kernel's, -ENOMEM, or what `each` has
 * said: what was read before it has been given to `each`. */
int maprows_each(int map_fd, size_t key_bytes, size_t value_bytes, maprows_each_t each,
		 void *userdata);

#endif
