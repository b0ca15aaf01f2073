/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libx100: the virtio devices that the host lends a card (x100-abi.md section 2). One struct x100_vpage
 * is the device page of one card; on it are devices (struct x100_vdev), each with a back-end, which sees
 * queues (struct x100_vq) and chains of checked memory (struct x100_chain).
 *
 * Everything about one card happens in the thread that runs its loop. Nothing here waits: handshakes go
 * on from the loop, with deadlines. The card is never trusted: every field of the page and every ring
 * word is read once, checked and used from the copy. A device whose card side breaks the rules is
 * stopped with a reason, and the others go on.
 */
#ifndef LIBX100_VIRTIO_H
#define LIBX100_VIRTIO_H

#include <libx100.h>
#include <sys/uio.h>

#include <x100/devpage.h>

struct x100_loop;
struct x100_vpage;
struct x100_vdev;
struct x100_vq;

/* Why a device was stopped. X(NAME, "what the card did"); each has a test. */
#define X100_FAULT_LIST(X)                                                                         \
	X(NONE, "nothing")                                                                         \
	X(AVAIL_JUMP, "its avail index jumped further than the ring is long")                      \
	X(HEAD, "an avail entry names a descriptor outside the table")                             \
	X(NEXT, "a descriptor names a next one outside the table")                                 \
	X(LOOP, "a chain of descriptors has no end")                                               \
	X(INDIRECT, "an indirect descriptor, which was not negotiated")                            \
	X(ORDER, "a readable descriptor behind a writable one")                                    \
	X(EMPTY, "a descriptor of length 0")                                                       \
	X(ADDRESS, "a buffer outside the card's memory")                                           \
	X(TOO_LONG, "a chain longer than the device takes")                                        \
	X(USED_ADDRESS, "a used ring outside the card's memory or not aligned to 4")               \
	X(DOORBELL, "a doorbell number above 15")                                                  \
	X(FEATURES, "features accepted that were not offered")                                     \
	X(REQUEST, "a request that is not one of its device type")                                 \
	X(HOST_RING, "its ring was overwritten where only the host writes")                        \
	X(RATE, "more resets or status changes than a driver makes")

enum x100_fault {
#define X100_FAULT_ENUM(name, words) X100_FAULT_##name,
	X100_FAULT_LIST(X100_FAULT_ENUM)
#undef X100_FAULT_ENUM
	X100_FAULTS,
};

/* What the card did, as a clause; never NULL. */
const char *x100_fault_words(unsigned int fault);

/* ------------------------------------------------------------------ back-ends */

/*
 * What a back-end is told; all from the loop's thread. The back-end's memory is its own; it outlives the
 * device, that is: it may go once x100_vdev_remove() said that it is done, or after x100_vpage_free().
 */
struct x100_backend_ops {
	/*
	 * The card's driver is ready (DRIVER_OK) and all its queues are usable. @features: what it
	 * accepted, a subset of what was offered. NULL is fine.
	 */
	void (*start)(void *arg, struct x100_vdev *dev, uint32_t features);
	/*
	 * The device is reset, removed, faulted or the card is gone: queues and chains must not be touched
	 * from now on (chains held are freed with x100_chain_free(), not pushed). I/O still going on
	 * into card memory has to end before this returns.
	 */
	void (*stop)(void *arg, struct x100_vdev *dev);
	/* The card kicked, or notifications were switched on and there is work: look at every queue. */
	void (*kick)(void *arg, struct x100_vdev *dev);
};

/* What a device looks like to the card. */
struct x100_vdev_params {
	uint8_t type;        /* virtio id: 1 net, 2 block, 3 console, 4 entropy */
	unsigned int queues; /* 1 to X100_VDEV_MAX_QUEUES */
	uint16_t entries;    /* of each queue, a power of two up to X100_VRING_MAX; 0 = 128 */
	uint32_t features;   /* offered device features; transport bits are the page's business */
	const void *config;  /* initial config space, copied */
	uint8_t config_size; /* bytes */
	uint32_t chain_max;  /* bytes a chain may hold in one direction; 0 = 64 MiB */
	const char *name;    /* for messages: "console", "net0"; copied */
	const struct x100_backend_ops *ops;
	void *arg;
};

/* ------------------------------------------------------------------ device page */

enum x100_generation {
	X100_GEN_C2, /* trailer rounded up: Linux 4.19.191 and ours */
	X100_GEN_C,  /* Linux 4.6 to 5.9 without that fix */
	X100_GEN_A,  /* Linux 3.13 to 4.1: 16-byte bootparam */
};

