/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what is to be pushed. */
#ifndef X100_LIB_IMAGE_H
#define X100_LIB_IMAGE_H

#include <libx100.h>

/* Copy [offset, offset + size) of @blob. Errors: ARGUMENT past its end, FILE. */
int blob_read(const struct x100_blob *blob, uint64_t offset, void *to, size_t size,
	      struct x100_why *why);

#endif
