/* SPDX-License-Identifier: GPL-2.0-only */
/* user/report/sink_queue.h — texts that wait to be sent, first in, first out; they survive us.
 *
 * Each is a file of its own, DIR/00000000000000000042.json, written whole (fsutil_file_save), and
 * in memory as well. Behind SINK_QUEUE_MAX texts or SINK_QUEUE_BYTES_MAX of them the oldest go. A
 * directory that cannot be written to is said once; the queue goes on in memory, and the next texts
 * are files again as soon as that works.
 */
#ifndef USER_REPORT_SINK_QUEUE_H
#define USER_REPORT_SINK_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"

#define SINK_QUEUE_MAX	     1000
#define SINK_QUEUE_BYTES_MAX (4u << 20)
#define SINK_QUEUE_TEXT_MAX  (128u << 10) /* of one */

struct sink_queue;

/* `dir`: made if it is not there; NULL: in memory only. What a queue of before left there comes
 * first. Files that are none of its own stay; of its own, those that cannot be read as JSON are
 * removed and counted as dropped. *ret_dropped grows by what had to go. 0 or -ENOMEM. */
int sink_queue_open(const char *dir, struct sink_queue **ret, uint64_t *ret_dropped);
/* The files stay. */
void sink_queue_close(struct sink_queue *q);
DEFINE_CLEANUP(struct sink_queue *, sink_queue_close)

/* Copies the text. *ret_dropped grows by what had to go. 0, -ENOMEM, -EMSGSIZE. */
int sink_queue_add(struct sink_queue *q, const char *text, size_t text_bytes,
		   uint64_t *ret_dropped);
/* The oldest, and its number, which is never used again; NULL: there is none. Valid until the next
 * add or del. */
const char *sink_queue_first(const struct sink_queue *q, uint64_t *ret_number);
/* Is that one still there? Then it goes. */
void sink_queue_del(struct sink_queue *q, uint64_t number);
size_t sink_queue_cnt(const struct sink_queue *q);

#endif
