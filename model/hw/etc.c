// SPDX-License-Identifier: GPL-2.0-only
/*
 * Elapsed-time counter: 15.625 MHz in steps of 32, can be frozen (x100-hardware.md 3.4).
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "chip-internal.h"

static uint64_t raw_at(X100Chip *chip, int64_t now)
{
	return (uint64_t)((now - chip->etc_epoch) / X100_ETC_NS) << X100_ETC_SHIFT;
}

uint64_t x100_etc_raw(X100Chip *chip)
{
	if (*x100_reg(chip, X100_SBOX_THERMAL_INT_STATUS) & X100_ETC_FREEZE)
		return chip->etc_frozen_raw;
	return raw_at(chip, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL));
}

/* Freezing keeps the count, thawing goes on from it. */
void x100_etc_freeze(X100Chip *chip, bool frozen)
{
	uint32_t *status = x100_reg(chip, X100_SBOX_THERMAL_INT_STATUS);
	int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);

	if (frozen == !!(*status & X100_ETC_FREEZE))
		return;
	if (frozen) {
		chip->etc_frozen_raw = raw_at(chip, now);
		*status |= X100_ETC_FREEZE;
	} else {
		chip->etc_epoch =
			now - (int64_t)(chip->etc_frozen_raw >> X100_ETC_SHIFT) * X100_ETC_NS;
		*status &= ~X100_ETC_FREEZE;
	}
}

/* Restarts at 0 with every reset, running: what silicon does is unknown. */
void x100_etc_reset(X100Chip *chip)
{
	*x100_reg(chip, X100_SBOX_THERMAL_INT_STATUS) &= ~X100_ETC_FREEZE;
	chip->etc_epoch = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}
