// SPDX-License-Identifier: GPL-2.0-only
/*
 * SC16IS740: the UART behind the I2C controller, the card's only serial line (x100-hardware.md
 * 3.10; register numbers and resets: NXP data sheet SC16IS740/750/760). A byte takes no time on the
 * line; what the other end does not take stays in the transmit FIFO.
 */
#include "qemu/osdep.h"
#include "chip-internal.h"

enum {
	REG_DATA = X100_UART_RHR, /* and DLL */
	REG_IER = X100_UART_IER,  /* and DLH */
	REG_FCR = X100_UART_FCR,  /* read: IIR; and EFR */
	REG_LCR = X100_UART_LCR,
	REG_MCR = X100_UART_MCR, /* and XON1 */
	REG_LSR = X100_UART_LSR, /* and XON2 */
	REG_MSR = X100_UART_MSR, /* and TCR, XOFF1 */
	REG_SPR = X100_UART_SPR, /* and TLR, XOFF2 */
	REG_TXLVL = X100_UART_TXLVL,
	REG_RXLVL = X100_UART_RXLVL,
	REG_IODIR = 0xA,
	REG_IOSTATE = 0xB,
	REG_IOINTENA = 0xC,
	REG_IOCONTROL = 0xE,
	REG_EFCR = 0xF,
};

#define LCR_EFR_ACCESS  0xBF
#define LCR_DIVISOR     0x80
#define LCR_8N1         0x03
#define FCR_ENABLE      0x01
#define FCR_RESET_RX    0x02
#define FCR_RESET_TX    0x04
#define MCR_TCR_TLR     0x04
#define MCR_LOOP        0x10
#define MCR_PRESCALE_4  0x80
#define EFR_ENHANCED    0x10
#define LSR_DATA        0x01
#define LSR_OVERRUN     0x02
#define LSR_THR_EMPTY   0x20
#define LSR_IDLE        0x40
#define MSR_CTS         0x10
#define IOCONTROL_RESET 0x08
#define LINE_MAX_BYTES  (1 << 20) /* kept for a slow listener */
#define SPEED           115200    /* what the other end of the line is set to */

static void fifo_clear(X100Fifo *f)
{
	f->head = 0;
	f->used = 0;
}

static void fifo_push(X100Fifo *f, uint8_t byte)
{
	f->data[(f->head + f->used++) % X100_UART_FIFO] = byte;
}

static uint8_t fifo_pop(X100Fifo *f)
{
	uint8_t byte = f->data[f->head];

	f->head = (f->head + 1) % X100_UART_FIFO;
	f->used--;
	return byte;
}

static unsigned int depth(const X100Uart *u)
{
	return u->fcr & FCR_ENABLE ? X100_UART_FIFO : 1;
}

static void receive(X100Chip *chip, uint8_t byte)
{
	X100Uart *u = &chip->uart;

	if (u->rx.used >= depth(u)) {
		u->lsr_errors |= LSR_OVERRUN;
		return;
	}
	chip->counters.uart_rx++;
	fifo_push(&u->rx, byte);
}

/* Without a divisor the transmitter has no clock; a wrong one gives garbage at the other end. */
static bool line_set_up(X100Chip *chip)
{
	X100Uart *u = &chip->uart;
	unsigned int divisor = u->dll | u->dlh << 8;
	unsigned int prescale = u->mcr & MCR_PRESCALE_4 ? 4 : 1;

	if (!divisor) {
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x30),
				 "UART: divisor 0, nothing is sent");
		return false;
	}
	if (X100_UART_CLOCK_HZ / prescale / 16 / divisor != SPEED || (u->lcr & 0x3F) != LCR_8N1)
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x31),
				 "UART: divisor %u, LCR 0x%02x: not 115200 8N1", divisor * prescale,
				 u->lcr);
	return true;
}

static void line_flush(X100Chip *chip);

static gboolean writable(void *do_not_use, GIOCondition cond, void *opaque)
{
	X100Chip *chip = opaque;

	chip->uart.watch = 0;
	line_flush(chip);
	return G_SOURCE_REMOVE;
}

