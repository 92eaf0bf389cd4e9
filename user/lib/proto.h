/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/proto.h — the frames of pgd_proto.h, for both ends. */
#ifndef USER_LIB_PROTO_H
#define USER_LIB_PROTO_H

#include <json-c/json.h>
#include <stddef.h>

#include "pgd_proto.h"

void proto_head_pack(struct pgd_proto_head *head, size_t length_bytes);
/* 0; -EBADMSG: wrong magic; -EPROTONOSUPPORT: another version; -EMSGSIZE: longer than max_bytes. */
int proto_head_unpack(const struct pgd_proto_head *head, size_t max_bytes, size_t *ret_length);

/* A frame: head and text; the caller frees it. -EMSGSIZE if the text is longer than max_bytes. */
int proto_frame_new(json_object *object, size_t max_bytes, char **ret, size_t *ret_bytes);
/* A frame's text must be exactly one JSON object: else -EBADMSG. */
int proto_text_parse(const char *text, size_t length_bytes, json_object **ret);

#endif
