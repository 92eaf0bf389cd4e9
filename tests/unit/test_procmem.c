/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/procmem.c. The process that is read is the test itself. */
#include <sys/mman.h>
#include <unistd.h>

#include "target/procmem.h"
#include "test.h"

static void procmem__reads_a_process(void **state)
{
	static const uint64_t value = 0x1122334455667788ull;
	struct procmem m;
	uint64_t v64 = 0;
	uint32_t v32 = 0;

	(void)state;
	procmem_init(&m, getpid());
	assert_ok(procmem_u64(&m, (uintptr_t)&value, &v64));
	assert_int_equal(v64, value);
	assert_ok(procmem_u32(&m, (uintptr_t)&value, &v32));
	assert_int_equal(v32, 0x55667788);
}

static void procmem__wild_addresses_fail(void **state)
{
	static const uint64_t wild[] = { 0, 1, 0x7ffffffff000ull, 0xffffffff81000000ull, ~0ull };
	struct procmem m;
	uint64_t v;

	(void)state;
	procmem_init(&m, getpid());
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++)
		assert_err(procmem_u64(&m, wild[i], &v), -EFAULT);
	assert_ok(procmem_read(&m, 1, &v, 0));
}

static void procmem__half_mapped_range_fails(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *p = mmap(NULL, 2 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), buf[16];
	struct procmem m;

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(munmap(p + page, page), 0);
	procmem_init(&m, getpid());
	assert_ok(procmem_read(&m, (uintptr_t)p + page - 16, buf, 16));
	assert_err(procmem_read(&m, (uintptr_t)p + page - 8, buf, 16), -EFAULT);
	munmap(p, page);
}

static void procmem__process_that_is_gone(void **state)
{
	struct procmem m;
	uint64_t v;

	(void)state;
	procmem_init(&m, 0x7fffffff);
	assert_err(procmem_u64(&m, 4096, &v), -ESRCH);
}

static void procmem__image_is_bounded_by_its_pieces(void **state)
{
	static const uint8_t low[16] = { 1 }, high[8] = { 2 };
	const struct procmem_image second = { .base = ~0ull - 7, .bytes = high, .n_bytes = 8 };
	const struct procmem_image first = {
		.base = 0x1000, .bytes = low, .n_bytes = 16, .next = &second
	};
	static const struct {
		uint64_t addr;
		size_t n_bytes;
		int want;
	} rows[] = {
		{ 0x1000, 16, 0 },
		{ 0x1008, 8, 0 },
		{ 0x1000, 17, -EFAULT },
		{ 0x1001, 16, -EFAULT },
		{ 0x0fff, 1, -EFAULT },
		{ 0x1010, 1, -EFAULT },
		{ ~0ull - 7, 4, 0 },
		{ ~0ull - 7, 8, -EFAULT },
		{ ~0ull, 2, -EFAULT },
		{ 0x1000, 0, 0 },
		{ 0x1000, SIZE_MAX, -EFAULT },
	};
	struct procmem m;
	uint8_t buf[32];

	(void)state;
	procmem_init_image(&m, &first);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_err(procmem_read(&m, rows[i].addr, buf, rows[i].n_bytes), rows[i].want);
}

#define MANY 2500 /* more than two system calls' worth */

/* Every third piece of a row is wild, or hangs over the end of what is mapped. */
static void check_many(const struct procmem *m, uint64_t base, size_t mapped)
{
	static struct procmem_piece pieces[MANY];
	static uint64_t bufs[MANY];
	static const uint64_t bad[] = { 0, ~0ull - 3, 1ull << 47, 0xffffffff81000000ull };

	for (size_t i = 0; i < MANY; i++) {
		uint64_t addr = base + i % (mapped / 8) * 8;

		if (i % 3 == 1)
			addr = i % 2 ? bad[i % 4] : base + mapped - 4;
		bufs[i] = 0;
		pieces[i] = (struct procmem_piece){ addr, &bufs[i], 8, 1 };
	}
	assert_ok(procmem_read_many(m, pieces, MANY));
	for (size_t i = 0; i < MANY; i++) {
		assert_err(pieces[i].error, i % 3 == 1 ? -EFAULT : 0);
		if (i % 3 != 1)
			assert_int_equal(bufs[i], 1000 + i % (mapped / 8));
	}
}

static void procmem__bad_pieces_do_not_spoil_the_others(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t *p =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct procmem_image image = { .base = 0x10000, .n_bytes = page };
	struct procmem m;

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(munmap((uint8_t *)p + page, page), 0);
	for (size_t i = 0; i < page / 8; i++)
		p[i] = 1000 + i;
	procmem_init(&m, getpid());
	check_many(&m, (uintptr_t)p, page);
	image.bytes = (const uint8_t *)p;
	procmem_init_image(&m, &image);
	check_many(&m, image.base, page);
	munmap(p, page);
}

static void procmem__pieces_of_all_lengths(void **state)
{
	static const uint8_t bytes[64] = "0123456789abcdef";
	uint8_t bufs[6][16] = { 0 };
	struct procmem_piece pieces[] = {
		{ (uintptr_t)bytes, bufs[0], 0, 1 },	 { 0, bufs[1], 0, 1 },
		{ (uintptr_t)bytes + 3, bufs[2], 7, 1 }, { 8, bufs[3], SIZE_MAX, 1 },
		{ 8, bufs[4], 1ull << 40, 1 },		 { (uintptr_t)bytes, bufs[5], 16, 1 },
	};
	struct procmem m;

	(void)state;
	procmem_init(&m, getpid());
	assert_ok(procmem_read_many(&m, pieces, 0));
	assert_ok(procmem_read_many(&m, pieces, 6));
	assert_ok(pieces[0].error);
	assert_ok(pieces[1].error);
	assert_ok(pieces[2].error);
	assert_memory_equal(bufs[2], "3456789", 8);
	assert_err(pieces[3].error, -EFAULT);
	assert_err(pieces[4].error, -EFAULT);
	assert_ok(pieces[5].error);
	assert_memory_equal(bufs[5], bytes, 16);

	procmem_init(&m, 0x7fffffff);
	assert_err(procmem_read_many(&m, pieces, 6), -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(procmem__reads_a_process),
		cmocka_unit_test(procmem__wild_addresses_fail),
		cmocka_unit_test(procmem__half_mapped_range_fails),
		cmocka_unit_test(procmem__process_that_is_gone),
		cmocka_unit_test(procmem__bad_pieces_do_not_spoil_the_others),
		cmocka_unit_test(procmem__pieces_of_all_lengths),
		cmocka_unit_test(procmem__image_is_bounded_by_its_pieces),
	};

	return cmocka_run_group_tests_name("procmem", tests, NULL, NULL);
}
