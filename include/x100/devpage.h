/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Device page: 4096 bytes of host memory whose card address stands in SPAD14/15
 * (x100-abi.md 2.1, 2.2; generations C and C').
 */
#ifndef X100_DEVPAGE_H
#define X100_DEVPAGE_H

#include "types.h"

#define X100_DEVPAGE_SIZE  4096
#define X100_DEVPAGE_MAGIC 0xC0FFEE00u

/* First thing on the page; the descriptors of the virtio devices follow it. */
struct x100_bootparam {
	uint32_t magic;
	int8_t h2c_config_db;   /* card: -1 until its driver is bound */
	uint8_t node_id;        /* host: card number + 1 */
	uint8_t h2c_scif_db;    /* card: 0xFF */
	uint8_t c2h_scif_db;    /* host: 0xFF, no SCIF */
	uint64_t scif_host_dma; /* host: 0, no SCIF */
	uint64_t scif_card_dma; /* card: 0 */
};

X100_ASSERT_SIZE(struct x100_bootparam, 24);
X100_ASSERT_OFFSET(struct x100_bootparam, h2c_config_db, 4);
X100_ASSERT_OFFSET(struct x100_bootparam, c2h_scif_db, 7);
X100_ASSERT_OFFSET(struct x100_bootparam, scif_host_dma, 8);

#endif
