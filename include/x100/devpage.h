/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Device page: 4096 bytes of host memory whose card address stands in SPAD14/15, and on it the
 * virtio devices that the host lends the card (x100-abi.md section 2; generations C and C').
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

/* What generation A (Linux 3.13 to 4.1) has in its place; the descriptors start at 16. */
struct x100_bootparam_a {
	uint32_t magic;
	int8_t c2h_shutdown_db;  /* host: doorbell for a card that went down */
	int8_t h2c_shutdown_db;  /* card */
	int8_t h2c_config_db;    /* card */
	uint8_t shutdown_status; /* card */
	uint8_t shutdown_card;   /* host: 1 = power off */
	uint8_t pad[7];
};

X100_ASSERT_SIZE(struct x100_bootparam_a, 16);
X100_ASSERT_OFFSET(struct x100_bootparam_a, h2c_config_db, 6);
X100_ASSERT_OFFSET(struct x100_bootparam_a, shutdown_card, 8);

/* Device descriptor: this, the queues, two feature bitmaps, the config space; then the control block. */
struct x100_vdev_desc {
	int8_t type;         /* host: virtio device id; or one of X100_VDEV_* */
	uint8_t num_vq;      /* host */
	uint8_t feature_len; /* host: bytes of each bitmap */
	uint8_t config_len;  /* host: bytes */
	uint8_t status;      /* card: virtio status; host: 0 after a reset */
	uint8_t pad[3];
};

X100_ASSERT_SIZE(struct x100_vdev_desc, 8);
X100_ASSERT_OFFSET(struct x100_vdev_desc, status, 4);

#define X100_VDEV_END     0  /* no descriptor here, end of the list */
#define X100_VDEV_DELETED -1 /* a slot to skip: as long as its lengths say */

struct x100_vqconfig {
	uint64_t address;      /* host: card address of the ring */
	uint64_t used_address; /* card: its own used ring, in card memory */
	uint16_t num;          /* host: entries, a power of two */
	uint8_t pad[6];
};

X100_ASSERT_SIZE(struct x100_vqconfig, 24);
X100_ASSERT_OFFSET(struct x100_vqconfig, used_address, 8);
X100_ASSERT_OFFSET(struct x100_vqconfig, num, 16);

struct x100_vdev_ctrl {
	uint64_t vdev;                /* card: opaque */
	uint8_t config_change;        /* host: X100_CHANGE_*; host clears */
	uint8_t vdev_reset;           /* card: 1 = reset the device; host clears */
	uint8_t guest_ack;            /* card: config_change is done; host clears */
	uint8_t host_ack;             /* card clears; host: 1 = the reset is done */
	uint8_t used_address_updated; /* card: 1 = look at used_address; host clears */
	int8_t c2h_vdev_db;           /* host: doorbell for the card to ring, 0 to 3 */
	int8_t h2c_vdev_db;           /* card: doorbell for the host to ring, 0 to 15; -1 = none */
	uint8_t card_features;        /* card: X100_CARD_*; padding, so 0, to old peers */
};

X100_ASSERT_SIZE(struct x100_vdev_ctrl, 16);
X100_ASSERT_OFFSET(struct x100_vdev_ctrl, config_change, 8);
X100_ASSERT_OFFSET(struct x100_vdev_ctrl, used_address_updated, 12);
X100_ASSERT_OFFSET(struct x100_vdev_ctrl, h2c_vdev_db, 14);
X100_ASSERT_OFFSET(struct x100_vdev_ctrl, card_features, 15);

#define X100_CHANGE_REMOVE 1
#define X100_CHANGE_CONFIG 2
/*
 * Ours, only for a card that shows X100_CARD_RESUME: the host program was restarted and has a new page
 * and new rings at the same addresses. The card writes all it ever wrote there once more, puts every
 * chain that is not in its used ring into the avail ring, and sets guest_ack (docs/virtio.md).
 */
#define X100_CHANGE_RESUME 3

#define X100_CARD_RESUME (1u << 0)

#define X100_VDEV_MAX_QUEUES 4    /* the old peers have arrays of this many */
#define X100_VDEV_MAX_DESC   256  /* bytes of a descriptor without its control block */
#define X100_VDEV_FEATURES   4    /* bytes of a bitmap that mean anything: legacy virtio */
#define X100_VRING_ENTRIES   128  /* what the old host uses, and its limit */
#define X100_VRING_MAX       1024 /* ours, for a card that was configured so */
#define X100_VRING_ALIGN     4096

/* Bytes of a descriptor without its control block, before and after rounding; @d is a checked copy. */
static inline uint32_t x100_vdev_desc_size(const struct x100_vdev_desc *d)
{
	return (uint32_t)sizeof(*d) + (uint32_t)sizeof(struct x100_vqconfig) * d->num_vq +
	       2u * d->feature_len + d->config_len;
}

static inline uint32_t x100_vdev_ctrl_offset(const struct x100_vdev_desc *d)
{
	return (x100_vdev_desc_size(d) + 7) & ~7u;
}

/* From one descriptor to the next. */
static inline uint32_t x100_vdev_total(const struct x100_vdev_desc *d)
{
	return x100_vdev_ctrl_offset(d) + (uint32_t)sizeof(struct x100_vdev_ctrl);
}

/* Offsets of the parts of a descriptor. */
static inline uint32_t x100_vdev_vq_offset(unsigned int queue)
{
	return (uint32_t)sizeof(struct x100_vdev_desc) +
	       queue * (uint32_t)sizeof(struct x100_vqconfig);
}

static inline uint32_t x100_vdev_host_features(const struct x100_vdev_desc *d)
{
	return x100_vdev_vq_offset(d->num_vq);
}

static inline uint32_t x100_vdev_guest_features(const struct x100_vdev_desc *d)
{
	return x100_vdev_host_features(d) + d->feature_len;
}

static inline uint32_t x100_vdev_config(const struct x100_vdev_desc *d)
{
	return x100_vdev_guest_features(d) + d->feature_len;
}

/*
 * Ring of @num entries, a power of two up to X100_VRING_MAX: descriptors, avail ring and the original
 * used ring, which only an aborted probe ever uses (x100-abi.md 2.7, 2.8).
 */
static inline uint32_t x100_vring_avail(uint32_t num)
{
	return 16 * num;
}

static inline uint32_t x100_vring_used_event(uint32_t num)
{
	return x100_vring_avail(num) + 4 + 2 * num;
}

static inline uint32_t x100_vring_used(uint32_t num)
{
	return (x100_vring_used_event(num) + 2 + X100_VRING_ALIGN - 1) & ~(X100_VRING_ALIGN - 1u);
}

/* Bytes of a used ring, here and where the card moved it, with avail_event at the end. */
static inline uint32_t x100_vring_used_size(uint32_t num)
{
	return 6 + 8 * num;
}

/* Behind the ring: at once in generations A to C, rounded up to 4 in C' (x100-abi.md 2.7). */
struct x100_vring_info {
	uint16_t avail_idx; /* host: chains it took */
	uint16_t pad;
	uint32_t magic; /* X100_DEVPAGE_MAGIC + device type + queue number; not aligned in C */
};

X100_ASSERT_SIZE(struct x100_vring_info, 8);

static inline uint32_t x100_vring_info_c(uint32_t num)
{
	return x100_vring_used(num) + x100_vring_used_size(num);
}

static inline uint32_t x100_vring_info_c2(uint32_t num)
{
	return (x100_vring_info_c(num) + 3) & ~3u;
}

/* Bytes to allocate for a ring and its trailer. */
static inline uint32_t x100_vring_alloc(uint32_t num)
{
	return (x100_vring_info_c2(num) + (uint32_t)sizeof(struct x100_vring_info) +
		X100_VRING_ALIGN - 1) &
	       ~(X100_VRING_ALIGN - 1u);
}

#endif
