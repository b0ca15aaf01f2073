/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Stand-ins of the model for what silicon has but nobody documents: which cores and threads are
 * fused on, and how GDDR is trained. None of this is known of a real card; firmware for silicon
 * needs the factory's own way here (x100-hardware.md 8.1, docs/model.md).
 */
#ifndef X100_STRAP_H
#define X100_STRAP_H

#include "memmap.h"

/* SBOX RSC0 (0xCC54, "name only"): core and memory fuses. */
#define X100_STRAP_CORES_SHIFT    0 /* 7:0 cores that work */
#define X100_STRAP_CORES_MASK     0xFFu
#define X100_STRAP_THREADS_SHIFT  8 /* 11:8 mask of threads per core, as SCRATCH4[3:0] */
#define X100_STRAP_THREADS_MASK   0xFu
#define X100_STRAP_CHANNELS_SHIFT 12 /* 17:12 GDDR channels */
#define X100_STRAP_CHANNELS_MASK  0x3Fu
#define X100_STRAP_ECC            (1u << 18)
#define X100_STRAP_ICC_SHIFT      20 /* 24:20 divider of the 4000 MHz reference */
#define X100_STRAP_ICC_MASK       0x1Fu

/* SBOX RSC1 (0xCC58, "name only"): 15:0 fuse revision for SCRATCH7, 31:16 memory information low
 * half of SCRATCH9 (vendor, revision, density, FIFO). */
#define X100_STRAP_FUSE_MASK     0xFFFFu
#define X100_STRAP_MEMINFO_SHIFT 16

/* GBOX0 microcode registers (3.12: "training microcode: address, start, command"). */
#define X100_GBOX_UCODE_ADDR  0x700
#define X100_GBOX_UCODE_START 0x720 /* W bit 0 starts training; R bit 0 busy */
#define X100_GBOX_UCODE_CMD   0x724 /* R bit 0 trained, bit 1 failed */
#define X100_TRAIN_START      (1u << 0)
#define X100_TRAIN_BUSY       (1u << 0)
#define X100_TRAIN_DONE       (1u << 0)
#define X100_TRAIN_FAILED     (1u << 1)

#endif
