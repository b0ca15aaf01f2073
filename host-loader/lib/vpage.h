/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device page, devices and rings from the inside: what vpage.c (the page), vdev.c (one device and its
 * handshakes), vring.c (queues) and vstate.c (going on after a restart) share.
 */
#ifndef X100_VPAGE_H
#define X100_VPAGE_H

#include <libx100-virtio.h>

#include <x100/irq.h>
#include <x100/range.h>

#include "card.h"
#include "loop.h"

/* The longest a device's card side may take, ns (x100-abi.md 2.10, 2.11, 2.13). */
#define VDEV_CONFIG_DEADLINE   (10 * X100_NS_PER_SEC)
#define VDEV_RESUME_DEADLINE   (10 * X100_NS_PER_SEC)
#define VDEV_REMOVE_DEADLINE   (15 * X100_NS_PER_SEC)
#define VDEV_REMOVE_DEADLINE_A (10 * X100_NS_PER_SEC)

/* More resets and status changes of a device in a second than this are no driver's. */
#define VDEV_RATE 200

/* Bits of the virtio status byte. */
#define VIRTIO_DRIVER    0x02
#define VIRTIO_DRIVER_OK 0x04
#define VIRTIO_FAILED    0x80

#define VIRTIO_F_INDIRECT  (1u << 28)
#define VIRTIO_F_EVENT_IDX (1u << 29)

/* ------------------------------------------------------------------ memory the card shares */

/* One access each, and in program order with everything else on this side. */
static inline uint8_t shared_load8(const void *at)
{
	return __atomic_load_n((const uint8_t *)at, __ATOMIC_ACQUIRE);
}

static inline uint16_t shared_load16(const void *at)
{
	return __atomic_load_n((const uint16_t *)at, __ATOMIC_ACQUIRE);
}

static inline uint32_t shared_load32(const void *at)
{
	return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
}

static inline uint64_t shared_load64(const void *at)
{
	return __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
}

static inline void shared_store8(void *at, uint8_t value)
{
	__atomic_store_n((uint8_t *)at, value, __ATOMIC_RELEASE);
}

static inline void shared_store16(void *at, uint16_t value)
{
	__atomic_store_n((uint16_t *)at, value, __ATOMIC_RELEASE);
}

static inline void shared_store32(void *at, uint32_t value)
{
	__atomic_store_n((uint32_t *)at, value, __ATOMIC_RELEASE);
}

static inline void shared_store64(void *at, uint64_t value)
{
	__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
}

/* Members of structures on the page, and of the control block. */
#define SHARED_AT(base, type, member) ((uint8_t *)(base) + offsetof(type, member))

/* ------------------------------------------------------------------ the page */

/* Host memory is given out in pages of blocks, each mapped for the card as a whole. */
#define ARENA_PAGE  4096u
#define ARENA_PAGES 256u
#define ARENA_SIZE  (ARENA_PAGES * ARENA_PAGE)
#define ARENAS      8u

struct vpage_arena {
	struct x100_dma dma;       /* memory NULL: not there */
	uint64_t address;          /* card address */
	bool attached;             /* the card may reach it */
	uint8_t used[ARENA_PAGES]; /* 1: given out */
};

/* A run of pages of an arena; pages 0: none. */
struct vpage_memory {
	unsigned int arena, page, pages;
};

enum vpage_slot_use {
	SLOT_DELETED, /* may be used again by a descriptor with the same lengths */
	SLOT_USED,
	SLOT_LOST, /* a card that never answered may still know it: out of use until its reset */
};

struct vpage_slot {
	uint16_t offset;
	uint8_t num_vq, config_len;
	enum vpage_slot_use use;
};

/* The smallest descriptor has one queue and no config space. */
#define VPAGE_SLOTS 72u

/* One of the four doorbells of the card. */
struct vpage_bell {
	struct x100_watch watch;
	struct x100_vpage *page;
	unsigned int number;
};

struct x100_vpage {
	struct x100_card *card;
	struct x100_loop *loop;
	struct x100_vpage_params params;
	struct vpage_arena arena[ARENAS];
	uint8_t *at; /* the page: first of the first arena */
	uint64_t address;
	struct vpage_slot slot[VPAGE_SLOTS];
	unsigned int slots;
	uint16_t end;        /* offset behind the last slot */
	uint64_t memory_end; /* of what chains may point at */

