/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card side of the device page, played by a test on the fake card: it finds the page through
 * SCRATCH14/15 and the SMPT registers, scans it, drives devices as a virtio driver does, and breaks
 * rules where a test writes to the page or the rings by itself (x100-abi.md 2.10, 2.11).
 */
#ifndef VCARD_H
#define VCARD_H

#include "fake.h"

#include <libx100-virtio.h>

#include "loop.h"

#define VCARD_HEAP   0x10000000ull /* card memory that vcard_alloc() gives out from here on */
#define VCARD_QUEUES X100_VDEV_MAX_QUEUES

struct vcard {
	struct x100_card *card;
	struct x100_loop *loop;
	struct x100_vpage *page;
	struct x100_vpage_params params;
	uint64_t heap;
	unsigned int next_db; /* doorbell that the next driver takes: from 8 on */
	/* The log of the page: last line and lines at each level. */
	char line[512];
	unsigned int lines[8];
	unsigned int shutdowns;
	uint32_t shutdown;
};

extern struct vcard vcard;

/* A cmocka set-up and tear-down: an open card with a loop in fake time and a page on it. */
int vcard_setup(void **state);
int vcard_teardown(void **state);
/* The page with other parameters. */
void vcard_new_page(const struct x100_vpage_params *params);
/* As x100_push() does before the boot interrupt. */
void vcard_boot(void);
/* One turn without waiting; turns until @ms of fake time have passed. */
void vcard_turn(void);
void vcard_run(uint64_t ms);

/* Host memory behind a card address in the system memory window; NULL when it is not mapped. */
uint8_t *vcard_host(uint64_t address, uint64_t size);
/* The device page as the registers say. */
uint8_t *vcard_page(void);
uint64_t vcard_alloc(uint64_t size);
uint8_t *vcard_memory(uint64_t address);
/* Ring doorbell @n of the host, without and with a turn. */
void vcard_ring_only(unsigned int n);
void vcard_ring(unsigned int n);
/* Publish the config doorbell. */
void vcard_publish(int8_t db);

/* One virtqueue as its driver sees it. */
struct vcard_queue {
	uint16_t num;
	uint8_t *ring; /* host memory */
	uint64_t used; /* card memory */
	uint16_t avail_idx, used_idx, free_desc;
};

/* A driver of one device. */
struct vcard_driver {
	uint8_t *desc, *ctrl; /* on the page */
	int8_t type;
	uint8_t queues, config_len;
	uint32_t offered, accepted;
	uint8_t c2h_db;
	int8_t h2c_db;
	struct vcard_queue q[VCARD_QUEUES];
};

/* Walk over the page: descriptor number @n that is no deleted one, or NULL. */
uint8_t *vcard_scan(unsigned int n);
/* Bind to device @n: doorbell, reset handshake, features (those of @wanted that are offered), queues. */
void vcard_probe(struct vcard_driver *d, unsigned int n, uint32_t wanted);
/* The steps of it. */
void vcard_attach(struct vcard_driver *d, unsigned int n);
void vcard_reset(struct vcard_driver *d);
void vcard_status(struct vcard_driver *d, uint8_t status);
void vcard_accept(struct vcard_driver *d, uint32_t features);
void vcard_queues(struct vcard_driver *d);
/* Answer a removal as a card OS does. */
void vcard_release(struct vcard_driver *d);

/* Descriptor @at of a queue. */
void vcard_desc(struct vcard_queue *q, uint16_t at, uint64_t address, uint32_t size, uint16_t flags,
		uint16_t next);
/* Offer @head, without kicking. */
void vcard_offer(struct vcard_queue *q, uint16_t head);
/*
 * Offer a chain of @readable and @writable buffers of @size bytes each in fresh card memory. Returns
 * its head; descriptors are taken one after the other and never given back.
 */
uint16_t vcard_chain(struct vcard_queue *q, unsigned int readable, unsigned int writable,
		     uint32_t size, uint64_t *first);
void vcard_kick(struct vcard_driver *d);
/* Take a used element; false when there is none. */
bool vcard_used(struct vcard_queue *q, uint32_t *id, uint32_t *len);
/* Words of the ring halves. */
uint16_t vcard_used_flags(const struct vcard_queue *q);
uint16_t vcard_avail_event(const struct vcard_queue *q);
void vcard_set_used_event(struct vcard_queue *q, uint16_t event);
void vcard_set_avail_flags(struct vcard_queue *q, uint16_t flags);
void vcard_set_avail_idx(struct vcard_queue *q, uint16_t idx);

/* A back-end that counts what it is told and pops nothing by itself. */
struct vcard_backend {
	struct x100_vdev *dev;
	unsigned int starts, stops, kicks;
	uint32_t features;
	void (*on_kick)(struct vcard_backend *b);
	unsigned int done;
	int error; /* of the last done */
};

extern const struct x100_backend_ops vcard_ops;
void vcard_done(void *arg, int error);
/* Add a device of type 2 with these queues and entries behind @b. */
struct x100_vdev *vcard_add(struct vcard_backend *b, const char *name, unsigned int queues,
			    uint16_t entries);

#endif
