/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State of the chip and what its files offer to each other. Nobody outside model/hw includes this.
 */
#ifndef X100_CHIP_INTERNAL_H
#define X100_CHIP_INTERNAL_H

#include "exec/memory.h"
#include "hw/qdev-core.h"
#include "chardev/char-fe.h"
#include "pcie/x100-pcie.h"
#include "x100/irq.h"
#include "x100/memmap.h"
#include "x100/pci.h"
#include "x100/post.h"
#include "x100/regs.h"
#include "x100/smpt.h"
#include "x100/strap.h"
#include "x100-chip.h"

#define X100_MMIO_WORDS (X100_MMIO_SIZE / 4)
#define X100_GBOXES     8

enum x100_reset {
	X100_RESET_COLD,     /* power-on: everything */
	X100_RESET_RGCR,     /* by register: SCRATCH2 and the SMPT are lost, other scratch stays */
	X100_RESET_PLATFORM, /* by the platform: the whole scratch stays, SCRATCH2 too */
};

/* Where a reset stands. The CPUs run only in X100_RUNNING. */
enum x100_phase {
	X100_RUNNING,
	X100_STOPPING, /* asked for, QEMU has not yet reset the CPUs */
	X100_HELD,     /* registers answer the host, CPUs wait */
	X100_OFF_BUS,  /* the host reads ones */
	X100_DEAD,     /* a CPU shut down (triple fault): nothing runs until the next reset */
};

typedef struct X100Fifo {
	uint8_t data[X100_UART_FIFO];
	unsigned int head, used;
} X100Fifo;

/* SC16IS740 (x100-hardware.md 3.10). */
typedef struct X100Uart {
	CharBackend chr;
	GByteArray *line; /* sent, and not yet taken by the listener */
	guint watch;      /* waits for the listener; 0 = none */
	uint8_t ier, fcr, lcr, mcr, spr, dll, dlh;
	uint8_t efr, xon[4], tcr, tlr, io[3], efcr;
	uint8_t lsr_errors;
	uint8_t subaddr; /* register of the current transfer */
	bool have_subaddr;
	X100Fifo rx, tx;
} X100Uart;

/* PXA-style I2C controller (x100-hardware.md 3.10). */
typedef struct X100I2c {
	uint32_t icr, isr, isar, idbr;
	bool owned;    /* between START and STOP */
	bool selected; /* the UART acknowledged its address */
} X100I2c;

typedef struct X100Gbox {
	MemoryRegion mr;
	X100Chip *chip;
	unsigned int index;
	uint32_t regs[X100_BOX_SIZE / 4];
} X100Gbox;

struct X100Chip {
	DeviceState parent_obj;

	/* properties */
	char *product_name, *flash_path, *serial_number, *socket;
	uint64_t gddr_fitted;
	uint32_t cores, threads;
	uint32_t training_ms, reset_delay_ms, offbus_ms;
	bool training_fail, trace;

	const X100Product *product;
	X100Pcie *pcie;
	X100Counters counters;
	GHashTable *logged; /* keys of guest errors already printed */

	/* memory map */
	MemoryRegion background, gddr, gddr_view, boxes, mmio, window;
	MemoryRegion smpt_view[X100_SMPT_ENTRIES]; /* over the window */
	MemoryListener map_listener;
	unsigned int map_changes; /* that the RCU grace period has not ended for */
	bool views_off;           /* too many of them */
	QEMUTimer *views_timer;
	MemoryRegion flash_window, flash;
	X100Gbox gbox[X100_GBOXES];
	int gddr_fd;

	/* memory training (strap.h) */
	bool trained, training_failed;
	QEMUTimer *training_timer;

	/* reset */
	enum x100_phase phase;
	enum x100_reset reset_kind;
	int64_t reset_time; /* of the RGCR write, virtual clock, ns */
	QEMUTimer *phase_timer;

	/* registers without behaviour of their own, by BAR4 offset / 4 */
	uint32_t regs[X100_MMIO_WORDS];

