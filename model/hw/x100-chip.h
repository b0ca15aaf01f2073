/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The chip of the model: memory, register blocks and interrupt paths of one card, as the PCIe side,
 * the machine and the CPU model see it.
 *
 * Every function is called with the big QEMU lock held and none of them waits.
 */
#ifndef X100_CHIP_H
#define X100_CHIP_H

#include "qom/object.h"
#include "x100/irq.h"

#define TYPE_X100_CHIP "x100-chip"
OBJECT_DECLARE_SIMPLE_TYPE(X100Chip, X100_CHIP)

/* Who accesses a register. Both sides reach the same registers (x100-hardware.md 0.1). */
enum x100_side {
	X100_CARD,
	X100_HOST,
};

/*
 * What a product fixes (x100-hardware.md 1.1-1.3, 3.3; silicon-notes.md). Its PCI identity is in
 * model/pcie.
 */
typedef struct X100Product {
	const char *name;
	uint32_t stepping;  /* CPUID stepping: 0 A, 1 B0, 2 C, 3 B1 */
	uint32_t channels;  /* GDDR channels */
	uint32_t icc;       /* divider of the 4000 MHz reference, SCRATCH4[29:25] */
	uint32_t ratio;     /* core clock ratio, CURRENTRATIO[11:0] */
	uint32_t mem_ratio; /* low byte of the memory clock ratio: 0x64 = 5.0 GT/s */
	uint32_t fuse;      /* fuse revision, SCRATCH7[9:0] */
	uint32_t meminfo;   /* low half of SCRATCH9 */
} X100Product;

/* Returns the product called @name, or NULL. */
const X100Product *x100_product(const char *name);

/* What the chip counts; a real link would charge for much of it (design.md, Counters). */
typedef struct X100Counters {
	uint64_t host_reads, host_writes; /* registers, by the host: non-posted and posted */
	uint64_t card_reads, card_writes; /* registers, by the card */
	uint64_t window_reads,
		window_writes;  /* system memory window: what is no RAM to the card's CPUs */
	uint64_t window_faults; /* of these, refused: SMPT entry lost, or not mapped by the host */
	uint64_t doorbells_to_card;          /* APICICR and RDMASR writes that rang */
	uint64_t icr_sends, rdmasr_writes;   /* of these, by the host */
	uint64_t doorbells_to_host;          /* SDBIC writes that rang */
	uint64_t sdbic[X100_HOST_DOORBELLS]; /* the same by register */
	uint64_t interrupts_to_host;         /* messages handed to the PCIe side */
	uint64_t interrupts_to_card;         /* handed to a local APIC */
	uint64_t interrupts_dropped; /* masked, no such APIC id, or the card held in reset */
	uint64_t dma_descriptors, dma_bytes; /* DMA engine */
	uint64_t uart_tx, uart_rx;           /* bytes on the serial line */
	uint64_t resets_rgcr, resets_platform;
	uint64_t guest_errors; /* all of them, also those logged only once */
} X100Counters;

/*
 * GDDR. @fd: shared memory file, sealed against change of size, whose offset x is card PA x; it
 * stays the chip's. @size: bytes visible, 31/32 of what is fitted. Returns its address in this
 * process.
 */
void *x100_chip_gddr(X100Chip *chip, int *fd, uint64_t *size);

/* True once GDDR is trained after a reset; before, it reads ones and drops writes. */
bool x100_chip_gddr_ready(const X100Chip *chip);

/*
 * The register dispatcher of both sides. @offset: in BAR4, DBOX at 0, SBOX at 0x10000, aligned
 * to 4, below X100_MMIO_SIZE. Registers nobody documents read 0 and are logged once.
 */
uint32_t x100_chip_mmio_read32(X100Chip *chip, enum x100_side side, uint32_t offset);
void x100_chip_mmio_write32(X100Chip *chip, enum x100_side side, uint32_t offset, uint32_t value);

/*
 * Reset of the device by its platform (hot reset, vfio-user device reset). As RGCR, but at once,
 * without leaving the bus, and SCRATCH2 keeps its stale value (x100-hardware.md 7.1).
 */
void x100_chip_platform_reset(X100Chip *chip);

/* The host changed between MSI-X, MSI and INTx: what is pending goes out the new way. */
void x100_chip_interrupts_changed(X100Chip *chip);

/* For the DMA engine: sets cause bits (X100_SRC_*); pulses an I/O APIC pin. */
void x100_chip_raise_host(X100Chip *chip, uint32_t causes);
void x100_chip_pulse_pin(X100Chip *chip, unsigned int pin);

/* Level of an I/O APIC pin. */
void x100_chip_set_pin(X100Chip *chip, unsigned int pin, bool level);

/*
 * Card physical memory as a bus master on the chip sees it: GDDR and, through the SMPT, memory of
 * the host.
 * Returns false if a byte of the range is neither; a refused read gives ones.
 */
bool x100_chip_bus_access(X100Chip *chip, uint64_t addr, void *buf, size_t len, bool is_write);

X100Counters *x100_chip_counters(X100Chip *chip);

#endif
