// SPDX-License-Identifier: BSD-3-Clause
/* Interrupts in both directions (x100-abi.md section 7). */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <x100/irq.h>
#include <x100/regs.h>

#include "card.h"

/* Cause of each vector, as the old host ends up with on its first boot. */
static const uint32_t vector_cause[X100_IRQ_VECTORS] = {
	X100_SRC_DMA(0),      X100_SRC_DMA(1),      X100_SRC_DMA(2),
	X100_SRC_DMA(3),      X100_SRC_DOORBELL(0), X100_SRC_DOORBELL(1),
	X100_SRC_DOORBELL(2), X100_SRC_DOORBELL(3), 0,
};

/* Doorbells follow the four DMA channels there. */
unsigned int card_doorbell_vector(unsigned int number)
{
	return 4 + number;
}

int x100_irq_setup(struct x100_card *card)
{
	int ret;

	if (card->irq_fd[0] >= 0)
		return X100_OK;
	for (unsigned int i = 0; i < X100_IRQ_VECTORS; i++) {
		card->irq_fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (card->irq_fd[i] < 0) {
			ret = card_fail(card, X100_ERR_SYSTEM, "eventfd: %s", strerror(errno));
			goto undo;
		}
	}
	ret = card->ops->set_irqs(card->dev, card->irq_fd, X100_IRQ_VECTORS);
	if (!ret)
		return X100_OK;
undo:
	for (unsigned int i = 0; i < X100_IRQ_VECTORS; i++) {
		if (card->irq_fd[i] >= 0)
			close(card->irq_fd[i]);
		card->irq_fd[i] = -1;
	}
	return ret;
}

int card_irq_restore(struct x100_card *card)
{
	uint32_t enable;
	int ret = X100_OK;

	for (unsigned int v = 0; v < X100_IRQ_VECTORS && !ret; v++)
		ret = x100_sbox_write(card, X100_SBOX_MXAR(v), vector_cause[v]);
	if (!ret)
		ret = x100_sbox_read(card, X100_SBOX_SICE0, &enable);
	if (!ret)
		ret = x100_sbox_write(card, X100_SBOX_SICE0, enable | X100_SRC_USED);
	if (!ret)
		ret = x100_sbox_read(card, X100_SBOX_SIAC0, &enable);
	if (!ret)
		ret = x100_sbox_write(card, X100_SBOX_SIAC0, enable | X100_SRC_USED);
	return ret;
}

int x100_irq_take(struct x100_card *card, uint32_t *causes)
{
	uint32_t enable;
	int ret = X100_OK;

	*causes = 0;
	for (unsigned int v = 0; v < X100_IRQ_VECTORS; v++) {
		uint64_t count;

		if (card->irq_fd[v] >= 0 &&
		    read(card->irq_fd[v], &count, sizeof(count)) == (ssize_t)sizeof(count))
			*causes |= vector_cause[v];
	}
	if (!*causes)
		return X100_OK;
	/* B0 and later want the enables written again after each interrupt (x100-abi.md 7.3). */
	ret = x100_sbox_read(card, X100_SBOX_SICE0, &enable);
	if (!ret)
		ret = x100_sbox_write(card, X100_SBOX_SICE0, enable | X100_SRC_USED);
	return ret;
}

int card_doorbell_prepare(struct x100_card *card, unsigned int index, struct card_doorbell *bell)
{
	uint32_t value;
	int ret;

	memset(bell, 0, sizeof(*bell));
	if (index >= 16)
		return card_fail(card, X100_ERR_ARGUMENT, "doorbell %u: there are 0 to 15", index);
	if (index >= X100_ICRS) {
		bell->offset = X100_SBOX_RDMASR(index - X100_ICRS);
		return X100_OK;
	}
	/* Vector and destination are the card's; only the send bit is ours. */
	ret = x100_sbox_read(card, X100_SBOX_APICICR_LO(index), &value);
	if (ret)
		return ret;
	bell->offset = X100_SBOX_APICICR_LO(index);
	bell->value = value | X100_ICR_SEND;
	return X100_OK;
}

int card_doorbell_ring(struct x100_card *card, const struct card_doorbell *bell)
{
	if (!bell->offset)
		return X100_OK;
	/* What it tells of is out before it (x100-abi.md 2.9). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return card_post(card, bell->offset, bell->value);
}

int x100_doorbell(struct x100_card *card, unsigned int index)
{
	struct card_doorbell bell;
	int ret = card_doorbell_prepare(card, index, &bell);

	if (ret)
		return ret;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return x100_sbox_write(card, bell.offset, bell.value);
}