	/* elapsed-time counter */
	int64_t etc_epoch; /* virtual clock at count 0, ns; at the time of freezing if frozen */
	uint64_t etc_frozen_raw;

	uint32_t smpt_valid; /* entries written since they were lost */

	/* interrupts to the host */
	uint32_t sicr, sice;
	bool messages; /* mode at the last evaluation */

	/* interrupts to the card */
	uint64_t rte[X100_PINS];
	uint32_t levels; /* of the pins that have one */

	X100I2c i2c;
	X100Uart uart;
};

/* regs.c */
void x100_regs_init(void);
void x100_regs_reset(X100Chip *chip, enum x100_reset kind);
uint32_t *x100_reg(X100Chip *chip, uint32_t offset); /* storage of SBOX register @offset */

/* Counts a mistake of software or host, and prints it once per @key (0: each time). */
void x100_guest_error(X100Chip *chip, uint64_t key, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
#define X100_ONCE(kind, addr) ((uint64_t)(kind) << 56 | (uint64_t)(addr))
enum {
	X100_ONCE_REG = 1,
	X100_ONCE_GBOX,
	X100_ONCE_NOWHERE,
	X100_ONCE_FLASH,
	X100_ONCE_GDDR,
	X100_ONCE_WINDOW,
	X100_ONCE_OTHER,
};

/* reset.c */
void x100_reset_init(X100Chip *chip);
void x100_reset_rgcr(X100Chip *chip);
void x100_reset_registers(X100Chip *chip, enum x100_reset kind);
/* CPUs and local APICs have just been reset. @guest: on request of a CPU; @cold: at start-up. */
void x100_chip_machine_reset(X100Chip *chip, bool guest, bool cold);

/* memory.c */
bool x100_memory_init(X100Chip *chip, Error **errp);
void x100_memory_set_trained(X100Chip *chip, bool trained);
bool x100_flash_init(X100Chip *chip, Error **errp);

/* gbox.c */
void x100_gbox_init(X100Chip *chip);
void x100_gbox_reset(X100Chip *chip);

/* window.c */
void x100_window_init(X100Chip *chip);
void x100_window_connect(X100Chip *chip); /* once there is a PCIe side */
void x100_window_update(X100Chip *chip);  /* after a change of the SMPT or of host memory */

/* sysint.c */
void x100_sysint_reset(X100Chip *chip);
uint32_t x100_sysint_read(X100Chip *chip, uint32_t offset);
void x100_sysint_write(X100Chip *chip, uint32_t offset, uint32_t value);
void x100_sdbic_write(X100Chip *chip, unsigned int n, uint32_t value);

/* ioapic.c */
void x100_ioapic_reset(X100Chip *chip);
uint32_t x100_rte_read(X100Chip *chip, unsigned int word);
void x100_rte_write(X100Chip *chip, unsigned int word, uint32_t value);
void x100_to_lapic(X100Chip *chip, uint32_t id, unsigned int mode, uint8_t vector, bool level);
void x100_icr_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side);

/* pci-bridge.c */
void x100_pci_init(X100Chip *chip);

/* etc.c */
void x100_etc_reset(X100Chip *chip);
uint64_t x100_etc_raw(X100Chip *chip);
void x100_etc_freeze(X100Chip *chip, bool frozen);

/* i2c.c */
void x100_i2c_reset(X100Chip *chip);
uint32_t x100_i2c_read(X100Chip *chip, unsigned int n);
void x100_i2c_write(X100Chip *chip, unsigned int n, uint32_t value);

/* uart.c: the slave side of the bus; sub-address first, then data */
void x100_uart_init(X100Chip *chip);
void x100_uart_reset(X100Chip *chip);
void x100_uart_start(X100Chip *chip, bool is_read);
void x100_uart_send(X100Chip *chip, uint8_t byte);
uint8_t x100_uart_recv(X100Chip *chip);

#endif
