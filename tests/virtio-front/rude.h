/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host made by hand: it writes whatever a test wants on the page and into the rings, and by itself does
 * only the answers that a switch allows. Its memory is where the vectors have the old host's.
 */
#ifndef RUDE_H
#define RUDE_H

#include "sim.h"

#include <x100/devpage.h>

#define RUDE_CARD 0x8567800000ull /* card address of its memory */
#define RUDE_SIZE 0x200000ull
#define RUDE_PAGE 0x8567801000ull

struct rude_dev {
	u16 offset, ctrl_offset;
	struct x100_vdev_desc head; /* as it was laid down */
	u16 num;
	u64 ring[X100_VDEV_MAX_QUEUES]; /* card addresses */
	u16 last_avail[X100_VDEV_MAX_QUEUES], used_idx[X100_VDEV_MAX_QUEUES];
	unsigned int resets, used_updates, acks, kicks;
	u8 status_seen[32]; /* as seen when it rang, one after the other */
	unsigned int statuses;
	bool gone;
};

struct rude {
	int fd;
	u8 *memory, *page;
	u64 next_ring;
	struct rude_dev dev[16];
	unsigned int devs;
	unsigned int rung; /* doorbells not looked at yet, bits */
	/* What it answers. */
	bool answer_reset, answer_used, answer_ack, echo;
	bool prompt;        /* answers a doorbell at once, not when the card waits */
	bool generation_c;  /* trailers at once behind the ring */
	void (*turn)(void); /* instead of all that */
};

extern struct rude rude;

/* sim_begin(), memory, an empty page that answers everything; card not booted. */
void rude_begin(void);
void rude_end(void);
/* The program on the host dies; it comes back with its memory as it was. */
void rude_go(void);
void rude_come(void);
/* Boot the card and let it settle. */
void rude_boot(void);

/*
 * A device with the descriptor's type, number of queues and config length; rings of @num entries with
 * trailers. Doorbell (i + 1) % 4. Rings h2c_config_db if there is one.
 */
struct rude_dev *rude_add(u8 type, u8 queues, u16 num, u32 features, const void *config,
			  u8 config_len);
/* Everything but the type. */
struct rude_dev *rude_lay(u8 type, u8 queues, u16 num, u32 features, const void *config,
			  u8 config_len);
void rude_show(struct rude_dev *dev);
/* Take it away as the old host does; true when the card acknowledged within 15 s. */
bool rude_remove(struct rude_dev *dev);
void rude_ring_config(void);
/* Set config_change, ring, and wait for guest_ack: true within 10 s. */
bool rude_change(struct rude_dev *dev, u8 change);

struct x100_bootparam *rude_bootparam(void);
struct x100_vdev_desc *rude_desc(const struct rude_dev *dev);
struct x100_vqconfig *rude_vq(const struct rude_dev *dev, unsigned int queue);
struct x100_vdev_ctrl *rude_ctrl(const struct rude_dev *dev);
u32 rude_accepted(const struct rude_dev *dev);
/* Ring memory, and the card's own used ring. */
u8 *rude_ring(const struct rude_dev *dev, unsigned int queue);
u8 *rude_used(const struct rude_dev *dev, unsigned int queue);
u16 rude_avail_idx(const struct rude_dev *dev, unsigned int queue);
/* Publish a used element, without a doorbell. */
void rude_push(struct rude_dev *dev, unsigned int queue, u32 id, u32 len);
/* Ring the card for this device. */
void rude_ring_dev(const struct rude_dev *dev);
/* Answer every chain that is new, as driver.h wants it. Returns how many. */
unsigned int rude_echo(struct rude_dev *dev, unsigned int queue);

#endif
