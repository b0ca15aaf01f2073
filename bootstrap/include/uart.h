/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's only serial line: an SC16IS740 UART at address 0x48 of the SBOX I2C controller, polled
 * (x100-hardware.md 3.10). A line that does not answer in time is given up, boot goes on.
 */
#ifndef BS_UART_H
#define BS_UART_H

#include "ops.h"

struct bs_uart {
	const struct bs_ops *ops;
	bool alive;
};

/*
 * Resets the I2C controller and sets the UART to 115200 8N1 with empty FIFOs.
 *
 * Returns false when the UART did not answer within some milliseconds; writes are dropped then.
 */
bool bs_uart_init(struct bs_uart *uart, const struct bs_ops *ops);

/*
 * Sends @len bytes of @text, CR before each LF, waiting for room in the FIFO. Gives the line up when
 * the UART takes nothing for 100 ms.
 */
void bs_uart_write(struct bs_uart *uart, const char *text, uint32_t len);

/* Waits, 20 ms at most, until the FIFO is empty. */
void bs_uart_flush(struct bs_uart *uart);

#endif
