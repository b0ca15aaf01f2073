/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts to the host: MSI-X table and pending bits, MSI, INTx, and the client's event
 * descriptors behind them.
 */
#ifndef X100_PCIE_IRQ_H
#define X100_PCIE_IRQ_H

#include <stdbool.h>
#include <stdint.h>
#include "pcie-config.h"

#define X100_IRQ_VECTORS 16

enum X100IrqType { /* VFIO_PCI_*_IRQ_INDEX */
	X100_IRQ_INTX,
	X100_IRQ_MSI,
	X100_IRQ_MSIX,
	X100_IRQ_ERR,
	X100_IRQ_REQ,
	X100_IRQ_TYPES,
};

typedef struct X100PcieIrq {
	X100PcieConfig *cfg;
	int fd[X100_IRQ_TYPES][X100_IRQ_VECTORS]; /* -1: nobody listens */
	uint32_t table[X100_IRQ_VECTORS][4];      /* address, address high, data, control */
	uint16_t pending;
	bool pin;        /* level of INTx */
	bool pin_masked; /* by the client, or by itself after it fired */
	uint64_t fired;
	uint64_t vectors[X100_IRQ_VECTORS]; /* of these, messages */
	uint64_t lost;
} X100PcieIrq;

void x100_irq_init(X100PcieIrq *irq, X100PcieConfig *cfg);

/* Vectors of @type: 1, 16, 16, 1, 1. */
unsigned int x100_irq_count(enum X100IrqType type);

/*
 * Listens with @fd (taken over; -1: no longer) to vector @v. Does what the vfio-pci driver does to
 * the device when its user asks for the same: the type is enabled in configuration space as long as
 * it has a descriptor, and an MSI-X vector with a descriptor is unmasked in the table.
 */
void x100_irq_listen(X100PcieIrq *irq, enum X100IrqType type, unsigned int v, int fd);

/* True if a vector of @type has a listener. */
bool x100_irq_in_use(const X100PcieIrq *irq, enum X100IrqType type);

/* Closes all descriptors and forgets what was pending: the client is gone. */
void x100_irq_drop(X100PcieIrq *irq);

/* Fires vector @v of @type at the client's wish, as a self-test. */
void x100_irq_test(X100PcieIrq *irq, enum X100IrqType type, unsigned int v);

/* Masks or unmasks vector @v; only INTx and MSI-X can. */
void x100_irq_mask(X100PcieIrq *irq, enum X100IrqType type, unsigned int v, bool mask);

/* The device sends the message of @v in the mode that is enabled; MSI folds vectors beyond the grant. */
void x100_irq_msg(X100PcieIrq *irq, unsigned int v);

void x100_irq_pin(X100PcieIrq *irq, bool level);

/* Delivers what was held back: to be called after masks, enables or bus mastering changed. */
void x100_irq_update(X100PcieIrq *irq);

uint32_t x100_irq_table_read(const X100PcieIrq *irq, uint32_t offset); /* 0-0xFF */
void x100_irq_table_write(X100PcieIrq *irq, uint32_t offset, uint32_t value);

#endif