struct x100_vpage_params {
	enum x100_generation generation;
	/*
	 * What the daemon of Linux 4.19 offered and nothing more: no EVENT_IDX, devices masked to
	 * console 0, net 0x3C1, block 0x4. For old card OSes that break on more, and tests.
	 */
	bool legacy_features;
	uint8_t node_id; /* card number + 1; 0 = 1 */
	/* One line for the log; @dev NULL: about the page. */
	void (*log)(void *arg, int level, const struct x100_vdev *dev, const char *text);
	/*
	 * The card OS rang doorbell 1: it ends. @sdbic1 is what stands in SDBIC1, without
	 * X100_SDBIC_REQUEST (irq.h has the words); it stays there for x100_status_read() until the
	 * card is reset. Of generation A, what its shutdown_status means in these words. NULL is fine.
	 */
	void (*shutdown)(void *arg, uint32_t sdbic1);
	void *arg;
};

/* Levels of log lines: those of syslog. */
#define X100_LOG_ERR     3
#define X100_LOG_WARNING 4
#define X100_LOG_NOTICE  5
#define X100_LOG_INFO    6
#define X100_LOG_DEBUG   7

/*
 * Make the device page of @card: allocate and map its memory, enable interrupts, watch the doorbells.
 * From now on x100_push() puts this page at the card's disposal at every boot.
 *
 * Errors: those of x100_dma_alloc() and x100_irq_setup().
 */
int x100_vpage_new(struct x100_card *card, struct x100_loop *loop,
		   const struct x100_vpage_params *params, struct x100_vpage **page);

/* Stop every device and take the page away from the card. NULL is fine. */
void x100_vpage_free(struct x100_vpage *page);

/*
 * The card is about to be reset, or was found reset: every device is stopped on this side and waits,
 * untouched by the card, for the next boot (x100-abi.md 2.11 "Host stop", without its waits).
 * x100_push() and x100_reset() call it. NULL is fine.
 */
void x100_vpage_card_reset(struct x100_vpage *page);

/*
 * What a restarted program needs to go on with a card that runs: addresses, slots, doorbells, as JSON
 * text that x100_vpage_resume() takes. The caller frees it. NULL without memory.
 */
char *x100_vpage_state(const struct x100_vpage *page);
/* Called whenever x100_vpage_state() would now say something else. */
void x100_vpage_on_state(struct x100_vpage *page, void (*changed)(void *arg), void *arg);

/*
 * As x100_vpage_new(), for a card whose OS runs with the page that @state describes. Devices added next
 * with the same name, type, queues and config size get their old slot and go on where they were, once
 * x100_vpage_resume_go() was called; those of @state that are not added by then are removed from the card.
 *
 * Errors: STATE when @state does not fit the card (it was reset meanwhile, or is another one): the caller
 * then takes x100_vpage_new(); RESUME when the card OS cannot take a restarted host back: it has to
 * be reset; transport errors. Of x100_vpage_resume_go(): STATE, MEMORY, transport errors; the page is
 * good for x100_vpage_free() only then.
 */
int x100_vpage_resume(struct x100_card *card, struct x100_loop *loop,
		      const struct x100_vpage_params *params, const char *state,
		      struct x100_vpage **page);
int x100_vpage_resume_go(struct x100_vpage *page);

/*
 * Add a device; the card is told if its OS runs.
 *
 * Errors: ARGUMENT (queues, entries or sizes out of range; a name taken), NO_ROOM (no slot left on the
 * page), MEMORY, transport errors.
 */
int x100_vpage_add(struct x100_vpage *page, const struct x100_vdev_params *params,
		   struct x100_vdev **dev);

/*
 * Take a device away: the card is asked (x100-abi.md 2.11) and has 15 s to let go; a card that does not
 * answer loses it anyway, but its ring memory is kept until the card is reset. @done is called once,
 * maybe before this returns, with X100_OK or X100_ERR_NO_ANSWER; @dev is invalid from then on.
 */
void x100_vdev_remove(struct x100_vdev *dev, void (*done)(void *arg, int error), void *arg);

/*
 * Change config space bytes and tell the card, which has 10 s to acknowledge. Changes made while
 * one is under way are sent together after it. @done (may be NULL): X100_OK, X100_ERR_NO_ANSWER,
 * X100_ERR_NOT_READY when no driver is bound: the new bytes are on the page then.
 */
