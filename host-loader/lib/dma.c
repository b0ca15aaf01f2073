// SPDX-License-Identifier: BSD-3-Clause
/* Host memory for the card: allocation, its card address, and the device page. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/range.h>
#include <x100/regs.h>

#include "card.h"
#include "vpage.h"

/* Write the entries of @mask from the shadow into the registers. */
static int write_entries(struct x100_card *card, uint32_t mask)
{
	for (unsigned int i = 0; i < X100_SMPT_ENTRIES; i++) {
		int ret;

		if (!(mask & (1u << i)))
			continue;
		ret = x100_sbox_write(card, X100_SBOX_SMPT(i),
				      x100_smpt_entry(card->smpt.entry[i].host));
		if (ret)
			return ret;
	}
	return X100_OK;
}

int card_smpt_restore(struct x100_card *card)
{
	return write_entries(card, ~0u);
}

int card_dma_create(struct x100_card *card, uint64_t size, uint64_t iova, struct x100_dma *dma)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int ret;

	memset(dma, 0, sizeof(*dma));
	dma->fd = -1;
	if (!size || !x100_range_align_up(size, page, &size))
		return card_fail(card, X100_ERR_ARGUMENT,
				 "a DMA buffer of that size makes no sense");
	dma->fd = memfd_create("x100-dma", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (dma->fd < 0)
		return card_fail(card, X100_ERR_SYSTEM, "memfd_create: %s", strerror(errno));
	if (ftruncate(dma->fd, (off_t)size)) {
		ret = card_fail(card, X100_ERR_MEMORY, "ftruncate: %s", strerror(errno));
		goto destroy;
	}
	/* The other end gets the file: cut short by it, our own accesses would end in SIGBUS. */
	if (fcntl(dma->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		ret = card_fail(card, X100_ERR_SYSTEM, "sealing memory: %s", strerror(errno));
		goto destroy;
	}
	dma->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dma->fd, 0);
	if (dma->memory == MAP_FAILED) {
		dma->memory = NULL;
		ret = card_fail(card, X100_ERR_MEMORY, "mmap: %s", strerror(errno));
		goto destroy;
	}
	dma->size = size;
	dma->iova = iova;
	return X100_OK;

destroy:
	card_dma_destroy(dma);
	return ret;
}

int card_dma_attach(struct x100_card *card, const struct x100_dma *dma, uint64_t *address)
{
	uint32_t changed;
	int ret = card->ops->dma_map(card->dev, dma);

	if (ret)
		return ret;
	*address = x100_smpt_map(&card->smpt, dma->iova, dma->size, &changed);
	if (!*address) {
		ret = card_fail(card, X100_ERR_SYSTEM, "no window onto host memory is free");
		goto dma_unmap;
	}
	ret = write_entries(card, changed);
	if (ret)
		goto smpt_unmap;
	if (card->next_iova < dma->iova + dma->size)
		card->next_iova = dma->iova + dma->size;
	return X100_OK;

smpt_unmap:
	x100_smpt_unmap(&card->smpt, *address, dma->size);
dma_unmap:
	card->ops->dma_unmap(card->dev, dma);
	*address = 0;
	return ret;
}

void card_dma_destroy(struct x100_dma *dma)
{
	if (dma->memory)
		munmap(dma->memory, dma->size);
	if (dma->fd >= 0)
		close(dma->fd);
	memset(dma, 0, sizeof(*dma));
	dma->fd = -1;
}

int x100_dma_alloc(struct x100_card *card, uint64_t size, struct x100_dma *dma, uint64_t *address)
{
	int ret = card_dma_create(card, size, card->next_iova, dma);

	*address = 0;
	if (!ret)
		ret = card_dma_attach(card, dma, address);
	if (ret)
		card_dma_destroy(dma);
	return ret;
}

void x100_dma_free(struct x100_card *card, struct x100_dma *dma, uint64_t address)
{
	struct x100_why kept = card->why;

	x100_smpt_unmap(&card->smpt, address, dma->size);
	/* A peer that is gone has unmapped it by going. */
	card->ops->dma_unmap(card->dev, dma);
	card->why = kept;
	card_dma_destroy(dma);
}

/* x100-abi.md 2.2, generation C: what the old host writes at every boot start. */
static void fill_bootparam(void *page)
{
	struct x100_bootparam b = {
		.magic = X100_DEVPAGE_MAGIC,
		.h2c_config_db = -1,
		.node_id = 1,
		.h2c_scif_db = 0xFF,
		.c2h_scif_db = 0xFF,
	};

	memset(page, 0, X100_DEVPAGE_SIZE);
	memcpy(page, &b, sizeof(b));
}

int card_devpage_prepare(struct x100_card *card)
{
	uint64_t address;
	int ret;

	if (card->vpage) {
		ret = vpage_boot(card->vpage);
		if (ret)
			return ret;
		address = card->vpage->address;
	} else {
		if (!card->page.memory) {
			ret = x100_dma_alloc(card, X100_DEVPAGE_SIZE, &card->page,
					     &card->page_address);
			if (ret)
				return ret;
		}
		fill_bootparam(card->page.memory);
		address = card->page_address;
	}
	ret = x100_sbox_write(card, X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_LO), (uint32_t)address);
	if (!ret)
		ret = x100_sbox_write(card, X100_SBOX_SCRATCH(X100_SPAD_DEVPAGE_HI),
				      (uint32_t)(address >> 32));
	return ret;
}
