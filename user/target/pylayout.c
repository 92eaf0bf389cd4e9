/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pylayout.c — see pylayout.h.
 *
 * What a frame's row means, by the example of 3.11 (struct _PyInterpreterFrame):
 *
 *	 0        32      40      48      56      64  68 69  72
 *	┌────────┬───────┬───────┬───────┬───────┬───┬──┬───┐
 *	│  ...   │ code  │  ...  │ back  │ instr │...│  │own│      frame_start 32, frame_bytes 40:
 *	└────────┴───────┴───────┴───────┴───────┴───┴──┴───┘      code 0, back 16, lasti 24, owner
 *37 └────────── one read ───────────────────────┘
 */
#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "target/pylayout.h"

#define NO PGD_NO_OFFSET

/* 3.8 to 3.10 walk PyFrameObjects. What tells two code objects at one address apart: the addresses
 * of file name, name and line table, which lie side by side. */
#define WALK_FRAME_OBJECT(tstate, thread_id, lasti, kind) \
	.walk = { .runtime_tstate = (tstate),             \
		  .tstate_thread_id = (thread_id),        \
		  .tstate_frame = 24,                     \
		  .cframe_frame = NO,                     \
		  .frame_start = 24,                      \
		  .frame_bytes = 88,                      \
		  .frame_code = 8,                        \
		  .frame_back = 0,                        \
		  .frame_lasti = (lasti)-24,              \
		  .frame_owner = NO,                      \
		  .owner_skip = 0,                        \
		  .lasti_kind = (kind),                   \
		  .code_mask = ~0ULL,                     \
		  .code_bytes = 0,                        \
		  .code_check = 104,                      \
		  .code_check_bytes = 24,                 \
		  .code_check_line = 40 }

/* 3.12 on: code objects carry a number of their own, co_version. */
#define WALK_INTERPRETER_FRAME(thread_id, frame, cframe, owner, mask, code) \
	.walk = { .runtime_tstate = NO,                                     \
		  .tstate_thread_id = (thread_id),                          \
		  .tstate_frame = (frame),                                  \
		  .cframe_frame = (cframe),                                 \
		  .frame_start = 0,                                         \
		  .frame_bytes = 80,                                        \
		  .frame_code = 0,                                          \
		  .frame_back = 8,                                          \
		  .frame_lasti = 56,                                        \
		  .frame_owner = (owner),                                   \
		  .owner_skip = 3,                                          \
		  .lasti_kind = PGD_LASTI_POINTER,                          \
		  .code_mask = (mask),                                      \
		  .code_bytes = (code),                                     \
		  .code_check = 92,                                         \
		  .code_check_bytes = 4,                                    \
		  .code_check_line = NO }

#define NAMES(file, name, qual, line, table, kind, ascii, wide) \
	.names = { .ob_type = 8,                                \
		   .code_filename = (file),                     \
		   .code_name = (name),                         \
		   .code_qualname = (qual),                     \
		   .code_firstlineno = (line),                  \
		   .code_linetable = (table),                   \
		   .pyline = (kind),                            \
		   .str_length = 16,                            \
		   .str_state = 32,                             \
		   .str_ascii_data = (ascii),                   \
		   .str_wide_data = (wide),                     \
		   .bytes_size = 16,                            \
		   .bytes_data = 32,                            \
		   .type_name = 24 }

