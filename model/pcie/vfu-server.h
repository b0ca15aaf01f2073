/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-user transport: a listening Unix socket, one attached client at a time, whole messages in
 * and out. Knows the header, the version handshake and DMA messages; commands go to the device.
 *
 * Wire format: docs/vfio-user.rst of libvfio-user (QEMU 7.2 source package), protocol 0.1.
 */
#ifndef X100_VFU_SERVER_H
#define X100_VFU_SERVER_H

#include "qapi/error.h"

#define X100_VFU_MAX_FDS     32         /* descriptors taken or sent with one message */
#define X100_VFU_MAX_XFER    (1u << 20) /* data bytes of one region or DMA access */
#define X100_VFU_MAX_PAYLOAD (X100_VFU_MAX_XFER + 64)

enum X100VfuCommand {
	X100_VFU_VERSION = 1,
	X100_VFU_DMA_MAP = 2,
	X100_VFU_DMA_UNMAP = 3,
	X100_VFU_GET_INFO = 4,
	X100_VFU_GET_REGION_INFO = 5,
	X100_VFU_GET_REGION_IO_FDS = 6,
	X100_VFU_GET_IRQ_INFO = 7,
	X100_VFU_SET_IRQS = 8,
	X100_VFU_REGION_READ = 9,
	X100_VFU_REGION_WRITE = 10,
	X100_VFU_DMA_READ = 11,
	X100_VFU_DMA_WRITE = 12,
	X100_VFU_RESET = 13,
	X100_VFU_DIRTY_PAGES = 14,
};

typedef struct X100VfuServer X100VfuServer;

/* One received message. The transport frees it and closes the descriptors still in it. */
typedef struct X100VfuMsg {
	uint16_t id;
	uint16_t cmd;
	bool is_reply;
	bool no_reply;
	int error; /* of a reply: errno, 0 if it succeeded */
	uint8_t *data;
	size_t len;
	int fds[X100_VFU_MAX_FDS]; /* a handler that keeps one stores -1 here */
	size_t nr_fds;
	bool fds_lost; /* more were sent than fit */
} X100VfuMsg;

/* What a command handler answers. Descriptors are only borrowed until the answer was sent. */
typedef struct X100VfuReply {
	GByteArray *data;
	int fds[X100_VFU_MAX_FDS];
	size_t nr_fds;
} X100VfuReply;

typedef struct X100VfuOps {
	void (*attached)(void *opaque);
	/* The client left or was dropped. Its mappings and event descriptors must go. */
	void (*detached)(void *opaque);
	void (*refused)(void *opaque);
	/* Runs one command. Returns 0 or a positive errno, which makes an answer without payload. */
	int (*command)(void *opaque, X100VfuMsg *msg, X100VfuReply *reply);
	/* A command whose answer the client does not want failed with @error, a positive errno. */
	void (*unanswered)(void *opaque, const X100VfuMsg *msg, int error);
} X100VfuOps;

/*
 * Listens at @path: mode 0600, the directory is created, a dead socket is replaced, one that
 * answers is not. The socket is removed at exit. Returns NULL with @errp set.
 */
X100VfuServer *x100_vfu_listen(const char *path, const X100VfuOps *ops, void *opaque, Error **errp);

bool x100_vfu_is_attached(const X100VfuServer *srv);

/* How many descriptors the client takes in one message; 1 if it did not say. */
unsigned int x100_vfu_client_max_fds(const X100VfuServer *srv);

/*
 * Asks the client to read or write its memory. Waits at most @timeout_ms, with the big lock held.
 *
 * Returns 0, -ENOTCONN (nobody attached or it vanished), -ETIMEDOUT (no answer in time, or none to
 * an earlier request yet), -EPROTO (the answer is not for what was asked), or the client's errno.
 */
int x100_vfu_dma(X100VfuServer *srv, uint64_t addr, void *buf, size_t len, bool is_write,
		 int timeout_ms);

#endif
