// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts to the host: see pcie-irq.h. Delivery is one non-blocking write to an eventfd.
 */
#include "qemu/osdep.h"
#include "standard-headers/linux/pci_regs.h"
#include "pcie-irq.h"

#define ENTRY_CTRL 3

void x100_irq_init(X100PcieIrq *irq, X100PcieConfig *cfg)
{
	memset(irq, 0, sizeof(*irq));
	irq->cfg = cfg;
	memset(irq->fd, 0xFF, sizeof(irq->fd));
	for (int v = 0; v < X100_IRQ_VECTORS; v++)
		irq->table[v][ENTRY_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

unsigned int x100_irq_count(enum X100IrqType type)
{
	return type == X100_IRQ_MSI || type == X100_IRQ_MSIX ? X100_IRQ_VECTORS : 1;
}

static void fire(X100PcieIrq *irq, enum X100IrqType type, unsigned int v)
{
	uint64_t one = 1;
	ssize_t n;

	if (irq->fd[type][v] < 0) {
		irq->lost++;
		return;
	}
	/* A full counter (EAGAIN) means that the client has not yet seen the last one: no loss. */
	TFR(n = write(irq->fd[type][v], &one, sizeof(one)));
	if (n == sizeof(one) || (n < 0 && errno == EAGAIN)) {
		irq->fired++;
		if (type == X100_IRQ_MSIX || type == X100_IRQ_MSI)
			irq->vectors[v]++;
	} else {
		irq->lost++;
	}
}

static bool msix_held(const X100PcieIrq *irq, unsigned int v)
{
	return x100_pcie_config_msix_masked(irq->cfg) || !x100_pcie_config_master(irq->cfg) ||
	       irq->table[v][ENTRY_CTRL] & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

void x100_irq_update(X100PcieIrq *irq)
{
	bool messages = x100_pcie_config_msix(irq->cfg) || x100_pcie_config_msi(irq->cfg);

	if (x100_pcie_config_msix(irq->cfg)) {
		for (unsigned int v = 0; v < X100_IRQ_VECTORS; v++) {
			if (irq->pending & 1u << v && !msix_held(irq, v)) {
				irq->pending &= ~(1u << v);
				fire(irq, X100_IRQ_MSIX, v);
			}
		}
	}
	x100_pcie_config_set_intx_status(irq->cfg, irq->pin);
	if (irq->pin && !messages && !irq->pin_masked &&
	    !x100_pcie_config_intx_disabled(irq->cfg) && irq->fd[X100_IRQ_INTX][0] >= 0) {
		/* As vfio-pci: the line masks itself until the client says that it has looked. */
		irq->pin_masked = true;
		fire(irq, X100_IRQ_INTX, 0);
	}
}

void x100_irq_msg(X100PcieIrq *irq, unsigned int v)
{
	if (v >= X100_IRQ_VECTORS)
		return;
	if (x100_pcie_config_msix(irq->cfg)) {
		irq->pending |= 1u << v;
		x100_irq_update(irq);
	} else if (x100_pcie_config_msi(irq->cfg)) {
		if (x100_pcie_config_master(irq->cfg))
			fire(irq, X100_IRQ_MSI, v & (x100_pcie_config_msi_count(irq->cfg) - 1));
		else
			irq->lost++;
	}
}

void x100_irq_pin(X100PcieIrq *irq, bool level)
{
	irq->pin = level;
	x100_irq_update(irq);
}

bool x100_irq_in_use(const X100PcieIrq *irq, enum X100IrqType type)
{
	for (unsigned int v = 0; v < x100_irq_count(type); v++) {
		if (irq->fd[type][v] >= 0)
			return true;
	}
	return false;
}

void x100_irq_listen(X100PcieIrq *irq, enum X100IrqType type, unsigned int v, int fd)
{
	unsigned int top = 0;

	if (irq->fd[type][v] >= 0)
		close(irq->fd[type][v]);
	irq->fd[type][v] = fd;
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	for (unsigned int i = 0; i < x100_irq_count(type); i++) {
		if (irq->fd[type][i] >= 0)
			top = i + 1;
	}
	switch (type) {
	case X100_IRQ_MSIX:
		irq->table[v][ENTRY_CTRL] = fd >= 0 ? 0 : PCI_MSIX_ENTRY_CTRL_MASKBIT;
		if (!top || !x100_pcie_config_msix(irq->cfg))
			x100_pcie_config_set_msix(irq->cfg, top);
		break;
	case X100_IRQ_MSI:
		if (!top || !x100_pcie_config_msi(irq->cfg) ||
		    x100_pcie_config_msi_count(irq->cfg) < top)
			x100_pcie_config_set_msi(irq->cfg, top, top);
		break;
	case X100_IRQ_INTX:
		irq->pin_masked = false;
		break;
	default:
		break;
	}
	x100_irq_update(irq);
}

void x100_irq_drop(X100PcieIrq *irq)
{
	for (enum X100IrqType type = 0; type < X100_IRQ_TYPES; type++) {
		for (unsigned int v = 0; v < x100_irq_count(type); v++) {
			if (irq->fd[type][v] >= 0)
				close(irq->fd[type][v]);
			irq->fd[type][v] = -1;
		}
	}
	for (int v = 0; v < X100_IRQ_VECTORS; v++)
		irq->table[v][ENTRY_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	irq->pending = 0;
	irq->pin_masked = false;
}

void x100_irq_test(X100PcieIrq *irq, enum X100IrqType type, unsigned int v)
{
	fire(irq, type, v);
}

void x100_irq_mask(X100PcieIrq *irq, enum X100IrqType type, unsigned int v, bool mask)
{
	if (type == X100_IRQ_INTX)
		irq->pin_masked = mask;
	else if (type == X100_IRQ_MSIX)
		irq->table[v][ENTRY_CTRL] = mask ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
	x100_irq_update(irq);
}

uint32_t x100_irq_table_read(const X100PcieIrq *irq, uint32_t offset)
{
	return irq->table[offset / 16][offset % 16 / 4];
}

void x100_irq_table_write(X100PcieIrq *irq, uint32_t offset, uint32_t value)
{
	static const uint32_t writable[4] = { ~3u, ~0u, ~0u, PCI_MSIX_ENTRY_CTRL_MASKBIT };

	irq->table[offset / 16][offset % 16 / 4] = value & writable[offset % 16 / 4];
	x100_irq_update(irq);
}