	int8_t config_seen; /* h2c_config_db as last read */
	int8_t config_db;   /* the same if it makes sense, else -1 */
	struct card_doorbell config_bell;
	uint8_t bells[X100_HOST_DOORBELLS]; /* doorbells for devices, in turn */
	unsigned int bell_count, bell_next;
	uint8_t shutdown_bell; /* doorbell that tells of the end of the card OS */
	uint32_t sdbic1;       /* what the card OS last said about its end since its boot */
	struct vpage_bell bell[X100_HOST_DOORBELLS];
	bool posting_failed;

	struct x100_timer again;  /* a doorbell may have been faster than what it speaks of */
	unsigned int again_bells; /* bits */
	struct x100_timer coming; /* a driver is expected to publish h2c_config_db */
	uint64_t coming_until;

	struct x100_vdev *devs; /* in the order they were added */
	struct x100_vdev *dead; /* removed, not freed yet */
	struct x100_task bury;
	void (*changed)(void *arg);
	void *changed_arg;

	bool booted;   /* the card has had this page since its reset */
	bool resuming; /* between x100_vpage_resume() and _go() */
	/* Which boot that was, as the boot record counts; run 0: it has none. */
	uint32_t run, pushes;
	struct vstate *state;
};

/* Of push and reset: a new page for the boot that comes; SPAD14/15 are the caller's. */
int vpage_boot(struct x100_vpage *page);

/* Let devices have doorbells @bells in turn, and @shutdown tell of the end; for tests. */
void vpage_set_bells(struct x100_vpage *page, const uint8_t *bells, unsigned int count,
		     uint8_t shutdown);

void vpage_log(struct x100_vpage *page, int level, const struct x100_vdev *dev, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));
/* x100_vpage_state() would say something else now. */
void vpage_changed(struct x100_vpage *page);

/* Make a page structure without memory. */
int vpage_create(struct x100_card *card, struct x100_loop *loop,
		 const struct x100_vpage_params *params, struct x100_vpage **page);
/* Make an arena that the card cannot reach yet; put it into its reach. */
int vpage_arena_add(struct x100_vpage *page, unsigned int index, uint64_t iova);
int vpage_arena_attach(struct x100_vpage *page, unsigned int index);
int vpage_watch(struct x100_vpage *page);

/* Zeroed pages for @size bytes. Returns an enum x100_error. */
int vpage_memory_take(struct x100_vpage *page, uint32_t size, struct vpage_memory *memory);
void vpage_memory_give(struct x100_vpage *page, struct vpage_memory *memory);
uint8_t *vpage_memory_at(const struct x100_vpage *page, const struct vpage_memory *memory);
uint64_t vpage_memory_address(const struct x100_vpage *page, const struct vpage_memory *memory);

/* A place for a descriptor of these lengths; -1: none. */
int vpage_slot_take(struct x100_vpage *page, uint8_t num_vq, uint8_t config_len);
int vpage_slot_append(struct x100_vpage *page, uint8_t num_vq, uint8_t config_len,
		      enum vpage_slot_use use);

/* The card can reach [address, address + size) as memory of its own. */
bool vpage_card_memory(const struct x100_vpage *page, uint64_t address, uint64_t size);
/* Ask how much memory the card has. */
int vpage_learn_memory(struct x100_vpage *page);

void vpage_lay_bootparam(struct x100_vpage *page);
uint8_t *vpage_config_db_at(const struct x100_vpage *page);
/* Read h2c_config_db; if it has appeared, ring it (x100-abi.md 9.3 no. 9). */
void vpage_look_config_db(struct x100_vpage *page);
void vpage_ring_config(struct x100_vpage *page);
/* A driver is on its way up. */
void vpage_expect_driver(struct x100_vpage *page);
void vpage_ring(struct x100_vpage *page, const struct card_doorbell *bell);
/* Take a device off the list; its memory goes once nobody can be using it. */
void vpage_unlink(struct x100_vpage *page, struct x100_vdev *dev);

/* ------------------------------------------------------------------ devices */

enum vdev_change {
	CHANGE_NONE = 0,
	CHANGE_REMOVE = X100_CHANGE_REMOVE,
	CHANGE_CONFIG = X100_CHANGE_CONFIG,
	CHANGE_RESUME = X100_CHANGE_RESUME,
};

/* Somebody who wants to know what became of a change of config space. */
struct vdev_waiter {
	struct vdev_waiter *next;
	void (*done)(void *arg, int error);
	void *arg;
};

