/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user transport, as far as its tests need to see into it. */
#ifndef X100_VFU_CLIENT_H
#define X100_VFU_CLIENT_H

#include <libx100.h>

/* How long one request may take before the card counts as hung, ms. */
#define X100_VFU_DEADLINE_MS 5000

/* As x100_vfu_transport.open, with a deadline of @deadline_ms for each request. */
int x100_vfu_open(const char *path, int deadline_ms, struct x100_why *why, void **dev);

#endif
