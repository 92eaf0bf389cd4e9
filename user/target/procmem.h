/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/procmem.h — read the memory of a process that must not notice.
 *
 * process_vm_readv(2) in production; a byte image in tests. Every address may be wild: a read
 * either fills the whole buffer or fails.
 */
#ifndef USER_TARGET_PROCMEM_H
#define USER_TARGET_PROCMEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct procmem {
	/* 0 or -errno (-EFAULT: not mapped or not whole; -ESRCH: process gone; -EPERM). */
	int (*read)(const struct procmem *m, uint64_t addr, void *buf, size_t n_bytes);
	pid_t pid;
	const void *image; /* tests: struct procmem_image */
};

struct procmem_image {
	uint64_t base;
	const uint8_t *bytes;
	size_t n_bytes;
	const struct procmem_image *next;
};

void procmem_init(struct procmem *m, pid_t pid);
void procmem_init_image(struct procmem *m, const struct procmem_image *image);

int procmem_read(const struct procmem *m, uint64_t addr, void *buf, size_t n_bytes);
int procmem_u64(const struct procmem *m, uint64_t addr, uint64_t *ret);
int procmem_u32(const struct procmem *m, uint64_t addr, uint32_t *ret);

/* One of many reads: `error` is 0 (buf is whole) or -EFAULT (buf is undefined). */
struct procmem_piece {
	uint64_t addr;
	void *buf;
	size_t n_bytes;
	int error;
};

/* All pieces, IOV_MAX of them a system call, and one more call for each that cannot be read. 0,
 * whatever became of the pieces, which say so themselves; -ESRCH, -EPERM, -ENOMEM: the whole read
 * failed, and no piece may be believed. */
int procmem_read_many(const struct procmem *m, struct procmem_piece *pieces, size_t n);

#endif
