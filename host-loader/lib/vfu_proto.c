// SPDX-License-Identifier: BSD-3-Clause
/* Checks of what a vfio-user server sent. Every field is copied out once and only then used. */
#include "vfu_proto.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#include <x100/range.h>

enum vfu_kind vfu_check_header(const struct vfu_header *h, uint16_t id, uint16_t command)
{
	uint32_t type = h->flags & VFU_TYPE_MASK;

	if (h->size < sizeof(*h) || h->size > VFU_MAX_MESSAGE)
		return VFU_KIND_BROKEN;
	if (type == VFU_TYPE_COMMAND)
		return VFU_KIND_COMMAND;
	if (type != VFU_TYPE_REPLY)
		return VFU_KIND_BROKEN;
	if (h->id != id)
		return VFU_KIND_STALE;
	return h->command == command ? VFU_KIND_REPLY : VFU_KIND_BROKEN;
}

/* A number of the capabilities object, kept within [1, most]; @fallback when it is not there. */
static uint32_t capability(json_object *caps, const char *name, uint32_t fallback, uint32_t most)
{
	json_object *value;
	int64_t n;

	if (!json_object_object_get_ex(caps, name, &value) ||
	    !json_object_is_type(value, json_type_int))
		return fallback;
	n = json_object_get_int64(value);
	if (n < 1)
		return 1;
	return n > (int64_t)most ? most : (uint32_t)n;
}

int vfu_parse_version(const uint8_t *body, size_t size, struct vfu_limits *limits)
{
	struct vfu_version version;
	json_object *root, *caps;

	limits->fds = VFU_DEFAULT_FDS;
	limits->data = VFU_DEFAULT_DATA;
	if (size < sizeof(version))
		return -EPROTO;
	memcpy(&version, body, sizeof(version));
	if (version.major != VFU_MAJOR || version.minor > VFU_MINOR)
		return -EPROTONOSUPPORT;
	if (size == sizeof(version))
		return 0;
	if (body[size - 1] != '\0')
		return -EPROTO;
	root = json_tokener_parse((const char *)body + sizeof(version));
	if (!root)
		return -EPROTO;
	if (json_object_is_type(root, json_type_object) &&
	    json_object_object_get_ex(root, "capabilities", &caps) &&
	    json_object_is_type(caps, json_type_object)) {
		limits->fds = capability(caps, "max_msg_fds", VFU_DEFAULT_FDS, VFU_MAX_FDS);
		limits->data =
			capability(caps, "max_data_xfer_size", VFU_DEFAULT_DATA, VFU_MAX_DATA);
	}
	json_object_put(root);
	return 0;
}

/* Areas of one sparse-mmap capability at @at, which the caller found to lie inside the body. */
static int take_sparse(const uint8_t *body, size_t size, size_t at, struct vfu_region *region)
{
	struct vfu_sparse sparse;
	struct x100_range whole = { 0, region->size };

	if (size - at < sizeof(sparse))
		return -EPROTO;
	memcpy(&sparse, body + at, sizeof(sparse));
	at += sizeof(sparse);
	if (sparse.areas > (size - at) / sizeof(struct vfu_area))
		return -EPROTO;
	region->areas = 0;
	for (uint32_t i = 0; i < sparse.areas && region->areas < VFU_MAX_AREAS; i++) {
		struct vfu_area area;

		memcpy(&area, body + at + i * sizeof(area), sizeof(area));
		if (!x100_range_inside(whole, area.offset, area.size))
			return -EPROTO;
		if (area.size)
			region->area[region->areas++] = area;
	}
	return 0;
}

int vfu_parse_region(const uint8_t *body, size_t size, uint32_t index, struct vfu_region *region)
{
	struct vfu_region_info info;
	uint32_t at;

	memset(region, 0, sizeof(*region));
	if (size < sizeof(info))
		return -EPROTO;
	memcpy(&info, body, sizeof(info));
	if (info.index != index || info.argsz > VFU_MAX_DATA)
		return -EPROTO;
	if (info.argsz > size)
		return (int)info.argsz;
	region->size = info.size;
	region->flags = info.flags;
	region->file_offset = info.offset;
	if (!(info.flags & VFU_REGION_MMAP))
		return 0;

	/* Without a sparse capability all of the region may be mapped. */
	region->areas = info.size ? 1 : 0;
	region->area[0].offset = 0;
	region->area[0].size = info.size;
	if (!(info.flags & VFU_REGION_CAPS))
		return 0;

	/* The chain must run forward, so that it ends. */
	for (at = info.cap_offset; at;) {
		struct vfu_cap cap;
		int ret;

		if (at < sizeof(info) || at > size || size - at < sizeof(cap))
			return -EPROTO;
		memcpy(&cap, body + at, sizeof(cap));
		if (cap.id == VFU_CAP_SPARSE_MMAP) {
			ret = take_sparse(body, size, at, region);
			if (ret)
				return ret;
		}
		if (cap.next && cap.next <= at)
			return -EPROTO;
		at = cap.next;
	}
	return 0;
}
