/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card for the bootstrap's logic: sparse memory with a top and the hole under 4 GiB, a clock that
 * moves when it is read, and the I2C controller with its UART. Shared by the tests in this folder.
 */
#ifndef TESTS_BOOTSTRAP_FAKE_H
#define TESTS_BOOTSTRAP_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <x100/memmap.h>
#include <x100/regs.h>
#include "ops.h"

#define FAKE_PAGES 16384 /* 4 KiB pages that can be touched */

enum fake_beyond { /* what reads above the top of memory give */
	FAKE_ONES,
	FAKE_FLOATING, /* the value last on the bus */
	FAKE_WRAPPED,  /* memory again, modulo wrap */
};

enum fake_line { /* how the serial line behaves */
	FAKE_LINE_GOOD,
	FAKE_LINE_SILENT,  /* the controller never finishes a byte */
	FAKE_LINE_ABSENT,  /* nobody acknowledges */
	FAKE_LINE_STALLED, /* the UART takes bytes until its FIFO is full and sends none */
};

struct fake_page {
	uint64_t number;
	uint8_t *data;
};

struct fake {
	struct bs_ops ops;

	uint64_t top;
	enum fake_beyond beyond;
	uint64_t wrap;
	uint32_t bus;
	struct fake_page page[FAKE_PAGES];
	unsigned int pages;
	unsigned int overlay_writes; /* to the LAPIC page or the flash window: never right */
	unsigned int reads;          /* calls of mem_read */

	uint64_t now; /* ticks */

	enum fake_line line;
	uint32_t icr, isr, idbr;
	int state; /* bytes since the start condition, -1 when idle */
	bool reading;
	uint8_t reg;
	uint8_t regs[16];
	unsigned int fifo, overrun;
	uint64_t drained; /* when the FIFO last sent a byte */
	char sent[8192];
	unsigned int sent_len;
};

/* Memory up to @top, everything else good. The caller frees with fake_free(). */
struct fake *fake_new(uint64_t top);
void fake_free(struct fake *fake);

/* Direct access to memory, for setting up and looking. */
void fake_write(struct fake *fake, uint64_t phys, const void *src, size_t len);
void fake_read(struct fake *fake, uint64_t phys, void *dst, size_t len);
void fake_write32(struct fake *fake, uint64_t phys, uint32_t value);

#endif
