// SPDX-License-Identifier: GPL-2.0-only
/*
 * The "overclocking" I2C controller in its PXA programming model (x100-hardware.md 3.10), as a
 * master only. Transfers take no time. The one device on the bus is the UART.
 */
#include "qemu/osdep.h"
#include "chip-internal.h"

#define ISR_SSD  (1u << 4)
#define ISR_GCAD (1u << 8)
#define ISR_SAD  (1u << 9)
/* Cleared by writing 1; the others follow the bus. */
#define ISR_W1C                                                                                    \
	(ISR_SSD | X100_I2C_ISR_ALD | X100_I2C_ISR_ITE | X100_I2C_ISR_IRF | ISR_GCAD | ISR_SAD |   \
	 X100_I2C_ISR_BED)
#define BUS_IDLE 3u /* SDA and SCL high */

enum {
	ICR,
	ISR,
	ISAR,
	IDBR,
	IBMR
};

static void stop(X100I2c *i2c)
{
	i2c->owned = false;
	i2c->selected = false;
	i2c->isr &= ~(X100_I2C_ISR_UB | X100_I2C_ISR_RWM);
}

/* The byte was sent: ITE, and with no acknowledge a bus error too. */
static void sent(X100I2c *i2c, bool acknowledged)
{
	i2c->isr &= ~X100_I2C_ISR_ACKNAK;
	i2c->isr |= X100_I2C_ISR_ITE;
	if (!acknowledged)
		i2c->isr |= X100_I2C_ISR_ACKNAK | X100_I2C_ISR_BED;
}

static void start(X100Chip *chip)
{
	X100I2c *i2c = &chip->i2c;
	bool is_read = i2c->idbr & 1;

	i2c->owned = true;
	i2c->selected = i2c->idbr >> 1 == X100_UART_I2C_ADDR;
	i2c->isr |= X100_I2C_ISR_UB;
	i2c->isr &= ~X100_I2C_ISR_RWM;
	if (is_read)
		i2c->isr |= X100_I2C_ISR_RWM;
	if (i2c->selected)
		x100_uart_start(chip, is_read);
	sent(i2c, i2c->selected);
}

static void receive(X100Chip *chip)
{
	X100I2c *i2c = &chip->i2c;

	i2c->idbr = i2c->selected ? x100_uart_recv(chip) : 0xFF;
	i2c->isr &= ~X100_I2C_ISR_ACKNAK;
	i2c->isr |= X100_I2C_ISR_IRF;
	if (i2c->icr & X100_I2C_ICR_ACKNAK)
		i2c->isr |= X100_I2C_ISR_ACKNAK;
}

/* TB was set: one byte either way, after a START and before a STOP if asked. */
static void transfer_byte(X100Chip *chip)
{
	const uint32_t enabled = X100_I2C_ICR_IUE | X100_I2C_ICR_SCLE;
	X100I2c *i2c = &chip->i2c;

	if ((i2c->icr & enabled) != enabled) {
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x20),
				 "I2C transfer with unit or clock disabled: never completes");
		return;
	}
	if (i2c->icr & X100_I2C_ICR_START) {
		start(chip);
	} else if (!i2c->owned) {
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x21),
				 "I2C transfer without START: never completes");
		return;
	} else if (i2c->isr & X100_I2C_ISR_RWM) {
		receive(chip);
	} else {
		if (i2c->selected)
			x100_uart_send(chip, i2c->idbr);
		sent(i2c, i2c->selected);
	}
	if (i2c->icr & X100_I2C_ICR_STOP)
		stop(i2c);
	i2c->icr &= ~X100_I2C_ICR_TB;
}

uint32_t x100_i2c_read(X100Chip *chip, unsigned int n)
{
	switch (n) {
	case ICR:
		return chip->i2c.icr;
	case ISR:
		return chip->i2c.isr;
	case ISAR:
		return chip->i2c.isar;
	case IDBR:
		return chip->i2c.idbr;
	default:
		return BUS_IDLE;
	}
}

void x100_i2c_write(X100Chip *chip, unsigned int n, uint32_t value)
{
	X100I2c *i2c = &chip->i2c;

	switch (n) {
	case ICR:
		i2c->icr = value & 0x1FFFF;
		if (value & X100_I2C_ICR_UR) {
			stop(i2c);
			i2c->isr = 0;
			i2c->idbr = 0;
			return;
		}
		if (value & X100_I2C_ICR_MA)
			stop(i2c);
		if (value & X100_I2C_ICR_TB)
			transfer_byte(chip);
		break;
	case ISR:
		i2c->isr &= ~(value & ISR_W1C);
		break;
	case ISAR:
		i2c->isar = value & 0x7F;
		break;
	case IDBR:
		i2c->idbr = value & 0xFF;
		break;
	default:
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x22), "I2C IBMR is read-only");
	}
}

void x100_i2c_reset(X100Chip *chip)
{
	memset(&chip->i2c, 0, sizeof(chip->i2c));
}