/* clang-format off */
static const struct pylayout rows[] = {
	[8] = {
		WALK_FRAME_OBJECT(1368, 176, 104, PGD_LASTI_BYTES),
		NAMES(104, 112, NO, 40, 120, PYLINE_LNOTAB, 48, 72),
		.interp_head = 32, .interp_main = 40, .tss_key = 1396, .obj_alloc = NO, .raw_alloc = NO,
		.interp_next = 0, .interp_tstate_head = 8, .tstate_next = 8,
		.is_gc_in_runtime = true, .gc = 344, .gc_stats = 344 + 128, .pool_bytes = 4096,
	},
	[9] = {
		WALK_FRAME_OBJECT(568, 176, 104, PGD_LASTI_BYTES),
		NAMES(104, 112, NO, 40, 120, PYLINE_LNOTAB, 48, 72),
		.interp_head = 32, .interp_main = 40, .tss_key = 588, .obj_alloc = NO, .raw_alloc = NO,
		.interp_next = 0, .interp_tstate_head = 8, .tstate_next = 8,
		.gc = 616, .gc_stats = 616 + 128, .pool_bytes = 4096,
	},
	[10] = {
		WALK_FRAME_OBJECT(568, 176, 96, PGD_LASTI_UNITS),
		NAMES(104, 112, NO, 40, 120, PYLINE_PEP626, 48, 72),
		.interp_head = 32, .interp_main = 40, .tss_key = 588, .obj_alloc = NO, .raw_alloc = NO,
		.interp_next = 0, .interp_tstate_head = 8, .tstate_next = 8,
		.gc = 616, .gc_stats = 616 + 128, .pool_bytes = 16384,
	},
	[11] = {
		/* Owners 0 to 2 only, no shims: `owner` is not read. */
		.walk = { .runtime_tstate = 576, .tstate_thread_id = 152, .tstate_frame = 56,
			  .cframe_frame = 8, .frame_start = 32, .frame_bytes = 32, .frame_code = 0,
			  .frame_back = 16, .frame_lasti = 24, .frame_owner = NO, .owner_skip = 0,
			  .lasti_kind = PGD_LASTI_POINTER, .code_mask = ~0ULL, .code_bytes = 184,
			  .code_check = 112, .code_check_bytes = 32, .code_check_line = 72 },
		NAMES(112, 120, 128, 72, 136, PYLINE_PEP657, 48, 72),
		.interp_head = 40, .interp_main = 48, .tss_key = 596, .obj_alloc = NO, .raw_alloc = NO,
		.interp_next = 0, .interp_tstate_head = 16, .tstate_next = 8,
		.gc = 648, .gc_stats = 648 + 128, .pool_bytes = 16384,
	},
	[12] = {
		WALK_INTERPRETER_FRAME(136, 56, 0, 70, ~0ULL, 192),
		NAMES(112, 120, 128, 68, 136, PYLINE_PEP657, 40, 56),
		.interp_head = 40, .interp_main = 48, .tss_key = 1548, .obj_alloc = 176, .raw_alloc = 96,
		.interp_next = 0, .interp_tstate_head = 72, .tstate_next = 8,
		.gc = 112, .gc_stats = 112 + 128, .pool_bytes = 16384,
	},
	[13] = {
		WALK_INTERPRETER_FRAME(152, 72, NO, 70, ~0ULL, 200),
		NAMES(112, 120, 128, 68, 136, PYLINE_PEP657, 40, 56),
		.interp_head = 632, .interp_main = 640, .tss_key = 2164, .obj_alloc = 784, .raw_alloc = 704,
		.interp_next = 7264, .interp_tstate_head = 7344, .tstate_next = 8,
		.gc = 7400, .gc_stats = 7400 + 128, .pool_bytes = 16384,
	},
	[14] = {
		/* Frames hold tagged references: the low two bits are no part of the address. */
		WALK_INTERPRETER_FRAME(152, 72, NO, 74, ~3ULL, 208),
		NAMES(112, 120, 128, 68, 136, PYLINE_PEP657, 40, 56),
		.interp_head = 808, .interp_main = 816, .tss_key = 2340, .obj_alloc = 960, .raw_alloc = 880,
		.interp_next = 7272, .interp_tstate_head = 7344, .tstate_next = 8,
		.gc = 7408, .gc_stats = 7408 + 120, .pool_bytes = 16384,
	},
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(rows) == PYLAYOUT_MINOR_MAX + 1, "a row for each supported release");

const struct pylayout *pylayout_of(uint32_t version_hex)
{
	uint32_t minor = version_hex >> 16 & 0xff;

	if (version_hex >> 24 != 3 || minor < PYLAYOUT_MINOR_MIN || minor > PYLAYOUT_MINOR_MAX)
		return NULL;
	return &rows[minor];
}

bool pylayout_is_gc_incremental(uint32_t version_hex)
{
	return version_hex >= 0x030e0000 && version_hex < 0x030e0500;
}

/* ── _Py_DebugOffsets ─────────────────────────────────────────────────────────────────────────
 *	char cookie[8] "xdebugpy" │ u64 version │ u64 free_threaded │ u64 offset[...]
 * Which offset has which index depends on the minor release.
 */
enum field {
	F_INTERP_HEAD = 0, /* runtime_state.interpreters_head */
	F_INTERP_NEXT, /* interpreter_state.next */
	F_TSTATE_HEAD, /* interpreter_state.threads_head */
	F_GC, /* interpreter_state.gc */
	F_TSTATE_NEXT, /* thread_state.next */
	F_FRAME, /* thread_state.current_frame */
	F_THREAD_ID, /* thread_state.thread_id */
	F_BACK, /* interpreter_frame.previous, executable, instr_ptr, owner */
	F_CODE,
	F_INSTR,
	F_OWNER,
	F_FILENAME, /* code_object.filename, name, qualname, linetable, firstlineno */
	F_NAME,
	F_QUALNAME,
	F_LINETABLE,
	F_FIRSTLINENO,
	F_CODE_BYTES, /* code_object.co_code_adaptive */
	F_OB_TYPE, /* pyobject.ob_type */
	F_TP_NAME, /* type_object.tp_name */
	F_BYTES_SIZE, /* bytes_object.ob_size, ob_sval */
	F_BYTES_DATA,
	F_STR_STATE, /* unicode_object.state, length, asciiobject_size */
	F_STR_LENGTH,
	F_STR_ASCII,
	F_GC_COLLECTING, /* gc.collecting */
	F_MAX
};

