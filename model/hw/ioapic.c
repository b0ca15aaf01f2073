// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts to the card: the directly mapped SBOX I/O APIC, its pins, and the vectored doorbells
 * APICICR0-7 (x100-hardware.md 3.8, 4.2, 4.3).
 */
#include "qemu/osdep.h"
#include "hw/core/cpu.h"
#include "hw/i386/ioapic.h"
#include "cpu.h"
#include "exec/exec-all.h"
#include "sysemu/tcg.h"
#include "chip-internal.h"
#include "x100-lapic.h"

#define RTE_VECTOR     0xFFull
#define RTE_STATUS     (1ull << 12)
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_READ_ONLY  (RTE_STATUS | RTE_REMOTE_IRR)
#define RTE_DEST(rte)  ((uint32_t)((rte) >> 32) & 0xFFFF)

#define ICR_LOGICAL   (1u << 11)
#define ICR_STATUS    (1u << 12)
#define ICR_LEVEL     (1u << 14)
#define ICR_TRIGGER   (1u << 15)
#define ICR_SHORTHAND (3u << 18)

/* EOI broadcasts of the local APICs name only a vector, so the one chip is found here. */
static X100Chip *the_chip;

void x100_to_lapic(X100Chip *chip, uint32_t id, unsigned int mode, uint8_t vector, bool level)
{
	if (chip->phase != X100_RUNNING) {
		chip->counters.interrupts_dropped++;
	} else if (x100_lapic_deliver(id, mode, vector, level)) {
		chip->counters.interrupts_to_card++;
	} else {
		chip->counters.interrupts_dropped++;
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x100 + (id & 0xFFFF)),
				 "interrupt for APIC id %u: mode %u vector %u cannot be delivered",
				 id, mode, vector);
	}
}

static void fire(X100Chip *chip, unsigned int pin)
{
	uint64_t rte = chip->rte[pin];

	if (rte & X100_RTE_MASKED) {
		chip->counters.interrupts_dropped++;
		return;
	}
	if (rte & X100_RTE_LOGICAL) {
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, pin),
				 "I/O APIC pin %u: logical destinations are not known to work",
				 pin);
		chip->counters.interrupts_dropped++;
		return;
	}
	if (rte & X100_RTE_LEVEL) {
		if (rte & RTE_REMOTE_IRR)
			return; /* the CPU has not finished with the last one */
		chip->rte[pin] |= RTE_REMOTE_IRR;
	}
	x100_to_lapic(chip, RTE_DEST(rte), (rte >> X100_RTE_MODE_SHIFT) & 7, rte & RTE_VECTOR,
		      rte & X100_RTE_LEVEL);
}

/* An edge at a masked pin is lost, as on other I/O APICs; what silicon does is unknown. */
void x100_chip_pulse_pin(X100Chip *chip, unsigned int pin)
{
	assert(pin < X100_PINS);
	fire(chip, pin);
}

/* A level that is still there when the pin is unmasked or its last interrupt has ended. */
static void fire_level(X100Chip *chip, unsigned int pin)
{
	if (chip->levels & 1u << pin && chip->rte[pin] & X100_RTE_LEVEL &&
	    !(chip->rte[pin] & X100_RTE_MASKED))
		fire(chip, pin);
}

void x100_chip_set_pin(X100Chip *chip, unsigned int pin, bool level)
{
	bool rises = level && !(chip->levels & 1u << pin);

	assert(pin < X100_PINS);
	chip->levels = (chip->levels & ~(1u << pin)) | (uint32_t)level << pin;
	if (rises && !(chip->rte[pin] & X100_RTE_LEVEL))
		fire(chip, pin);
	fire_level(chip, pin);
}

void ioapic_eoi_broadcast(int vector)
{
	X100Chip *chip = the_chip;

	for (unsigned int pin = 0; chip && pin < X100_PINS; pin++) {
		uint64_t rte = chip->rte[pin];

		if (!(rte & RTE_REMOTE_IRR) || (rte & RTE_VECTOR) != (uint64_t)vector)
			continue;
		chip->rte[pin] &= ~RTE_REMOTE_IRR;
		fire_level(chip, pin);
	}
}

/* @word: 2 x pin for the low, 2 x pin + 1 for the high dword. */
uint32_t x100_rte_read(X100Chip *chip, unsigned int word)
{
	return (uint32_t)(chip->rte[word / 2] >> (word & 1 ? 32 : 0));
}

void x100_rte_write(X100Chip *chip, unsigned int word, uint32_t value)
{
	unsigned int pin = word / 2;
	uint64_t *rte = &chip->rte[pin];

	if (word & 1) {
		*rte = (*rte & 0xFFFFFFFFull) | (uint64_t)value << 32;
		return;
	}
	*rte = (*rte & ~0xFFFFFFFFull) | (*rte & RTE_READ_ONLY) |
	       (value & ~(RTE_READ_ONLY | X100_RTE_TEST));
	if (!(*rte & X100_RTE_LEVEL))
		*rte &= ~RTE_REMOTE_IRR;
	fire_level(chip, pin);
	if (value & X100_RTE_TEST)
		fire(chip, pin);
}

static void icr_send(X100Chip *chip, unsigned int n, uint32_t low)
{
	uint32_t high = *x100_reg(chip, X100_SBOX_APICICR_HI(n));
	unsigned int mode = (low >> X100_ICR_MODE_SHIFT) & 7;
	CPUState *cs;

	/* INIT with level 0 and level trigger is the de-assertion, which does nothing any more. */
	if (mode == X100_DM_INIT && (low & ICR_TRIGGER) && !(low & ICR_LEVEL))
		return;
	switch (low & ICR_SHORTHAND) {
	case 0:
		x100_to_lapic(chip, high, mode, low & X100_ICR_VECTOR_MASK, false);
		return;
	case 2u << 18:
	case 3u << 18: /* the sender is no CPU, so "all but self" is all */
		CPU_FOREACH(cs)
			x100_to_lapic(chip, X86_CPU(cs)->apic_id, mode, low & X100_ICR_VECTOR_MASK,
				      false);
		return;
	default:
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x40 + n),
				 "APICICR%u: shorthand \"self\" has no meaning here", n);
	}
}

/*
 * Bit 13 sends and reads back 0; without it the write only programs vector and mask. Whether
 * silicon honours the mask bit is unknown; here it does, as the old card kernel expects.
 */
void x100_icr_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	uint32_t *low = x100_reg(chip, X100_SBOX_APICICR_LO(n));

	*low = value & ~(X100_ICR_SEND | ICR_STATUS);
	if (!(value & X100_ICR_SEND))
		return;
	chip->counters.doorbells_to_card++;
	if (side == X100_HOST)
		chip->counters.icr_sends++;
	if (value & ICR_LOGICAL) {
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x60 + n),
				 "APICICR%u: logical destinations are not known to work", n);
		return;
	}
	if (value & X100_ICR_MASKED) {
		chip->counters.interrupts_dropped++;
		return;
	}
	/*
	 * The host may have written code through its mapping of GDDR, which QEMU cannot see: what
	 * was translated from there before the doorbell is stale. A real card is coherent.
	 */
	if (side == X100_HOST && tcg_enabled() &&
	    (value & X100_ICR_VECTOR_MASK) == X100_BOOT_VECTOR)
		tb_flush(first_cpu);
	icr_send(chip, n, value);
}

/* Pins start masked; the reset value of silicon is unknown. */
void x100_ioapic_reset(X100Chip *chip)
{
	the_chip = chip;
	for (unsigned int pin = 0; pin < X100_PINS; pin++)
		chip->rte[pin] = X100_RTE_MASKED;
}
