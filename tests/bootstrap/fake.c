// SPDX-License-Identifier: BSD-3-Clause
/*
 * The fake card.
 */
#include "fake.h"

#define PAGE       4096u
#define FIFO_TICKS 1356 /* one byte at 115200 8N1 */

/* The page with this number, made of zeros when it is new. */
static uint8_t *page_of(struct fake *fake, uint64_t number)
{
	unsigned int slot = (unsigned int)(number * 2654435761u) % FAKE_PAGES;

	while (fake->page[slot].data && fake->page[slot].number != number)
		slot = (slot + 1) % FAKE_PAGES;
	if (!fake->page[slot].data) {
		assert_true(fake->pages < FAKE_PAGES - 1);
		fake->page[slot].number = number;
		fake->page[slot].data = calloc(1, PAGE);
		fake->pages++;
	}
	return fake->page[slot].data;
}

static bool overlay(uint64_t phys)
{
	return phys >= X100_GDDR_LOW_END && phys < X100_GDDR_HIGH_BASE;
}

void fake_write(struct fake *fake, uint64_t phys, const void *src, size_t len)
{
	const uint8_t *from = src;

	while (len) {
		size_t room = PAGE - phys % PAGE, n = len < room ? len : room;

		memcpy(page_of(fake, phys / PAGE) + phys % PAGE, from, n);
		phys += n;
		from += n;
		len -= n;
	}
}

void fake_read(struct fake *fake, uint64_t phys, void *dst, size_t len)
{
	uint8_t *to = dst;

	while (len) {
		size_t room = PAGE - phys % PAGE, n = len < room ? len : room;

		memcpy(to, page_of(fake, phys / PAGE) + phys % PAGE, n);
		phys += n;
		to += n;
		len -= n;
	}
}

void fake_write32(struct fake *fake, uint64_t phys, uint32_t value)
{
	fake_write(fake, phys, &value, sizeof(value));
}

/* Nothing checked may be read outside memory: the range helpers stand in front. */
static void mem_read(void *ctx, uint64_t phys, void *dst, uint32_t len)
{
	struct fake *fake = ctx;

	assert_true(len <= PAGE);
	assert_true(phys + len <= fake->top);
	assert_false(overlay(phys) || overlay(phys + len - 1));
	fake->reads++;
	fake_read(fake, phys, dst, len);
}

static uint32_t mem_peek(void *ctx, uint64_t phys)
{
	struct fake *fake = ctx;

	assert_int_equal(phys % 4, 0);
	if (overlay(phys))
		return fake->bus = 0xFFFFFFFF;
	if (phys >= fake->top) {
		if (fake->beyond == FAKE_FLOATING)
			return fake->bus;
		if (fake->beyond == FAKE_ONES)
			return fake->bus = 0xFFFFFFFF;
		phys %= fake->wrap;
	}
	fake_read(fake, phys, &fake->bus, sizeof(fake->bus));
	return fake->bus;
}

static void mem_poke(void *ctx, uint64_t phys, uint32_t value)
{
	struct fake *fake = ctx;

	assert_int_equal(phys % 4, 0);
	fake->bus = value;
	if (overlay(phys)) {
		fake->overlay_writes++;
		return;
	}
	if (phys >= fake->top) {
		if (fake->beyond != FAKE_WRAPPED)
			return;
		phys %= fake->wrap;
	}
	fake_write32(fake, phys, value);
}

static uint64_t ticks(void *ctx)
{
	struct fake *fake = ctx;

	return fake->now += 16;
}

static void drain(struct fake *fake)
{
	while (fake->line != FAKE_LINE_STALLED && fake->fifo &&
	       fake->now - fake->drained >= FIFO_TICKS) {
		fake->fifo--;
		fake->drained += FIFO_TICKS;
	}
	if (!fake->fifo)
		fake->drained = fake->now;
}

