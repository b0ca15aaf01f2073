// SPDX-License-Identifier: BSD-3-Clause
/* Opening a card, and the accessors for its registers, memory and time. */
#include "card.h"

#include <libx100-virtio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/pci.h>
#include <x100/post.h>
#include <x100/range.h>
#include <x100/regs.h>

#define ONES 0xFFFFFFFFu

/*
 * Addresses for the card's DMA start here: above the local APIC pages that an IOMMU keeps for
 * itself, and in the first windows of the identity SMPT, so that no window has to move.
 */
#define FIRST_IOVA 0x100000000ull

#define PCI_ID       0x00
#define PCI_COMMAND  0x04
#define PCI_REVISION 0x08
#define PCI_MEMORY   (1u << 1)
#define PCI_MASTER   (1u << 2)

int x100_hangup_fd(const struct x100_card *card)
{
	return card->ops->hangup_fd ? card->ops->hangup_fd(card->dev) : -1;
}

const char *x100_why(const struct x100_card *card)
{
	return card->why.text;
}

void x100_interrupt(struct x100_card *card)
{
	card->interrupted = 1;
}

/* Identity, and the two bits without which a real device neither answers nor masters. */
static int identify(struct x100_card *card)
{
	uint32_t id, revision, command;
	int ret;

	ret = card->ops->read32(card->dev, X100_REGION_CONFIG, PCI_ID, &id);
	if (!ret)
		ret = card->ops->read32(card->dev, X100_REGION_CONFIG, PCI_REVISION, &revision);
	if (!ret)
		ret = card->ops->read32(card->dev, X100_REGION_CONFIG, PCI_COMMAND, &command);
	if (ret)
		return ret;
	card->pci_device = (uint16_t)(id >> 16);
	card->revision = (uint8_t)revision;
	if ((id & 0xFFFF) != X100_PCI_VENDOR || card->pci_device < X100_PCI_DEVICE_FIRST ||
	    card->pci_device > X100_PCI_DEVICE_LAST)
		return card_fail(card, X100_ERR_NOT_X100, "PCI id %04x:%04x is no X100 card",
				 id & 0xFFFF, id >> 16);
	/* The upper half is the status register, whose bits are cleared by writing ones. */
	command = (command & 0xFFFF) | PCI_MEMORY | PCI_MASTER;
	return card->ops->write32(card->dev, X100_REGION_CONFIG, PCI_COMMAND, command);
}

/* Map the largest range of the aperture that starts at 0; without one, bytes travel by request. */
static int map_aperture(struct x100_card *card)
{
	struct x100_region mmio, aperture;
	void *at;
	int ret;

	ret = card->ops->region(card->dev, X100_REGION_MMIO, &mmio);
	if (!ret)
		ret = card->ops->region(card->dev, X100_REGION_APERTURE, &aperture);
	if (ret)
		return ret;
	if (mmio.size < X100_MMIO_SIZE)
		return card_fail(card, X100_ERR_NOT_X100, "BAR4 has %llu bytes, not 128 KiB",
				 (unsigned long long)mmio.size);
	card->aperture = aperture.size;
	for (unsigned int i = 0; i < 8 && aperture.mappable[i].size; i++) {
		const struct x100_map_range *m = &aperture.mappable[i];

		if (m->offset || card->ops->map(card->dev, X100_REGION_APERTURE, 0, m->size, &at))
			continue;
		card->window = *m;
		card->window_at = at;
		break;
	}
	card->why.text[0] = '\0';
	return X100_OK;
}

int x100_open_with(const struct x100_transport_ops *ops, const char *where,
		   const struct x100_clock *clock, struct x100_card **result, struct x100_why *why)
{
	struct x100_card *card = calloc(1, sizeof(*card));
	int ret;

	*result = NULL;
	if (!card)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for a card");
	card->ops = ops;
	card->clock = clock;
	card->next_iova = FIRST_IOVA;
	x100_smpt_init(&card->smpt);
	for (unsigned int i = 0; i < X100_IRQ_VECTORS; i++)
		card->irq_fd[i] = -1;
	ret = ops->open(where, &card->why, &card->dev);
	if (!ret)
		ret = identify(card);
	if (!ret)
		ret = map_aperture(card);
	if (ret) {
		if (why)
			*why = card->why;
		x100_close(card);
		return ret;
	}
	*result = card;
	return X100_OK;
}

int x100_open(const char *name, struct x100_card **card, struct x100_why *why)
{
	static const struct x100_transport_ops *const transports[] = { &x100_vfu_transport };

	*card = NULL;
	for (unsigned int i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		size_t n = strlen(transports[i]->scheme);

		if (!strncmp(name, transports[i]->scheme, n) && name[n] == ':')
			return x100_open_with(transports[i], name + n + 1, &x100_system_clock, card,
					      why);
	}
	return x100_fail(why, X100_ERR_NAME, "\"%s\" does not begin with model:", name);
}

void x100_close(struct x100_card *card)
{
	if (!card)
		return;
	x100_vpage_free(card->vpage);
	if (card->page.memory)
		x100_dma_free(card, &card->page, card->page_address);
	for (unsigned int i = 0; i < X100_IRQ_VECTORS; i++)
		if (card->irq_fd[i] >= 0)
			close(card->irq_fd[i]);
	if (card->window_at)
		card->ops->unmap(card->dev, card->window_at, card->window.size);
	if (card->dev)
		card->ops->close(card->dev);
	free(card);
}

