// SPDX-License-Identifier: BSD-3-Clause
/*
 * Polled SC16IS740 behind the PXA-style I2C controller of the SBOX.
 */
#include <x100/regs.h>
#include "uart.h"

#define BYTE_MS   5   /* one byte at 400 kHz takes 25 us */
#define STALL_MS  100 /* a full FIFO drains in 5.6 ms */
#define FLUSH_MS  20
#define ICR_BASE  (X100_I2C_ICR_IUE | X100_I2C_ICR_SCLE | X100_I2C_ICR_FAST)
#define ISR_CLEAR (X100_I2C_ISR_ITE | X100_I2C_ISR_IRF | X100_I2C_ISR_ALD | X100_I2C_ISR_BED)
#define LCR_8N1   0x03
#define LCR_DLAB  0x80
#define FCR_RESET 0x07 /* FIFOs on, both emptied */
#define DIVISOR   (X100_UART_CLOCK_HZ / 16 / 115200)

/* Moves one byte with the ICR bits @how and waits for @done. False on no answer or an error. */
static bool transfer(const struct bs_uart *uart, uint32_t how, uint32_t done)
{
	const struct bs_ops *ops = uart->ops;
	uint64_t now, deadline = 0;
	uint32_t status;

	ops->sbox_write(ops->ctx, X100_SBOX_I2C_ISR, ISR_CLEAR);
	ops->sbox_write(ops->ctx, X100_SBOX_I2C_ICR, ICR_BASE | X100_I2C_ICR_TB | how);
	for (;;) {
		status = ops->sbox_read(ops->ctx, X100_SBOX_I2C_ISR);
		if (status & (X100_I2C_ISR_BED | X100_I2C_ISR_ALD))
			return false;
		if (status & done)
			break;
		now = ops->ticks(ops->ctx);
		if (!deadline)
			deadline = now + BS_TICKS_MS(BYTE_MS);
		else if (now >= deadline)
			return false;
	}
	/* For a byte sent: nobody took it. A byte received is not acknowledged by us, on purpose. */
	return done != X100_I2C_ISR_ITE || !(status & X100_I2C_ISR_ACKNAK);
}

static bool send(const struct bs_uart *uart, uint8_t byte, uint32_t how)
{
	uart->ops->sbox_write(uart->ops->ctx, X100_SBOX_I2C_IDBR, byte);
	return transfer(uart, how, X100_I2C_ISR_ITE);
}

static bool give_up(struct bs_uart *uart)
{
	const struct bs_ops *ops = uart->ops;

	ops->sbox_write(ops->ctx, X100_SBOX_I2C_ICR, X100_I2C_ICR_UR);
	ops->sbox_write(ops->ctx, X100_SBOX_I2C_ICR, 0);
	uart->alive = false;
	return false;
}

/* Address and register number, the bus still held. */
static bool select(const struct bs_uart *uart, uint32_t reg)
{
	return send(uart, X100_UART_I2C_ADDR << 1, X100_I2C_ICR_START) &&
	       send(uart, X100_UART_SUBADDR(reg), 0);
}

static bool reg_write(struct bs_uart *uart, uint32_t reg, uint8_t value)
{
	if (!select(uart, reg) || !send(uart, value, X100_I2C_ICR_STOP))
		return give_up(uart);
	return true;
}

static bool reg_read(struct bs_uart *uart, uint32_t reg, uint8_t *value)
{
	if (!select(uart, reg) || !send(uart, X100_UART_I2C_ADDR << 1 | 1, X100_I2C_ICR_START) ||
	    !transfer(uart, X100_I2C_ICR_ACKNAK | X100_I2C_ICR_STOP, X100_I2C_ISR_IRF))
		return give_up(uart);
	*value = (uint8_t)uart->ops->sbox_read(uart->ops->ctx, X100_SBOX_I2C_IDBR);
	return true;
}

bool bs_uart_init(struct bs_uart *uart, const struct bs_ops *ops)
{
	uart->ops = ops;
	uart->alive = true;
	ops->sbox_write(ops->ctx, X100_SBOX_I2C_ICR, X100_I2C_ICR_UR);
	ops->sbox_write(ops->ctx, X100_SBOX_I2C_ICR, 0);
	ops->sbox_write(ops->ctx, X100_SBOX_I2C_ISR, ISR_CLEAR);
	ops->sbox_write(ops->ctx, X100_SBOX_I2C_ICR, ICR_BASE);
	return reg_write(uart, X100_UART_LCR, LCR_8N1 | LCR_DLAB) &&
	       reg_write(uart, X100_UART_DLL, DIVISOR) && reg_write(uart, X100_UART_DLH, 0) &&
	       reg_write(uart, X100_UART_LCR, LCR_8N1) && reg_write(uart, X100_UART_IER, 0) &&
	       reg_write(uart, X100_UART_MCR, 0) && reg_write(uart, X100_UART_FCR, FCR_RESET);
}

/* Free bytes in the transmit FIFO, at least 1, or 0 when the line was given up. */
static uint32_t room(struct bs_uart *uart)
{
	const struct bs_ops *ops = uart->ops;
	uint64_t deadline = ops->ticks(ops->ctx) + BS_TICKS_MS(STALL_MS);
	uint8_t level;

	do {
		if (!reg_read(uart, X100_UART_TXLVL, &level))
			return 0;
		if (level)
			return level < X100_UART_FIFO ? level : X100_UART_FIFO;
	} while (ops->ticks(ops->ctx) < deadline);
	give_up(uart);
	return 0;
}

void bs_uart_write(struct bs_uart *uart, const char *text, uint32_t len)
{
	bool cr_sent = false;

	while (len && uart->alive) {
		uint32_t left = room(uart);
		bool ok = left && select(uart, X100_UART_THR);

		/* One bus transfer fills the FIFO; the last byte carries the stop condition. */
		while (ok && left && len) {
			bool cr = *text == '\n' && !cr_sent;
			bool last = left == 1 || (len == 1 && !cr);

			ok = send(uart, cr ? '\r' : (uint8_t)*text, last ? X100_I2C_ICR_STOP : 0);
			cr_sent = cr;
			left--;
			if (!cr) {
				text++;
				len--;
			}
		}
		if (!ok && uart->alive)
			give_up(uart);
	}
}

void bs_uart_flush(struct bs_uart *uart)
{
	const struct bs_ops *ops = uart->ops;
	uint64_t deadline;
	uint8_t level = 0;

	if (!uart->alive)
		return;
	deadline = ops->ticks(ops->ctx) + BS_TICKS_MS(FLUSH_MS);
	while (reg_read(uart, X100_UART_TXLVL, &level) && level < X100_UART_FIFO &&
	       ops->ticks(ops->ctx) < deadline)
		;
}