/* Gives the listener what it takes now; whoever does not listen misses it. */
static void line_flush(X100Chip *chip)
{
	X100Uart *u = &chip->uart;

	if (u->watch)
		return;
	while (u->line->len) {
		int done = u->line->len;

		if (qemu_chr_fe_backend_connected(&u->chr))
			done = qemu_chr_fe_write(&u->chr, u->line->data, u->line->len);
		if (done <= 0) {
			u->watch =
				qemu_chr_fe_add_watch(&u->chr, G_IO_OUT | G_IO_HUP, writable, chip);
			if (u->watch)
				return;
			done = u->line->len;
		}
		g_byte_array_remove_range(u->line, 0, done);
	}
}

/*
 * Empties the transmit FIFO onto the line. The line has no flow control: a listener that does not
 * read never stops the card, it loses what goes beyond LINE_MAX_BYTES.
 */
static void transmit(X100Chip *chip)
{
	X100Uart *u = &chip->uart;

	if (!u->tx.used || !line_set_up(chip))
		return;
	while (u->tx.used) {
		uint8_t byte = fifo_pop(&u->tx);

		if (u->mcr & MCR_LOOP)
			receive(chip, byte);
		else if (u->line->len < LINE_MAX_BYTES)
			g_byte_array_append(u->line, &byte, 1);
		chip->counters.uart_tx++;
	}
	line_flush(chip);
}

static int chr_can_receive(void *opaque)
{
	X100Chip *chip = opaque;
	X100Uart *u = &chip->uart;

	return u->mcr & MCR_LOOP ? 0 : depth(u) - MIN(depth(u), u->rx.used);
}

static void chr_receive(void *opaque, const uint8_t *buf, int size)
{
	for (int i = 0; i < size; i++)
		receive(opaque, buf[i]);
}

static uint8_t lsr(X100Uart *u)
{
	uint8_t value = u->lsr_errors;

	u->lsr_errors = 0;
	if (u->rx.used)
		value |= LSR_DATA;
	if (!u->tx.used)
		value |= LSR_THR_EMPTY | LSR_IDLE;
	return value;
}

/* Interrupt identification. The pin is not wired (3.10), but software may poll the register. */
static uint8_t iir(X100Uart *u)
{
	uint8_t fifos = u->fcr & FCR_ENABLE ? 0xC0 : 0;

	if ((u->ier & 4) && u->lsr_errors)
		return fifos | 0x06;
	if ((u->ier & 1) && u->rx.used)
		return fifos | 0x04;
	if ((u->ier & 2) && !u->tx.used)
		return fifos | 0x02;
	return fifos | 0x01;
}

static bool tcr_tlr(const X100Uart *u)
{
	return (u->efr & EFR_ENHANCED) && (u->mcr & MCR_TCR_TLR);
}

static uint8_t read_register(X100Chip *chip, unsigned int reg)
{
	X100Uart *u = &chip->uart;
	bool efr_access = u->lcr == LCR_EFR_ACCESS;
	uint8_t byte;

	switch (reg) {
	case REG_DATA:
		if (u->lcr & LCR_DIVISOR)
			return u->dll;
		if (!u->rx.used)
			return 0;
		byte = fifo_pop(&u->rx);
		qemu_chr_fe_accept_input(&u->chr);
		return byte;
	case REG_IER:
		return u->lcr & LCR_DIVISOR ? u->dlh : u->ier;
	case REG_FCR:
		return efr_access ? u->efr : iir(u);
	case REG_LCR:
		return u->lcr;
	case REG_MCR:
		return efr_access ? u->xon[0] : u->mcr;
	case REG_LSR:
		return efr_access ? u->xon[1] : lsr(u);
	case REG_MSR:
		return efr_access ? u->xon[2] : tcr_tlr(u) ? u->tcr : MSR_CTS;
	case REG_SPR:
		return efr_access ? u->xon[3] : tcr_tlr(u) ? u->tlr : u->spr;
	case REG_TXLVL:
		return depth(u) - MIN(depth(u), u->tx.used);
	case REG_RXLVL:
		return u->rx.used;
	case REG_IODIR:
	case REG_IOSTATE:
	case REG_IOINTENA:
		return u->io[reg - REG_IODIR];
	case REG_EFCR:
		return u->efcr;
	default:
		return 0;
	}
}

static void write_data(X100Chip *chip, uint8_t byte)
{
	X100Uart *u = &chip->uart;

	if (u->tx.used >= depth(u)) {
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x32),
				 "UART: byte written to a full transmit FIFO is lost");
		return;
	}
	fifo_push(&u->tx, byte);
	transmit(chip);
}

