// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts to the host: causes, enables, routing to message vectors, doorbells
 * (x100-hardware.md 3.6, 3.7, 4.4).
 */
#include "qemu/osdep.h"
#include "chip-internal.h"

/* Sends @causes, which have just become set and enabled, and renews the level of INTx. */
static void deliver(X100Chip *chip, uint32_t causes)
{
	bool msix = x100_pcie_msix_enabled(chip->pcie);
	unsigned int vectors = msix ? 16 : 1;

	chip->messages = x100_pcie_msg_enabled(chip->pcie);
	if (chip->messages && causes) {
		uint32_t cleared = 0;

		for (unsigned int v = 0; v < vectors; v++) {
			uint32_t mxar = *x100_reg(chip, X100_SBOX_MXAR(v));

			if (!(mxar & causes))
				continue;
			chip->counters.interrupts_to_host++;
			x100_pcie_msg(chip->pcie, v);
			/* Auto-clear takes every source of the vector, fired or not. */
			if (msix)
				cleared |= mxar & *x100_reg(chip, X100_SBOX_SIAC0);
		}
		chip->sicr &= ~cleared;
	}
	x100_pcie_intx(chip->pcie, !chip->messages && (chip->sicr & chip->sice));
}

/* Causes latch whether enabled or not; only one that was clear makes a new message. */
void x100_chip_raise_host(X100Chip *chip, uint32_t causes)
{
	uint32_t fresh = causes & ~chip->sicr;

	chip->sicr |= causes;
	deliver(chip, fresh & chip->sice);
}

void x100_chip_interrupts_changed(X100Chip *chip)
{
	bool messages = x100_pcie_msg_enabled(chip->pcie);

	deliver(chip, messages && !chip->messages ? chip->sicr & chip->sice : 0);
}

uint32_t x100_sysint_read(X100Chip *chip, uint32_t offset)
{
	switch (offset) {
	case X100_SBOX_SICR0:
		return chip->sicr;
	case X100_SBOX_SICE0:
		return chip->sice;
	default:
		return 0; /* SICS0, SICC0, MSIXPBACR: write-only */
	}
}

void x100_sysint_write(X100Chip *chip, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case X100_SBOX_SICR0:
		chip->sicr &= ~value;
		deliver(chip, 0);
		break;
	case X100_SBOX_SICS0:
		x100_chip_raise_host(chip, value);
		break;
	case X100_SBOX_SICE0:
		/* Re-arming: a cause that came while disabled or unanswered goes out now. */
		chip->sice |= value;
		deliver(chip, chip->sicr & value);
		break;
	case X100_SBOX_SICC0:
		chip->sice &= ~value;
		deliver(chip, 0);
		break;
	case X100_SBOX_MSIXPBACR:
		if (value & 1)
			x100_pcie_clear_pending(chip->pcie);
		break;
	}
}

/* Bit 31 rings and reads back 0, the rest is a mailbox. */
void x100_sdbic_write(X100Chip *chip, unsigned int n, uint32_t value)
{
	*x100_reg(chip, X100_SBOX_SDBIC(n)) = value & ~X100_SDBIC_REQUEST;
	if (value & X100_SDBIC_REQUEST) {
		chip->counters.doorbells_to_host++;
		chip->counters.sdbic[n]++;
		x100_chip_raise_host(chip, X100_SRC_DOORBELL(n));
	}
}

void x100_sysint_reset(X100Chip *chip)
{
	chip->sicr = 0;
	chip->sice = 0;
	deliver(chip, 0);
}