static void uart_take(struct fake *fake, uint8_t value)
{
	bool dlab = fake->regs[X100_UART_LCR] & 0x80;

	drain(fake);
	if (fake->reg == X100_UART_THR && !dlab) {
		if (fake->fifo >= X100_UART_FIFO) {
			fake->overrun++;
			return;
		}
		fake->fifo++;
		if (fake->sent_len < sizeof(fake->sent))
			fake->sent[fake->sent_len++] = (char)value;
		return;
	}
	if (fake->reg == X100_UART_FCR && value & 4)
		fake->fifo = 0;
	/* The divisor latch lies beside the registers it hides. */
	fake->regs[dlab && fake->reg < 2 ? 14 + fake->reg : fake->reg] = value;
}

static uint8_t uart_give(struct fake *fake)
{
	drain(fake);
	if (fake->reg == X100_UART_TXLVL)
		return (uint8_t)(X100_UART_FIFO - fake->fifo);
	return fake->regs[fake->reg];
}

static void transfer(struct fake *fake)
{
	bool ack = fake->line != FAKE_LINE_ABSENT;

	if (fake->line == FAKE_LINE_SILENT)
		return;
	if (fake->icr & X100_I2C_ICR_START)
		fake->state = 0;
	assert_true(fake->state >= 0); /* a byte without a start condition */
	if (fake->state > 0 && fake->reading) {
		fake->idbr = uart_give(fake);
		fake->isr |= X100_I2C_ISR_IRF;
	} else {
		if (fake->state == 0) {
			ack = ack && fake->idbr >> 1 == X100_UART_I2C_ADDR;
			fake->reading = fake->idbr & 1;
		} else if (fake->state == 1) {
			fake->reg = fake->idbr >> 3 & 15;
		} else {
			uart_take(fake, (uint8_t)fake->idbr);
		}
		fake->isr |= X100_I2C_ISR_ITE;
		fake->isr = ack ? fake->isr & ~X100_I2C_ISR_ACKNAK :
				  fake->isr | X100_I2C_ISR_ACKNAK;
	}
	fake->state++;
	if (fake->icr & X100_I2C_ICR_STOP || !ack)
		fake->state = -1;
}

static uint32_t sbox_read(void *ctx, uint32_t off)
{
	struct fake *fake = ctx;

	switch (off) {
	case X100_SBOX_I2C_ISR:
		return fake->isr;
	case X100_SBOX_I2C_ICR:
		return fake->icr;
	case X100_SBOX_I2C_IDBR:
		return fake->idbr;
	}
	fail_msg("read of SBOX 0x%x", off);
	return 0;
}

static void sbox_write(void *ctx, uint32_t off, uint32_t value)
{
	struct fake *fake = ctx;

	switch (off) {
	case X100_SBOX_I2C_ISR:
		fake->isr &= ~(value & (X100_I2C_ISR_ITE | X100_I2C_ISR_IRF | X100_I2C_ISR_ALD |
					X100_I2C_ISR_BED));
		return;
	case X100_SBOX_I2C_IDBR:
		fake->idbr = value;
		return;
	case X100_SBOX_I2C_ICR:
		fake->icr = value;
		if (value & X100_I2C_ICR_UR) {
			fake->state = -1;
			fake->isr = 0;
		} else if (value & X100_I2C_ICR_TB) {
			assert_true(value & X100_I2C_ICR_IUE);
			assert_true(value & X100_I2C_ICR_SCLE);
			transfer(fake);
			fake->icr &= ~X100_I2C_ICR_TB;
		}
		return;
	}
	fail_msg("write of SBOX 0x%x", off);
}

struct fake *fake_new(uint64_t top)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	fake->top = top;
	fake->wrap = top;
	fake->state = -1;
	fake->ops =
		(struct bs_ops){ fake, sbox_read, sbox_write, ticks, mem_read, mem_peek, mem_poke };
	return fake;
}

void fake_free(struct fake *fake)
{
	for (unsigned int i = 0; i < FAKE_PAGES; i++)
		free(fake->page[i].data);
	free(fake);
}
