/* SPDX-License-Identifier: BSD-3-Clause */
/* A card in use: what the parts of the library share about it. */
#ifndef X100_CARD_H
#define X100_CARD_H

#include <libx100.h>
#include <signal.h>

#include <x100/devpage.h>

#include "why.h"

struct x100_card {
	const struct x100_transport_ops *ops;
	void *dev;
	const struct x100_clock *clock;
	struct x100_why why;
	volatile sig_atomic_t interrupted;

	uint16_t pci_device;
	uint8_t revision;
	uint64_t aperture;            /* bytes of BAR0 */
	struct x100_map_range window; /* what of it is mapped; size 0: nothing */
	uint8_t *window_at;
	uint8_t populated[2048]; /* MiB of it that a push mapped the pages of, one bit each */

	struct x100_smpt smpt;
	uint64_t next_iova;
	struct x100_dma page;         /* device page; memory NULL until the first push */
	uint64_t page_address;        /* its card address */
	int irq_fd[X100_IRQ_VECTORS]; /* -1 until x100_irq_setup() */
	struct x100_vpage *vpage;     /* device page with devices, instead of the one above */
};

/* Note why and return @error. */
#define card_fail(card, error, ...) x100_fail(&(card)->why, error, __VA_ARGS__)

static inline uint64_t card_now(const struct x100_card *card)
{
	return card->clock->monotonic(card->clock->arg);
}

static inline uint64_t card_realtime(const struct x100_card *card)
{
	return card->clock->realtime(card->clock->arg);
}

/* A wait with a deadline that looks again ever less often, from 1 to 20 ms apart. */
struct card_wait {
	uint64_t deadline;
	uint64_t step;
};

void card_wait_begin(struct x100_card *card, struct card_wait *wait, uint64_t timeout);
/* Sleep before the next look. Returns X100_OK, INTERRUPTED, or @late once the deadline is over. */
int card_wait_step(struct x100_card *card, struct card_wait *wait, int late);

/* POST and SCRATCH2 at one look. */
struct card_look {
	uint32_t post;
	uint32_t spad2;
};

int card_look(struct x100_card *card, struct card_look *look);

/* Ready means both, POST "12" and the ready bit (silicon-notes.md "Bootstrap and reset"). */
bool card_is_ready(const struct card_look *look);

/* Where @address is mapped, or NULL. */
uint8_t *card_mapped(const struct x100_card *card, uint64_t address, uint64_t size);

/* Write an SBOX register without waiting for an answer. */
int card_post(struct x100_card *card, uint32_t offset, uint32_t value);

/* What rings a doorbell of the card: one register write. */
struct card_doorbell {
	uint32_t offset; /* in the SBOX; 0: nothing to ring */
	uint32_t value;
};

/* Vector of doorbell @number, 0 to 3 (x100-abi.md 7.2). */
unsigned int card_doorbell_vector(unsigned int number);

/*
 * Find out how to ring doorbell @index, 0 to 15. An ICR is read now: the card has set it up for good
 * before it tells of the doorbell (x100-abi.md 7.1).
 */
int card_doorbell_prepare(struct x100_card *card, unsigned int index, struct card_doorbell *bell);
int card_doorbell_ring(struct x100_card *card, const struct card_doorbell *bell);

/* Memory for the card in two steps: made with a bus address, and put into the card's reach. */
int card_dma_create(struct x100_card *card, uint64_t size, uint64_t iova, struct x100_dma *dma);
int card_dma_attach(struct x100_card *card, const struct x100_dma *dma, uint64_t *address);
void card_dma_destroy(struct x100_dma *dma);

/* Put the SMPT shadow into the registers. */
int card_smpt_restore(struct x100_card *card);

/* Enable the causes and write MXAR again, as before each boot (x100-abi.md 7.3). */
int card_irq_restore(struct x100_card *card);

/* Make the device page if there is none, fill it as at boot, tell the card where it is. */
int card_devpage_prepare(struct x100_card *card);

#endif
