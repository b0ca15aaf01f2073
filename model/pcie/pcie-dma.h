/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Host memory that the client opened for the card: the table of DMA mappings.
 */
#ifndef X100_PCIE_DMA_H
#define X100_PCIE_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pcie-direct.h"

#define X100_DMA_READ     (1u << 0) /* the card may read */
#define X100_DMA_WRITE    (1u << 1)
#define X100_DMA_MAPS_MAX 4096

typedef struct X100DmaMap {
	uint64_t bus;   /* host bus address */
	uint64_t size;  /* bytes */
	uint32_t flags; /* X100_DMA_* */
	uint8_t *host;  /* NULL: reachable by message only */
	bool direct;    /* the card's CPUs reach it without us */
} X100DmaMap;

typedef struct X100DmaTable {
	X100DmaMap *maps; /* sorted, without overlap */
	size_t nr;
	X100Direct *direct; /* where mappings that suit are shown, too; NULL: nowhere */
} X100DmaTable;

/*
 * Adds [@bus, @bus + @size). With @fd >= 0 the range is that file at @offset and is mapped; the
 * descriptor stays the caller's. Returns 0 or a positive errno: EINVAL (empty, wraps, bad flags or
 * offset, file too short), EEXIST (overlaps), ENOSPC (table full), or what mmap says.
 */
int x100_dma_map(X100DmaTable *t, uint64_t bus, uint64_t size, uint32_t flags, int fd,
		 uint64_t offset);

/* Removes the mapping that is exactly [@bus, @bus + @size). Returns 0 or ENOENT. */
int x100_dma_unmap(X100DmaTable *t, uint64_t bus, uint64_t size);

void x100_dma_unmap_all(X100DmaTable *t);

/* The mapping that holds @bus, or NULL. Valid until the table changes. */
const X100DmaMap *x100_dma_find(const X100DmaTable *t, uint64_t bus);

/*
 * Copies to or from client memory at @host, naturally aligned accesses of 1, 2, 4 and 8 bytes in
 * one piece. Returns false if the client took the file away under the mapping (SIGBUS).
 */
bool x100_dma_copy(uint8_t *host, void *buf, size_t len, bool is_write);

#endif