struct x100_vq {
	struct x100_vdev *dev;
	unsigned int index;
	uint16_t num;
	struct vpage_memory memory;
	uint8_t *ring; /* descriptors, avail ring, trailer: host memory, written by the card */
	uint64_t used_address; /* card memory, checked; 0: the driver does not use this queue */
	uint8_t *used;         /* the same where it is mapped, else NULL */
	bool event_idx;
	bool quiet; /* without EVENT_IDX: the card was told not to kick */
	/* All that was told to the card stands here; nothing of it is read back. */
	uint16_t next_avail; /* chains taken */
	uint16_t seen_avail; /* the card's index as last read and checked */
	uint16_t used_idx;   /* chains given back, */
	uint16_t published;  /* and those of them that the card can see */
};

struct x100_vdev {
	struct x100_vpage *page;
	struct x100_vdev *next, *next_dead;
	bool dead;
	char name[32];
	struct x100_vdev_params params; /* .name is @name, .config @config */
	uint32_t offered;
	uint8_t config[X100_VDEV_MAX_DESC]; /* as the host wants it */
	bool dirty[X100_VDEV_MAX_DESC];     /* not on the page yet */
	struct x100_vq vq[X100_VDEV_MAX_QUEUES];

	int slot;
	uint8_t *desc, *ctrl; /* on the page */
	uint8_t c2h_db;
	int8_t h2c_db;
	struct card_doorbell bell;

	uint8_t status; /* as last seen */
	uint8_t card_features;
	uint32_t accepted;
	bool live;   /* ops->start was called, ops->stop was not */
	bool probed; /* the card's driver reset it since the boot */
	enum x100_fault fault;
	uint64_t fault_detail;

	enum vdev_change change; /* handshake under way */
	uint64_t change_deadline, change_step, change_ring;
	struct x100_timer change_timer;
	bool config_wanted, remove_wanted;
	struct vdev_waiter *sent, *waiting;
	void (*removed)(void *arg, int error);
	void *removed_arg;

	uint64_t rate_since;
	unsigned int rate;
	bool held; /* too fast: not looked at for a while */
	struct x100_timer hold;

	uint64_t kicks, notifies, chains, resets;
};

/* As x100_vpage_add() with checked parameters, but not on the page yet; @entries is set. */
struct x100_vdev *vdev_create(struct x100_vpage *page, const struct x100_vdev_params *params,
			      uint16_t entries);
/* Give it a slot and rings of its own. */
int vdev_place(struct x100_vdev *dev);
/* Put the descriptor into its slot, the type last. */
void vdev_lay(struct x100_vdev *dev);
/* Everything but the type, with rings zeroed. */
void vdev_lay_body(struct x100_vdev *dev);
/* The card rang, or a while has passed since it did. */
void vdev_look(struct x100_vdev *dev);
/* End service; the card may still use the rings. */
void vdev_stop(struct x100_vdev *dev);
/* Forget all the card ever said about the device, as after a reset of the card. */
void vdev_forget(struct x100_vdev *dev);
/* End whatever is under way; for a card that was reset or is to be left alone. */
void vdev_abandon(struct x100_vdev *dev, int config_error, int remove_error);
/* Read what the driver stored on the page and serve it, if it is ready. */
void vdev_take_driver(struct x100_vdev *dev);
/* Wait for the answer to what the page asks of the card already. */
void vdev_await_change(struct x100_vdev *dev, enum vdev_change change, uint64_t deadline);
void vdev_free_rings(struct x100_vdev *dev);
void vdev_notify(struct x100_vdev *dev);

static inline bool vdev_removing(const struct x100_vdev *dev)
{
	return dev->remove_wanted || dev->change == CHANGE_REMOVE;
}

/* ------------------------------------------------------------------ queues */

/* Back to how rings are after a reset. */
void vring_forget(struct x100_vq *vq);
/* Zero the ring and write the trailer. */
void vring_lay(struct x100_vq *vq);
/* The trailer is as it was written. */
bool vring_trailer_intact(const struct x100_vq *vq);
/* Use the used ring at @address, which was checked; indices begin at @index. */
void vring_start(struct x100_vq *vq, uint64_t address, bool event_idx, uint16_t index);
/* A used ring at @address can be. */
bool vring_used_fits(const struct x100_vq *vq, uint64_t address);

#endif
