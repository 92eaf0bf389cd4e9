/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pyversion.c — see pyversion.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target/insn.h"
#include "target/pyversion.h"

#define DECODE_BYTES_MAX 192 /* of Py_GetVersion, which is some 80 bytes long */
#define TEXT_BYTES	 24

/* Release levels of PY_VERSION_HEX: a, b, c in hex are alpha, beta, candidate; f is final. */
static const char *const levels[16] = { [0xa] = "a", [0xb] = "b", [0xc] = "rc" };

int pyversion_parse(const char *text, uint32_t *ret_hex)
{
	unsigned int major, minor, micro = 0, serial = 0, level = 0xf;
	char word[3] = "";
	int n;

	n = sscanf(text, "%3u.%3u.%3u%2[abrc]%2u", &major, &minor, &micro, word, &serial);
	if (n < 2 || !isdigit((unsigned char)text[0]) || major > 255 || minor > 255 || micro > 255)
		return -EINVAL;
	for (unsigned int i = 0xa; n == 5 && serial < 16 && i <= 0xc; i++)
		if (!strcmp(word, levels[i]))
			level = i;
	*ret_hex =
		major << 24 | minor << 16 | micro << 8 | level << 4 | (level == 0xf ? 0 : serial);
	return 0;
}

void pyversion_format(uint32_t hex, char *buf, size_t n_bytes)
{
	const char *level = levels[hex >> 4 & 0xf];
	int n;

	n = snprintf(buf, n_bytes, "%u.%u.%u", hex >> 24, hex >> 16 & 0xff, hex >> 8 & 0xff);
	if (level && n > 0 && (size_t)n < n_bytes)
		snprintf(buf + n, n_bytes - (size_t)n, "%s%u", level, hex & 0xf);
}

/* "3.9.2" as a whole C string? */
static int read_text(const struct elf_image *e, uint64_t vaddr, char *buf, size_t n_bytes)
{
	uint32_t hex;

	for (size_t i = 0; i < n_bytes; i++) {
		if (elf_read(e, vaddr + i, buf + i, 1) < 0)
			return -ENOENT;
		if (!buf[i])
			return i >= 5 && buf[1] == '.' && pyversion_parse(buf, &hex) == 0 ? 0
											  : -ENOENT;
		if (!isalnum((unsigned char)buf[i]) && buf[i] != '.' && buf[i] != '+')
			return -ENOENT;
	}
	return -ENOENT;
}

/* The text's address is an operand: `lea text(%rip), reg`, or in an ET_EXEC `mov $text, reg`. */
static int decode_text(const struct elf_image *e, char *buf, size_t n_bytes)
{
	_cleanup_(insn_decoder_freep) struct insn_decoder *decoder = NULL;
	uint8_t code[DECODE_BYTES_MAX];
	uint64_t vaddr;

	if (elf_symbol(e, "Py_GetVersion", &vaddr, NULL) < 0 ||
	    elf_read(e, vaddr, code, sizeof(code)) < 0)
		return -ENOENT;
	decoder = insn_decoder_new();
	if (!decoder)
		return -ENOMEM;
	for (size_t at = 0; at < sizeof(code);) {
		struct insn insn;
		uint64_t addr = 0;

		insn_decode(decoder, code + at, sizeof(code) - at, vaddr + at, &insn);
		at += insn.n_bytes;
		if (insn.op == INSN_LEA && insn.mem.is_rip)
			addr = insn.target;
		else if (insn.op == INSN_MOV && !insn.mem.is_used && insn.src == INSN_NO_REG)
			addr = (uint64_t)insn.imm;
		if (addr && read_text(e, addr, buf, n_bytes) == 0)
			return 0;
	}
	return -ENOENT;
}

/* Digits behind "python" in the file's name: python3.9, libpython3.9.so.1.0. */
static int name_text(const char *name, char *buf, size_t n_bytes)
{
	const char *p = strrchr(name, '/');
	size_t n;

	p = strstr(p ? p : name, "python");
	if (!p)
		return -ENOENT;
	p += strlen("python");
	n = strspn(p, "0123456789.");
	while (n && p[n - 1] == '.')
		n--;
	if (n < 3 || n >= n_bytes)
		return -ENOENT;
	memcpy(buf, p, n);
	buf[n] = '\0';
	return 0;
}

int pyversion_find(const struct elf_image *e, const char *file_name, uint32_t *ret_hex,
		   char *ret_text, size_t text_bytes)
{
	char text[TEXT_BYTES];
	uint64_t vaddr;
	uint32_t hex;
	int r;

	if (elf_symbol(e, "Py_Version", &vaddr, NULL) == 0 &&
	    elf_read(e, vaddr, &hex, sizeof(hex)) == 0) {
		pyversion_format(hex, text, sizeof(text));
	} else {
		r = decode_text(e, text, sizeof(text));
		if (r == -ENOENT)
			r = name_text(file_name, text, sizeof(text));
		if (r < 0)
			return r;
		if (pyversion_parse(text, &hex) < 0)
			return -ENOENT;
	}
	*ret_hex = hex;
	snprintf(ret_text, text_bytes, "%s", text);
	return 0;
}
