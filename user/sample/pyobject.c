/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/pyobject.c — see pyobject.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/escape.h"
#include "sample/pyobject.h"

/* PyASCIIObject.state, the same in 3.8 to 3.14: bits 0-1 interned, 2-4 kind, 5 compact, 6 ascii. */
struct str_state {
	unsigned int kind; /* bytes a character: 1 (latin-1), 2 (UCS-2), 4 (UCS-4) */
	bool is_ascii;
};

static int parse_state(uint32_t state, struct str_state *ret)
{
	struct str_state s = { .kind = state >> 2 & 7, .is_ascii = state >> 6 & 1 };
	bool is_compact = state >> 5 & 1;

	if (!is_compact || (s.kind != 1 && s.kind != 2 && s.kind != 4))
		return -EBADMSG;
	if (s.is_ascii && s.kind != 1)
		return -EBADMSG;
	*ret = s;
	return 0;
}

static uint32_t char_at(const uint8_t *data, size_t i, unsigned int kind)
{
	uint32_t c = 0;

	memcpy(&c, data + i * kind, kind); /* little-endian, as the target */
	return c;
}

/* Cut `text` to bytes_max at a character's border. */
static const char *cut_bytes(char *text, size_t *len, size_t bytes_max, enum pyobject_cut cut)
{
	size_t at;

	if (*len <= bytes_max)
		return text;
	if (cut == PYOBJECT_CUT_END) {
		for (at = bytes_max; at && (text[at] & 0xc0) == 0x80; at--)
			;
		*len = at;
		return text;
	}
	for (at = *len - bytes_max; at < *len && (text[at] & 0xc0) == 0x80; at++)
		;
	*len -= at;
	return text + at;
}

static int add_cut(struct strbuf *text, bool is_cut, size_t bytes_max, enum pyobject_cut cut,
		   struct strbuf *ret)
{
	size_t len = text->len;
	const char *s = cut_bytes(text->buf, &len, bytes_max, cut);

	is_cut = is_cut || len < text->len;
	if (is_cut && cut == PYOBJECT_CUT_START)
		strbuf_puts(ret, PYOBJECT_ELLIPSIS);
	strbuf_add(ret, s, len);
	if (is_cut && cut == PYOBJECT_CUT_END)
		strbuf_puts(ret, PYOBJECT_ELLIPSIS);
	if (strbuf_error(text) || strbuf_error(ret))
		return -ENOMEM;
	return is_cut;
}

int pyobject_str(const struct pyruntime_names *n, const struct procmem *m, uint64_t addr,
		 size_t chars_max, size_t bytes_max, enum pyobject_cut cut, struct strbuf *ret)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT;
	uint8_t data[PYOBJECT_CHARS_MAX * 4];
	struct str_state s;
	uint64_t length, start;
	uint32_t state;
	int r;

	r = procmem_u64(m, addr + n->str_length, &length);
	if (r == 0)
		r = procmem_u32(m, addr + n->str_state, &state);
	if (r < 0)
		return r;
	r = parse_state(state, &s);
	if (r < 0)
		return r;
	if (length >> 47)
		return -EBADMSG;
	if (chars_max > PYOBJECT_CHARS_MAX)
		chars_max = PYOBJECT_CHARS_MAX;
	start = cut == PYOBJECT_CUT_START && length > chars_max ? length - chars_max : 0;
	if (length < chars_max)
		chars_max = length;
	r = procmem_read(
		m, addr + (s.is_ascii ? n->str_ascii_data : n->str_wide_data) + start * s.kind,
		data, chars_max * s.kind);
	if (r < 0)
		return r;
	for (size_t i = 0; i < chars_max; i++)
		escape_add_char(&text, char_at(data, i, s.kind));
	return add_cut(&text, length > chars_max, bytes_max, cut, ret);
}

int pyobject_bytes(const struct pyruntime_names *n, const struct procmem *m, uint64_t addr,
		   size_t bytes_max, uint8_t **ret, size_t *ret_n_bytes)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	uint64_t size;
	int r;

	r = procmem_u64(m, addr + n->bytes_size, &size);
	if (r < 0)
		return r;
	if (size > bytes_max)
		return -EBADMSG;
	if (size) {
		bytes = malloc(size);
		if (!bytes)
			return -ENOMEM;
		r = procmem_read(m, addr + n->bytes_data, bytes, size);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(bytes);
	*ret_n_bytes = size;
	return 0;
}

/* A C string may end right before a page that is not mapped: read in pieces that cross none. */
int pyobject_type_name(const struct pyruntime_names *n, const struct procmem *m, uint64_t type,
		       size_t bytes_max, struct strbuf *ret)
{
	_cleanup_(strbuf_done) struct strbuf text = STRBUF_INIT, name = STRBUF_INIT;
	bool has_end = false;
	uint64_t addr;
	int r;

	r = procmem_u64(m, type + n->type_name, &addr);
	if (r < 0)
		return r;
	while (!has_end && name.len <= bytes_max && !strbuf_error(&name)) {
		char piece[64];
		size_t len = sizeof(piece) - (addr & (sizeof(piece) - 1)), used;

		r = procmem_read(m, addr, piece, len);
		if (r < 0)
			return r;
		used = strnlen(piece, len);
		strbuf_add(&name, piece, used);
		has_end = used < len;
		addr += len;
	}
	escape_add_bytes(&text, name.buf, name.len < bytes_max ? name.len : bytes_max);
	return add_cut(&text, name.len > bytes_max, bytes_max, PYOBJECT_CUT_END, ret);
}
