/* SPDX-License-Identifier: GPL-2.0-only */
/* include/pgd_proto.h — pygrowd ⇄ pygrowctl: one question, one answer, over a unix stream socket.
 *
 *   client ─► daemon   frame { "command": "report", "limit": 10, … }      then waits
 *   daemon ─► client   frame { the document } or { "error": "one line" }  then closes
 *
 *   0        4         8        12                12 + length
 *  ┌────────┬─────────┬────────┬─────────── ─ ─ ─ ┐
 *  │ magic  │ version │ length │ JSON text, UTF-8 │    integers are little-endian
 *  └────────┴─────────┴────────┴─────────── ─ ─ ─ ┘
 *
 * A frame that is too long, or whose magic or version is another, ends the connection at its
 * header. user/lib/proto.c packs and unpacks it; docs/PROTOCOL lists the requests.
 */
#ifndef PGD_PROTO_H
#define PGD_PROTO_H

#include <linux/types.h>

#define PGD_PROTO_MAGIC		    0x44475950u /* "PYGD" */
#define PGD_PROTO_VERSION	    1u
#define PGD_PROTO_REQUEST_BYTES_MAX (64u << 10)
#define PGD_PROTO_ANSWER_BYTES_MAX  (64u << 20)
#define PGD_PROTO_TIMEOUT_SEC	    5 /* for a whole request, and for reading a whole answer */

#define PGD_SOCKET_PATH	 "/run/pygrowd/pygrowd.sock"
#define PGD_SOCKET_GROUP "pygrowd" /* if the host has it: its members may ask */

struct pgd_proto_head {
	__le32 magic;
	__le32 version;
	__le32 length_bytes;
};

_Static_assert(sizeof(struct pgd_proto_head) == 12, "padding");

#endif
