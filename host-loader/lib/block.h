/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the disk that the card sees and the medium its bytes are on: a file or block device, or an NBD
 * server. All of it is the business of one thread, that of the loop.
 */
#ifndef X100_BLOCK_H
#define X100_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "backend.h"

/* Requests of one disk under way at a time; what is more waits in the card's rings. */
#define BLOCK_IN_FLIGHT 256

/* ------------------------------------------------------------------ system calls */

enum block_call_kind {
	BLOCK_CALL_READ,  /* preadv2() */
	BLOCK_CALL_WRITE, /* pwritev2() */
	BLOCK_CALL_SYNC,  /* fdatasync() */
	BLOCK_CALL_ALLOC, /* fallocate(), mode in flags */
	BLOCK_CALL_TRIM,  /* ioctl(BLKDISCARD) */
};

/* One system call that may take long. */
struct block_call {
	enum block_call_kind kind;
	int fd;
	int flags;
	const struct iovec *iov;
	unsigned int iovs;
	uint64_t offset, size; /* bytes; size of ALLOC and TRIM */
	int64_t result;        /* as the system call, or -errno */
	void (*done)(struct block_call *call);
	struct block_call *next; /* the engine's */
};

/*
 * Something that makes system calls while the loop goes on. At most BLOCK_IN_FLIGHT calls are started and not
 * done. done() is called from commit(), from drain() or from the loop, never from start().
 */
struct block_engine {
	const char *name;
	void (*start)(struct block_engine *engine, struct block_call *call);
	/* Get what was started under way, and tell what is done already. */
	void (*commit)(struct block_engine *engine);
	/* Cancel what can be; returns when every call is done. Storage that hangs makes it hang. */
	void (*drain)(struct block_engine *engine);
	/* Only after drain(). */
	void (*free)(struct block_engine *engine);
};

/* Through io_uring. NULL with errno when the system does not have or give it. */
struct block_engine *block_ring_new(struct x100_loop *loop);
/* In a few threads. NULL with errno. */
struct block_engine *block_threads_new(struct x100_loop *loop);

/* ------------------------------------------------------------------ media */

enum block_op {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,
	BLOCK_ZERO, /* write zeroes */
};

/* One thing for a medium to do. */
struct block_io {
	enum block_op op;
	bool unmap;            /* ZERO: space may be given back */
	bool durable;          /* WRITE, ZERO: not done before it would survive a loss of power */
	uint64_t offset, size; /* bytes, in the medium; ignored by FLUSH */
	struct iovec *iov;     /* READ, WRITE: size bytes in all, kept until done() */
	unsigned int iovs;
	/* @result: bytes read or written, maybe fewer than size; 0 for the others; or -errno. */
	void (*done)(struct block_io *io, int64_t result);
	/* The medium's. */
	void *owner;
	struct block_call call;
	unsigned int stage;
	uint64_t zeroed; /* bytes */
	struct iovec zero_iov;
	unsigned int epoch;
	int64_t result;
	struct block_io *next;
};

struct block_medium {
	const struct block_medium_ops *ops;
	uint64_t size; /* bytes, a multiple of 512 */
	uint32_t block_size; /* bytes, a power of two of at least 512: what requests had better be multiples of */
	bool read_only, can_discard, can_zero;
	/* Buffers are private memory, one entry each: drain() leaves what takes long to end later. */
	bool private_buffers;
};

/* Same rules for done() as with an engine: from commit(), drain(), close() or the loop. */
struct block_medium_ops {
	void (*submit)(struct block_medium *medium, struct block_io *io);
	void (*commit)(struct block_medium *medium);
	/* Nobody touches the buffers of READ and WRITE afterwards (unless they are private). */
	void (*drain)(struct block_medium *medium);
	/* Ends everything and frees it. */
	void (*close)(struct block_medium *medium);
	/* Find the size anew. Errors: FILE, SYSTEM. */
	int (*rescan)(struct block_medium *medium, struct x100_why *why);
	void (*status)(const struct block_medium *medium, struct json_object *status);
};

/* What a medium is opened with; outlives it. */
struct block_medium_params {
	struct x100_loop *loop;
	const char *name;  /* of the disk, for messages */
	const char *where; /* path or URI */
	bool read_only;
	uint64_t timeout; /* ns; NBD: how long a server may be silent that owes an answer */
	void (*log)(void *arg, int level, const char *text);
	void *arg;
};

/* Errors: FILE, PERMISSION, SYSTEM, MEMORY. */
int block_file_open(const struct block_medium_params *params, struct x100_why *why,
		    struct block_medium **medium);
/* Errors: ARGUMENT (the URI), FILE, SYSTEM, MEMORY. Waits for the server for at most 5 s. */
int block_nbd_open(const struct block_medium_params *params, struct x100_why *why,
		   struct block_medium **medium);
/* Whether this is an URI for block_nbd_open(). */
bool block_nbd_is_uri(const char *where);

#endif