int x100_sbox_read(struct x100_card *card, uint32_t offset, uint32_t *value)
{
	return card->ops->read32(card->dev, X100_REGION_MMIO, X100_MMIO_SBOX + offset, value);
}

int x100_sbox_write(struct x100_card *card, uint32_t offset, uint32_t value)
{
	return card->ops->write32(card->dev, X100_REGION_MMIO, X100_MMIO_SBOX + offset, value);
}

int card_post(struct x100_card *card, uint32_t offset, uint32_t value)
{
	int (*post)(void *dev, unsigned int region, uint64_t at, uint32_t word) =
		card->ops->post32 ? card->ops->post32 : card->ops->write32;

	return post(card->dev, X100_REGION_MMIO, X100_MMIO_SBOX + offset, value);
}

int x100_dbox_read(struct x100_card *card, uint32_t offset, uint32_t *value)
{
	return card->ops->read32(card->dev, X100_REGION_MMIO, X100_MMIO_DBOX + offset, value);
}

uint64_t x100_aperture_size(const struct x100_card *card)
{
	return card->aperture;
}

uint8_t *card_mapped(const struct x100_card *card, uint64_t address, uint64_t size)
{
	struct x100_range window = { card->window.offset, card->window.size };

	if (!card->window_at || !x100_range_inside(window, address, size))
		return NULL;
	return card->window_at + (address - window.base);
}

static int check_memory(struct x100_card *card, uint64_t address, uint64_t size)
{
	struct x100_range aperture = { 0, card->aperture };

	if (x100_range_inside(aperture, address, size))
		return X100_OK;
	return card_fail(card, X100_ERR_ARGUMENT, "0x%llx bytes at 0x%llx leave the aperture",
			 (unsigned long long)size, (unsigned long long)address);
}

int x100_memory_read(struct x100_card *card, uint64_t address, void *to, size_t size)
{
	const uint8_t *at;
	int ret = check_memory(card, address, size);

	if (ret)
		return ret;
	at = card_mapped(card, address, size);
	if (!at)
		return card->ops->read(card->dev, X100_REGION_APERTURE, address, to, size);
	memcpy(to, at, size);
	return X100_OK;
}

int x100_memory_write(struct x100_card *card, uint64_t address, const void *from, size_t size)
{
	uint8_t *at;
	int ret = check_memory(card, address, size);

	if (ret)
		return ret;
	at = card_mapped(card, address, size);
	if (!at)
		return card->ops->write(card->dev, X100_REGION_APERTURE, address, from, size);
	memcpy(at, from, size);
	return X100_OK;
}

int x100_etc_read(struct x100_card *card, uint64_t *ticks)
{
	uint32_t high, low, again;
	int ret;

	/* High, low, high until both highs agree (x100-hardware.md 3.4); it carries every 8.6 s. */
	for (int tries = 0; tries < 4; tries++) {
		ret = x100_sbox_read(card, X100_SBOX_ETC_HI, &high);
		if (!ret)
			ret = x100_sbox_read(card, X100_SBOX_ETC_LO, &low);
		if (!ret)
			ret = x100_sbox_read(card, X100_SBOX_ETC_HI, &again);
		if (ret)
			return ret;
		if (high == ONES && low == ONES)
			return card_fail(card, X100_ERR_OFF_BUS, "the time counter reads all ones");
		if (high == again) {
			*ticks = ((uint64_t)high << 32 | low) >> X100_ETC_SHIFT;
			return X100_OK;
		}
	}
	return card_fail(card, X100_ERR_CARD_FAILED, "the time counter runs wild");
}

int x100_time_sample(struct x100_card *card, struct x100_time_pair *pair)
{
	pair->uncertainty = UINT64_MAX;
	for (int tries = 0; tries < 5; tries++) {
		uint64_t start = card_now(card), end, etc, real;
		int ret = x100_etc_read(card, &etc);

		if (ret)
			return ret;
		real = card_realtime(card);
		end = card_now(card);
		if (end - start < pair->uncertainty) {
			pair->etc = etc;
			/* The low word was read in the middle of the three accesses. */
			pair->realtime = real - (end - start) / 2;
			pair->uncertainty = end - start;
		}
	}
	return X100_OK;
}

int card_look(struct x100_card *card, struct card_look *look)
{
	int ret = x100_dbox_read(card, X100_DBOX_POST, &look->post);

	if (!ret)
		ret = x100_sbox_read(card, X100_SBOX_SCRATCH(X100_SPAD_DOWNLOAD), &look->spad2);
	return ret;
}

bool card_is_ready(const struct card_look *look)
{
	return look->post == X100_POST_READY && look->spad2 != ONES &&
	       x100_spad2_ready(look->spad2);
}

void card_wait_begin(struct x100_card *card, struct card_wait *wait, uint64_t timeout)
{
	wait->deadline = card_now(card) + timeout;
	wait->step = X100_NS_PER_MS;
}

int card_wait_step(struct x100_card *card, struct card_wait *wait, int late)
{
	uint64_t now = card_now(card);

	if (card->interrupted)
		return card_fail(card, X100_ERR_INTERRUPTED, "stopped by a signal");
	if (now >= wait->deadline)
		return late;
	if (wait->step > wait->deadline - now)
		wait->step = wait->deadline - now;
	card->clock->sleep(card->clock->arg, wait->step);
	wait->step *= 2;
	if (wait->step > 20 * X100_NS_PER_MS)
		wait->step = 20 * X100_NS_PER_MS;
	return X100_OK;
}
