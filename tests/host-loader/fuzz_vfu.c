// SPDX-License-Identifier: BSD-3-Clause
/* Fuzzed: what a vfio-user server may answer: headers, VERSION, GET_REGION_INFO. */
#include <stdlib.h>
#include <string.h>

#include "vfu_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vfu_limits limits;
	struct vfu_region region;
	struct vfu_header header;
	uint8_t *body;
	int ret;

	if (size < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	vfu_check_header(&header, 1, VFU_REGION_READ);

	/* A copy of its own, so that a read past its end is seen. */
	size -= sizeof(header);
	body = malloc(size + 1);
	if (!body)
		return 0;
	memcpy(body, data + sizeof(header), size);
	if (!vfu_parse_version(body, size, &limits) &&
	    (!limits.fds || limits.fds > VFU_MAX_FDS || !limits.data || limits.data > VFU_MAX_DATA))
		abort();
	ret = vfu_parse_region(body, size, header.command & 7, &region);
	if (!ret) {
		for (unsigned int i = 0; i < region.areas; i++)
			if (region.area[i].size > region.size ||
			    region.area[i].offset > region.size - region.area[i].size)
				abort();
	} else if (ret > 0 && (size_t)ret <= size) {
		abort();
	}
	free(body);
	return 0;
}