int x100_vdev_config_write(struct x100_vdev *dev, unsigned int offset, const void *bytes,
			   size_t size, void (*done)(void *arg, int error), void *arg);
/* Copy of the config space as the card sees it now. Returns bytes. */
size_t x100_vdev_config_read(const struct x100_vdev *dev, void *bytes, size_t size);

/* Stop a device because its card side broke the rules; the log gets one line. */
void x100_vdev_fault(struct x100_vdev *dev, enum x100_fault fault, uint64_t detail);

enum x100_vdev_state {
	X100_VDEV_IDLE,    /* no driver yet */
	X100_VDEV_PROBING, /* ACKNOWLEDGE or DRIVER */
	X100_VDEV_LIVE,    /* DRIVER_OK */
	X100_VDEV_FAILED,  /* the driver gave it up */
	X100_VDEV_FAULTED, /* stopped by us; a reset by the card's driver starts it anew */
	X100_VDEV_REMOVING,
};

struct x100_vdev_info {
	const char *name;
	uint8_t type;
	enum x100_vdev_state state;
	enum x100_fault fault;
	uint64_t fault_detail;
	uint32_t offered, accepted;
	unsigned int queues;
	/* Since the device was added. */
	uint64_t kicks;    /* doorbells of the card */
	uint64_t notifies; /* doorbells to the card */
	uint64_t chains;   /* taken from the card */
	uint64_t resets;
};

void x100_vdev_info(const struct x100_vdev *dev, struct x100_vdev_info *info);
/* Devices in the order they were added; NULL at the end. */
struct x100_vdev *x100_vpage_dev(const struct x100_vpage *page, unsigned int index);

/* ------------------------------------------------------------------ queues */

/* Queue @index of a live device. */
struct x100_vq *x100_vdev_queue(struct x100_vdev *dev, unsigned int index);

/* Part of a buffer in card memory, inside it as a whole. */
struct x100_seg {
	uint64_t card; /* card physical address */
	uint32_t size;
};

/* A chain taken from a queue. Readable parts (card to host) come first, then writable ones. */
struct x100_chain {
	struct x100_vq *vq;
	uint16_t head;
	uint16_t readable, writable; /* parts of each kind */
	uint64_t read_bytes, write_bytes;
	struct x100_seg seg[]; /* as many as the queue has entries */
};

/* Room for a chain of a queue; NULL without memory. Reused for as many pops as one likes. */
struct x100_chain *x100_chain_new(struct x100_vq *vq);
void x100_chain_free(struct x100_chain *chain);

/*
 * Take the next chain. Returns 1 with @chain filled, 0 when there is none (notifications are as they
 * were), negative when the card broke the rules: the device is stopped then and ops->stop was called.
 */
int x100_vq_pop(struct x100_vq *vq, struct x100_chain *chain);
/* True when x100_vq_pop() would find a chain. */
bool x100_vq_more(struct x100_vq *vq);
/* Put back the chains popped last, in reverse order of popping. */
void x100_vq_unpop(struct x100_vq *vq, unsigned int chains);

/* Give a chain back with the number of bytes written into it; the card sees it at x100_vq_flush(). */
void x100_vq_push(struct x100_vq *vq, const struct x100_chain *chain, uint32_t written);
/* Publish what was pushed and ring the card if it wants to know. */
void x100_vq_flush(struct x100_vq *vq);
/* The same for all queues of a device, with one doorbell. */
void x100_vdev_flush(struct x100_vdev *dev);

/*
 * While off, the card need not kick. On returns true when chains came in between: look again. The
 * pattern is: off; pop until 0; on; if it returned true, again.
 */
void x100_vq_notify_off(struct x100_vq *vq);
bool x100_vq_notify_on(struct x100_vq *vq);

/*
 * Copy out of the readable or into the writable parts, from @offset of those on. Return the bytes
 * copied: fewer where the chain ends, or when the card is gone.
 */
size_t x100_chain_read(const struct x100_chain *chain, uint64_t offset, void *to, size_t size);
size_t x100_chain_write(const struct x100_chain *chain, uint64_t offset, const void *from,
			size_t size);

/*
 * The same bytes as an iovec onto the mapped aperture, for readv(), writev() and io_uring. Returns the
 * number of entries, 0 when size is 0, or -1 when the memory is not mapped or more than @max entries
 * are needed: copy instead.
 */
int x100_chain_iov(const struct x100_chain *chain, bool writable, uint64_t offset, uint64_t size,
		   struct iovec *iov, unsigned int max);

#endif
