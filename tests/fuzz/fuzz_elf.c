/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/fuzz/fuzz_elf.c — elf.h over arbitrary files: every query, no crash, no bytes out of
 * bounds. */
#include "target/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static int sum_symbol(const char *name, uint64_t vaddr, uint64_t size_bytes, void *arg)
{
	uint64_t *sum = arg;

	while (*name)
		*sum += (uint8_t)*name++;
	*sum += vaddr + size_bytes;
	return 0;
}

static void query(const struct elf_image *e, uint64_t vaddr, uint64_t *sum)
{
	const char *names[] = { elf_plt_name(e, vaddr), elf_got_name(e, vaddr) };
	uint8_t buf[32];
	uint64_t out;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i])
			sum_symbol(names[i], 0, 0, sum);
	if (elf_read(e, vaddr, buf, sizeof(buf)) == 0)
		for (size_t i = 0; i < sizeof(buf); i++)
			*sum += buf[i];
	if (elf_vaddr_to_offset(e, vaddr, &out) == 0 && elf_offset_to_vaddr(e, out, &out) == 0)
		*sum += out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
	_cleanup_(elf_freep) struct elf_image *e = NULL;
	const struct elf_range *ranges;
	const uint64_t *functions;
	volatile uint64_t keep;
	uint64_t sum = 0, vaddr;
	size_t n;

	if (elf_open_memory(data, n_bytes, &e) < 0)
		return 0;
	sum_symbol(elf_build_id(e), 0, 0, &sum);
	elf_each_symbol(e, sum_symbol, &sum);
	if (elf_symbol(e, "PyGC_Collect", &vaddr, NULL) == 0)
		query(e, vaddr, &sum);
	n = elf_exec_ranges(e, &ranges);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *code =
			elf_bytes(e, ranges[i].start, ranges[i].end - ranges[i].start);

		query(e, ranges[i].start, &sum);
		query(e, ranges[i].end - 1, &sum);
		sum += code[ranges[i].end - ranges[i].start - 1];
	}
	n = elf_functions(e, &functions);
	for (size_t i = 0; i < n; i++)
		query(e, functions[i], &sum);
	query(e, 0, &sum);
	query(e, UINT64_MAX, &sum);
	keep = sum;
	(void)keep;
	return 0;
}