#define HEAD_BYTES 24
/* Index of each field, in the order of the enum. */
static const uint8_t index_3_13[F_MAX] = { 2,  5,  6,  7,  18, 20, 21, 26, 27, 28, 30, 32, 33,
					   34, 35, 36, 40, 42, 44, 62, 63, 65, 66, 67, 69 };
static const uint8_t index_3_14[F_MAX] = { 2,  5,  6,  8,  21, 23, 24, 29, 30, 31, 33, 37, 38,
					   39, 40, 41, 45, 48, 50, 72, 73, 75, 76, 77, 79 };

/* The largest structs are _PyRuntime and the interpreter state: some 100 and 300 KiB. */
#define OFFSET_MAX (1u << 20)

static uint64_t u64_at(const void *bytes, size_t at)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)bytes + at, sizeof(v));
	return v;
}

static int apply_walk(struct pgd_py_offsets *w, const uint32_t *f)
{
	uint32_t end = f[F_OWNER] + 1;

	if (f[F_BACK] > PGD_FRAME_BYTES_MAX - 8 || f[F_CODE] > PGD_FRAME_BYTES_MAX - 8 ||
	    f[F_INSTR] > PGD_FRAME_BYTES_MAX - 8 || f[F_OWNER] > PGD_FRAME_BYTES_MAX - 1 ||
	    (f[F_BACK] | f[F_CODE] | f[F_INSTR]) % 8)
		return -EBADMSG;
	for (int i = F_BACK; i <= F_INSTR; i++)
		end = f[i] + 8 > end ? f[i] + 8 : end;
	w->frame_start = 0;
	w->frame_bytes = (end + 7) & ~7u;
	w->frame_back = f[F_BACK];
	w->frame_code = f[F_CODE];
	w->frame_lasti = f[F_INSTR];
	w->frame_owner = f[F_OWNER];
	w->tstate_frame = f[F_FRAME];
	w->tstate_thread_id = f[F_THREAD_ID];
	w->code_bytes = f[F_CODE_BYTES];
	return 0;
}

static void apply_names(struct pyruntime_names *n, const uint32_t *f)
{
	n->ob_type = f[F_OB_TYPE];
	n->code_filename = f[F_FILENAME];
	n->code_name = f[F_NAME];
	n->code_qualname = f[F_QUALNAME];
	n->code_linetable = f[F_LINETABLE];
	n->code_firstlineno = f[F_FIRSTLINENO];
	n->type_name = f[F_TP_NAME];
	n->bytes_size = f[F_BYTES_SIZE];
	n->bytes_data = f[F_BYTES_DATA];
	n->str_state = f[F_STR_STATE];
	n->str_length = f[F_STR_LENGTH];
	n->str_ascii_data = f[F_STR_ASCII];
}

int pylayout_apply_debug_offsets(struct pylayout *l, uint32_t version_hex, const void *bytes,
				 size_t n_bytes)
{
	uint32_t minor = version_hex >> 16 & 0xff, f[F_MAX];
	const uint8_t *index = minor == 13 ? index_3_13 : index_3_14;
	struct pylayout new = *l;
	int r;

	if (n_bytes < HEAD_BYTES || memcmp(bytes, "xdebugpy", 8))
		return -ENOENT;
	if (u64_at(bytes, 8) != version_hex || minor < 13 || minor > PYLAYOUT_MINOR_MAX)
		return -EBADMSG;
	if (u64_at(bytes, 16))
		return -ENOTSUP;
	for (int i = 0; i < F_MAX; i++) {
		size_t at = HEAD_BYTES + 8 * (size_t)index[i];
		uint64_t v = at + 8 <= n_bytes ? u64_at(bytes, at) : OFFSET_MAX;

		if (v >= OFFSET_MAX)
			return -EBADMSG;
		f[i] = (uint32_t)v;
	}
	r = apply_walk(&new.walk, f);
	if (r < 0)
		return r;
	apply_names(&new.names, f);
	new.interp_head = f[F_INTERP_HEAD];
	new.interp_main = f[F_INTERP_HEAD] + 8;
	new.interp_next = f[F_INTERP_NEXT];
	new.interp_tstate_head = f[F_TSTATE_HEAD];
	new.tstate_next = f[F_TSTATE_NEXT];
	/* Three times {collections, collected, uncollectable} stand before `collecting`. */
	if (f[F_GC_COLLECTING] < 72)
		return -EBADMSG;
	new.gc = f[F_GC];
	new.gc_stats = f[F_GC] + f[F_GC_COLLECTING] - 72;
	*l = new;
	return 0;
}
