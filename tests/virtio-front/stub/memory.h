/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the kernel: small objects from malloc(), pages and used rings in the card's own memory, the
 * host's memory and the registers through ioremap() (memory.c).
 */
#ifndef STUB_MEMORY_H
#define STUB_MEMORY_H

#include "device.h"

#define GFP_KERNEL        0u
#define GFP_ATOMIC        1u
#define __GFP_ZERO        2u
#define __GFP_NOWARN      4u
#define __GFP_HIGHMEM     8u
#define PAGE_SHIFT        12
#define PAGE_SIZE         4096ul
#define PAGE_MASK         (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(n)     round_up((unsigned long)(n), PAGE_SIZE)
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)

void *kmalloc(size_t size, gfp_t gfp);
void kfree(const void *p);

static inline void *kzalloc(size_t size, gfp_t gfp)
{
	return kmalloc(size, gfp | __GFP_ZERO);
}

static inline void *kmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	return size && n > SIZE_MAX / size ? NULL : kmalloc(n * size, gfp);
}

#define bitmap_zalloc(bits, gfp) ((unsigned long *)kzalloc(BITS_TO_LONGS(bits) * 8, gfp))
#define bitmap_free              kfree

/* Pages of card memory; a pointer to a page is its number + 1. */
struct page;
void *alloc_pages_exact(size_t size, gfp_t gfp);
void free_pages_exact(void *p, size_t size);
phys_addr_t virt_to_phys(const volatile void *p);

enum dma_data_direction {
	DMA_BIDIRECTIONAL,
	DMA_TO_DEVICE,
	DMA_FROM_DEVICE,
	DMA_NONE
};

#define DMA_BIT_MASK(n)   ((n) == 64 ? ~0ull : (1ull << (n)) - 1)
#define DMA_MAPPING_ERROR (~(dma_addr_t)0)
/* Virtio of the old kind knows no DMA API. */
#define dma_alloc_coherent(dev, size, handle, gfp)                     ((void)(handle), (void *)NULL)
#define dma_free_coherent(dev, size, p, handle)                        BUG()
#define dma_map_single(dev, p, size, dir)                              virt_to_phys(p)
#define dma_map_page(dev, page, offset, size, dir)                     (page_to_phys(page) + (offset))
#define dma_unmap_single(dev, addr, size, dir)                         ((void)(addr))
#define dma_unmap_page(dev, addr, size, dir)                           ((void)(addr))
#define dma_map_single_attrs(dev, p, size, dir, attrs)                 virt_to_phys(p)
#define dma_unmap_single_attrs(dev, addr, size, dir, attrs)            ((void)(addr))
#define dma_mapping_error(dev, addr)                                   ((addr) == DMA_MAPPING_ERROR)
#define dma_max_mapping_size(dev)                                      SIZE_MAX
#define dma_need_sync(dev, addr)                                       false
#define dma_sync_single_range_for_cpu(dev, addr, offset, size, dir)    ((void)(addr))
#define dma_sync_single_range_for_device(dev, addr, offset, size, dir) ((void)(addr))

struct scatterlist {
	void *at;
	unsigned int offset, length;
	bool last;
};

void sg_init_table(struct scatterlist *sg, unsigned int n);
void sg_set_buf(struct scatterlist *sg, const void *p, unsigned int size);
static inline struct scatterlist *sg_next(struct scatterlist *sg)
{
	return sg->last ? NULL : sg + 1;
}
static inline struct page *sg_page(struct scatterlist *sg)
{
	return (struct page *)((virt_to_phys(sg->at) >> PAGE_SHIFT) + 1);
}
static inline phys_addr_t page_to_phys(struct page *page)
{
	return ((phys_addr_t)(unsigned long)page - 1) << PAGE_SHIFT;
}
static inline phys_addr_t sg_phys(struct scatterlist *sg)
{
	return page_to_phys(sg_page(sg)) + sg->offset;
}

void *ioremap(phys_addr_t phys, size_t size);
void iounmap(volatile void *p);

u8 readb(const volatile void *p);
u16 readw(const volatile void *p);
u32 readl(const volatile void *p);
u64 readq(const volatile void *p);
void writeb(u8 v, volatile void *p);
void writew(u16 v, volatile void *p);
void writel(u32 v, volatile void *p);
void writeq(u64 v, volatile void *p);
void memcpy_fromio(void *to, const volatile void *from, size_t size);
void memcpy_toio(volatile void *to, const void *from, size_t size);
void memset_io(volatile void *to, int value, size_t size);

#endif