static void write_fcr(X100Chip *chip, uint8_t byte)
{
	X100Uart *u = &chip->uart;

	if ((byte ^ u->fcr) & FCR_ENABLE)
		byte |= FCR_RESET_RX | FCR_RESET_TX;
	if (byte & FCR_RESET_RX) {
		fifo_clear(&u->rx);
		u->lsr_errors = 0;
	}
	if (byte & FCR_RESET_TX)
		fifo_clear(&u->tx);
	u->fcr = byte & ~(FCR_RESET_RX | FCR_RESET_TX);
	qemu_chr_fe_accept_input(&u->chr);
}

static void write_register(X100Chip *chip, unsigned int reg, uint8_t byte)
{
	X100Uart *u = &chip->uart;
	bool efr_access = u->lcr == LCR_EFR_ACCESS;

	switch (reg) {
	case REG_DATA:
		if (u->lcr & LCR_DIVISOR)
			u->dll = byte;
		else
			write_data(chip, byte);
		break;
	case REG_IER:
		if (u->lcr & LCR_DIVISOR)
			u->dlh = byte;
		else
			u->ier = byte;
		break;
	case REG_FCR:
		if (efr_access)
			u->efr = byte;
		else
			write_fcr(chip, byte);
		break;
	case REG_LCR:
		u->lcr = byte;
		break;
	case REG_MCR:
		if (efr_access) {
			u->xon[0] = byte;
		} else {
			/* Prescaler and TCR/TLR access only with enhanced functions enabled. */
			u->mcr = u->efr & EFR_ENHANCED ? byte : byte & 0x1B;
			qemu_chr_fe_accept_input(&u->chr);
		}
		break;
	case REG_LSR:
		if (efr_access)
			u->xon[1] = byte;
		break;
	case REG_MSR:
		if (efr_access)
			u->xon[2] = byte;
		else if (tcr_tlr(u))
			u->tcr = byte;
		break;
	case REG_SPR:
		if (efr_access)
			u->xon[3] = byte;
		else if (tcr_tlr(u))
			u->tlr = byte;
		else
			u->spr = byte;
		break;
	case REG_IODIR:
	case REG_IOSTATE:
	case REG_IOINTENA:
		u->io[reg - REG_IODIR] = byte;
		break;
	case REG_IOCONTROL:
		if (byte & IOCONTROL_RESET)
			x100_uart_reset(chip);
		break;
	case REG_EFCR:
		u->efcr = byte;
		break;
	default:
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x340 + reg),
				 "UART: write of 0x%02x to register 0x%x", byte, reg);
	}
}

/* A repeated START for reading keeps the sub-address that was written before it. */
void x100_uart_start(X100Chip *chip, bool is_read)
{
	if (!is_read)
		chip->uart.have_subaddr = false;
}

void x100_uart_send(X100Chip *chip, uint8_t byte)
{
	X100Uart *u = &chip->uart;

	if (u->have_subaddr) {
		write_register(chip, u->subaddr, byte);
		return;
	}
	/* Bits 6:3 are the register; 2:1 the channel, of which this part has one. */
	u->subaddr = (byte >> 3) & 0xF;
	u->have_subaddr = true;
	if (byte & 0x87)
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x33),
				 "UART: sub-address 0x%02x has reserved bits set", byte);
}

/* The register does not advance: a burst empties or fills the FIFO. */
uint8_t x100_uart_recv(X100Chip *chip)
{
	return read_register(chip, chip->uart.subaddr);
}

void x100_uart_reset(X100Chip *chip)
{
	X100Uart *u = &chip->uart;

	u->ier = u->fcr = u->mcr = u->efr = u->efcr = u->tcr = u->tlr = 0;
	u->dll = u->dlh = 0;
	u->lcr = 0x1D;
	u->spr = 0xFF;
	memset(u->xon, 0, sizeof(u->xon));
	memset(u->io, 0, sizeof(u->io));
	u->lsr_errors = 0;
	u->have_subaddr = false;
	fifo_clear(&u->rx);
	fifo_clear(&u->tx);
}

void x100_uart_init(X100Chip *chip)
{
	chip->uart.line = g_byte_array_new();
	qemu_chr_fe_set_handlers(&chip->uart.chr, chr_can_receive, chr_receive, NULL, NULL, chip,
				 NULL, true);
}
