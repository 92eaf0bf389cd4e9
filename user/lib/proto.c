/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/proto.c — see proto.h. */
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/proto.h"

DEFINE_CLEANUP(json_tokener *, json_tokener_free)

void proto_head_pack(struct pgd_proto_head *head, size_t length_bytes)
{
	head->magic = htole32(PGD_PROTO_MAGIC);
	head->version = htole32(PGD_PROTO_VERSION);
	head->length_bytes = htole32((uint32_t)length_bytes);
}

int proto_head_unpack(const struct pgd_proto_head *head, size_t max_bytes, size_t *ret_length)
{
	if (le32toh(head->magic) != PGD_PROTO_MAGIC)
		return -EBADMSG;
	if (le32toh(head->version) != PGD_PROTO_VERSION)
		return -EPROTONOSUPPORT;
	if (le32toh(head->length_bytes) > max_bytes)
		return -EMSGSIZE;
	*ret_length = le32toh(head->length_bytes);
	return 0;
}

int proto_frame_new(json_object *object, size_t max_bytes, char **ret, size_t *ret_bytes)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	struct pgd_proto_head head;
	const char *text;
	size_t length;
	char *frame;

	text = json_object_to_json_string_length(object, flags, &length);
	if (!text)
		return -ENOMEM;
	if (length > max_bytes)
		return -EMSGSIZE;
	frame = malloc(sizeof(head) + length);
	if (!frame)
		return -ENOMEM;
	proto_head_pack(&head, length);
	memcpy(frame, &head, sizeof(head));
	memcpy(frame + sizeof(head), text, length);
	*ret = frame;
	*ret_bytes = sizeof(head) + length;
	return 0;
}

int proto_text_parse(const char *text, size_t length_bytes, json_object **ret)
{
	_cleanup_(json_tokener_freep) json_tokener *tokener = json_tokener_new();
	json_object *object;

	if (!tokener)
		return -ENOMEM;
	if (length_bytes > INT_MAX)
		return -EBADMSG;
	/* Not JSON_TOKENER_STRICT: json-c 0.17 and 0.18 (Debian 13) then refuse every string that
	 * is not plain ASCII, see its issue 892. What is lost: comments and trailing commas pass.
	 */
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, (int)length_bytes);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) != length_bytes ||
	    !json_object_is_type(object, json_type_object)) {
		json_object_put(object);
		return -EBADMSG;
	}
	*ret = object;
	return 0;
}
