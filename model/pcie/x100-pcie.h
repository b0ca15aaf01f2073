/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCIe side of the model: what the chip may ask of it, and what it asks of the chip.
 *
 * Every function here is called with the big QEMU lock held and none waits for the client longer
 * than the deadline of a message DMA (X100_PCIE_DMA_DEADLINE_MS).
 */
#ifndef X100_PCIE_H
#define X100_PCIE_H

#include "exec/memory.h"
#include "qapi/error.h"
#include "x100/pci.h"

/* A client that does not answer a DMA message within this time is refused further ones until it does. */
#define X100_PCIE_DMA_DEADLINE_MS 200

typedef struct X100Pcie X100Pcie;

/* What this side counts; a link would charge for each of them (design.md, Counters). */
typedef struct X100PcieCounters {
	uint64_t config_reads, config_writes;
	uint64_t mmio_reads, mmio_writes; /* BAR4: non-posted reads, posted writes */
	uint64_t aperture_reads,
		aperture_writes; /* BAR0 through the socket only, not through mmap */
	uint64_t aperture_read_bytes, aperture_write_bytes;
	uint64_t dma_reads,
		dma_writes; /* card to host memory, each access that is no RAM to the CPUs */
	uint64_t dma_read_bytes, dma_write_bytes;
	uint64_t dma_messages; /* of these, what had to be asked of the client by message */
	uint64_t dma_refused;  /* not mapped, not permitted, no bus master, client gone or deaf */
	uint64_t interrupts;   /* event descriptors written */
	uint64_t interrupts_lost;            /* raised while nobody listened */
	uint64_t vectors[X100_MSIX_VECTORS]; /* of the interrupts, MSI-X and MSI by vector */
	uint64_t bad_accesses; /* BAR accesses refused: width, alignment, above GDDR, off the bus */
	uint64_t clients, clients_refused;
	uint64_t direct_mappings; /* host memory that is RAM to the CPUs, now */
} X100PcieCounters;

/* What the PCIe side needs of the chip. All are required. */
typedef struct X100PcieOps {
	/* 32-bit registers, @offset in BAR4 (DBOX at 0, SBOX at 0x10000), aligned to 4. */
	uint32_t (*mmio_read)(void *chip, uint32_t offset);
	void (*mmio_write)(void *chip, uint32_t offset, uint32_t value);
	/* True while GDDR is trained: before, the aperture reads ones and drops writes. */
	bool (*gddr_ready)(void *chip);
	/* The host reset the device (hot reset): as RGCR, but SCRATCH2 keeps its value (x100-hardware.md 7.1). */
	void (*platform_reset)(void *chip);
	/* Message-signalled mode or a vector mask changed: recompute what is pending. */
	void (*interrupts_changed)(void *chip);
	/* What x100_pcie_host_memory_at() says may have changed. */
	void (*host_memory_changed)(void *chip);
} X100PcieOps;

typedef struct X100PcieParams {
	const char *socket;  /* path of the vfio-user socket; NULL: nobody can attach */
	const char *product; /* "3120A", "5110P", "7120P" */
	int gddr_fd; /* shared memory whose offset x is card PA x; sealed against shrinking; not owned */
	void *gddr_host;   /* the same memory in this process: RAM of a memory region */
	uint64_t gddr_top; /* bytes of it that are visible, a multiple of 4 KiB */
	bool trace;        /* no mmap of BAR0, no host memory as RAM: every access is counted */
	const X100PcieOps *ops;
	void *chip;
} X100PcieParams;

/*
 * Creates the function and starts to listen. @params is copied, the strings too. The socket is
 * removed when QEMU exits. Returns NULL with @errp set: unknown product, path unusable or in use.
 */
X100Pcie *x100_pcie_new(const X100PcieParams *params, Error **errp);

/*
 * Host memory access by the card. @bus is the host bus address behind the SMPT. Naturally aligned
 * accesses of 1, 2, 4, 8 bytes are single copies. Returns false if any byte is not mapped or not
 * permitted by the client, bus mastering is off, or the client is gone or deaf; a refused read
 * fills @buf with ones. Refusals are counted and logged as guest errors.
 */
bool x100_pcie_dma(X100Pcie *pcie, uint64_t bus, void *buf, size_t len, bool is_write);

/*
 * Host memory that the card's CPUs may access as RAM, by host bus address: what the client mapped
 * readable and writable with a descriptor of a sealed memory file, in whole pages. NULL if every
 * access has to be seen (trace). Elsewhere the region is empty: x100_pcie_dma() decides.
 */
MemoryRegion *x100_pcie_host_memory(X100Pcie *pcie);

/* True if [@bus, @bus + @size) holds some of it and the host allows bus mastering. */
bool x100_pcie_host_memory_at(X100Pcie *pcie, uint64_t bus, uint64_t size);

/* True if MSI-X or MSI is enabled, so that causes go out as messages and INTx stays silent. */
bool x100_pcie_msg_enabled(const X100Pcie *pcie);

/* True if MSI-X is enabled: only then SIAC auto-clear works (x100-hardware.md 3.6). */
bool x100_pcie_msix_enabled(const X100Pcie *pcie);

/*
 * Sends the message of @vector (MSI uses vector 0 only). A masked MSI-X vector gets its pending
 * bit instead, which counts as accepted too.
 */
void x100_pcie_msg(X100Pcie *pcie, unsigned int vector);

/* Level of the INTx pin. Ignored while messages are enabled. */
void x100_pcie_intx(X100Pcie *pcie, bool level);

/* MSIXPBACR: clears the pending-bit array. */
void x100_pcie_clear_pending(X100Pcie *pcie);

/* The MSI-X table and PBA are SBOX RAM: @offset in BAR4, 0x17000-0x170FF and 0x18000-0x18007. */
bool x100_pcie_is_msix_ram(uint32_t offset);
uint32_t x100_pcie_msix_ram_read(X100Pcie *pcie, uint32_t offset);
void x100_pcie_msix_ram_write(X100Pcie *pcie, uint32_t offset, uint32_t value);

/* Dword of configuration space for the SBOX shadow at 0x5800 (x100-hardware.md 1.6), @offset < 256. */
uint32_t x100_pcie_config_shadow(X100Pcie *pcie, uint32_t offset);

/* The device leaves (false) or rejoins (true) the bus: off it, reads give ones and writes vanish. */
void x100_pcie_set_present(X100Pcie *pcie, bool present);

/* Called at every card reset, RGCR or platform: pending bits and INTx go, configuration space stays. */
void x100_pcie_card_reset(X100Pcie *pcie);

/* What was counted since the model started. Valid until the next call. */
const X100PcieCounters *x100_pcie_counters(X100Pcie *pcie);

#endif
