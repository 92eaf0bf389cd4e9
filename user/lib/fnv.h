/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/fnv.h — the two constants of FNV-1a, 64 bit: hash = (hash ^ byte) * FNV_PRIME, from
 * FNV_BASIS on. What is hashed, and where one part ends, is for each user of it to say; some of
 * these hashes are kept on disk, so none may change.
 */
#ifndef USER_LIB_FNV_H
#define USER_LIB_FNV_H

#define FNV_BASIS 0xcbf29ce484222325ull
#define FNV_PRIME 0x100000001b3ull

#endif
