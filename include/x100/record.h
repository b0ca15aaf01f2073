/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Boot record: what the card leaves in its memory at X100_RECORD_BASE so that the host can tell the
 * story of a boot, also of the one before the last reset. The host reads it through the aperture.
 *
 * The bootstrap owns all of it until it enters the image; then the card kernel owns the fields
 * marked "kernel" and goes on with the last POST code and the stages of the current run. A reader
 * trusts nothing: magic, version and size first, then every index. Times are ETC ticks
 * (raw >> X100_ETC_SHIFT).
 */
#ifndef X100_RECORD_H
#define X100_RECORD_H

#include "memmap.h"
#include "types.h"

#define X100_RECORD_MAGIC   0x4345523030315858ull /* "XX100REC" */
#define X100_RECORD_VERSION 1

#define X100_RECORD_STAGES  64
#define X100_RECORD_CONSOLE 4096

/* One stage reached. */
struct x100_stage {
	uint64_t etc;    /* when */
	uint32_t post;   /* POST code posted then */
	uint32_t detail; /* stage-specific, 0 if none */
};

/* One run of the bootstrap, from reset to the next reset. */
struct x100_run {
	uint32_t seq;          /* counts resets since the record was made, from 1; 0 = unused */
	uint32_t post;         /* last POST code of this run */
	uint32_t reason;       /* enum x100_reason of the last failure, 0 if none */
	uint32_t pushes;       /* boot interrupts of this run; counted after reason was cleared */
	uint64_t detail[4];    /* of the reason: offending address, size, limit, field offset;
			     * for an exception: vector, error code, EIP, CR2 */
	uint32_t stages;       /* valid entries of stage[]; stays at the maximum when full */
	uint32_t console_head; /* bytes ever written; the ring holds the last of them */
	struct x100_stage stage[X100_RECORD_STAGES];
	char console[X100_RECORD_CONSOLE]; /* ring, byte n at n modulo its size */
};

/* Kernel: where the text of the card kernel's log is. phys 0 = there is none. */
struct x100_klog {
	uint64_t phys; /* card physical address of the ring, page aligned */
	uint32_t size; /* bytes, a power of two */
	uint32_t seq;  /* x100_run.seq of the run this kernel belongs to */
	uint64_t head; /* bytes ever written; byte n at n modulo size */
};

struct x100_record {
	uint64_t magic;
	uint32_t version;
	uint32_t size;        /* bytes of this structure */
	uint32_t current_run; /* index of the running run, 0 or 1; the other is the one before */
	uint32_t crc;         /* CRC-32 (as zlib) of magic, version, size (16 bytes) */
	uint64_t etc_reset;   /* ETC at the start of the current run */
	struct x100_run run[2];
	struct x100_klog klog;
};

X100_ASSERT_OFFSET(struct x100_run, detail, 16);
X100_ASSERT_OFFSET(struct x100_run, stages, 48);
X100_ASSERT_OFFSET(struct x100_run, stage, 56);
X100_ASSERT_OFFSET(struct x100_run, console, 56 + 16 * X100_RECORD_STAGES);
X100_ASSERT_SIZE(struct x100_run, 56 + 16 * X100_RECORD_STAGES + X100_RECORD_CONSOLE);
X100_ASSERT_OFFSET(struct x100_record, current_run, 16);
X100_ASSERT_OFFSET(struct x100_record, run, 32);
X100_ASSERT_OFFSET(struct x100_record, klog,
		   32 + 2 * (56 + 16 * X100_RECORD_STAGES + X100_RECORD_CONSOLE));
_Static_assert(sizeof(struct x100_record) <= X100_RECORD_SIZE, "boot record fits its place");

#endif
