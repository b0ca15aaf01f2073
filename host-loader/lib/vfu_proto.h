/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user protocol as a client sees it: message layouts and checks of what the server sent.
 * Facts from libvfio-user (docs/vfio-user.rst, version 0.1) as shipped in QEMU 7.2's source package.
 * No I/O here, so the fuzzer links this very file.
 */
#ifndef X100_VFU_PROTO_H
#define X100_VFU_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <x100/types.h>

#define VFU_MAJOR 0
#define VFU_MINOR 1

enum vfu_command {
	VFU_VERSION = 1,
	VFU_DMA_MAP = 2,
	VFU_DMA_UNMAP = 3,
	VFU_GET_INFO = 4,
	VFU_GET_REGION_INFO = 5,
	VFU_GET_IRQ_INFO = 7,
	VFU_SET_IRQS = 8,
	VFU_REGION_READ = 9,
	VFU_REGION_WRITE = 10,
	VFU_DMA_READ = 11,  /* server to client */
	VFU_DMA_WRITE = 12, /* server to client */
};

#define VFU_TYPE_MASK    0xFu
#define VFU_TYPE_COMMAND 0u
#define VFU_TYPE_REPLY   1u
#define VFU_NO_REPLY     (1u << 4)
#define VFU_ERROR        (1u << 5)

struct vfu_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* whole message, this header included */
	uint32_t flags;
	uint32_t error; /* errno of the server, with VFU_ERROR; may be 0 even then */
};
X100_ASSERT_SIZE(struct vfu_header, 16);
X100_ASSERT_OFFSET(struct vfu_header, flags, 8);

struct vfu_version {
	uint16_t major;
	uint16_t minor; /* followed by JSON text with a terminating NUL */
};
X100_ASSERT_SIZE(struct vfu_version, 4);

struct vfu_dma_map {
	uint32_t argsz;
	uint32_t flags;  /* bit 0 card may read, bit 1 card may write */
	uint64_t offset; /* into the file that travels along */
	uint64_t address;
	uint64_t size;
};
X100_ASSERT_SIZE(struct vfu_dma_map, 32);

struct vfu_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t address;
	uint64_t size;
};
X100_ASSERT_SIZE(struct vfu_dma_unmap, 24);

struct vfu_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t regions;
	uint32_t irqs;
};
X100_ASSERT_SIZE(struct vfu_device_info, 16);

/* Values of the VFIO kernel interface, which the protocol borrows. */
#define VFU_REGION_READABLE  (1u << 0)
#define VFU_REGION_WRITABLE  (1u << 1)
#define VFU_REGION_MMAP      (1u << 2)
#define VFU_REGION_CAPS      (1u << 3)
#define VFU_CAP_SPARSE_MMAP  1u
#define VFU_PCI_CONFIG       7u /* region index of the configuration space */
#define VFU_PCI_REGIONS      9u
#define VFU_PCI_MSIX         2u /* interrupt index */
#define VFU_IRQ_DATA_NONE    (1u << 0)
#define VFU_IRQ_DATA_EVENTFD (1u << 2)
#define VFU_IRQ_TRIGGER      (1u << 5)

struct vfu_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset; /* from the start of this structure */
	uint64_t size;
	uint64_t offset; /* into the file that travels along */
};
X100_ASSERT_SIZE(struct vfu_region_info, 32);

struct vfu_cap {
	uint16_t id;
	uint16_t version;
	uint32_t next; /* from the start of struct vfu_region_info; 0 ends the chain */
};
X100_ASSERT_SIZE(struct vfu_cap, 8);

struct vfu_sparse {
	struct vfu_cap cap;
	uint32_t areas;
	uint32_t reserved; /* followed by the areas */
};
X100_ASSERT_SIZE(struct vfu_sparse, 16);

struct vfu_area {
	uint64_t offset; /* in the region */
	uint64_t size;
};
X100_ASSERT_SIZE(struct vfu_area, 16);

struct vfu_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};
X100_ASSERT_SIZE(struct vfu_irq_info, 16);

struct vfu_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
};
X100_ASSERT_SIZE(struct vfu_irq_set, 20);

struct vfu_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count; /* followed by the data */
};
X100_ASSERT_SIZE(struct vfu_access, 16);

/* What one message may be at most; a server that announces more is not believed. */
#define VFU_MAX_DATA     (1u << 20)
#define VFU_MAX_MESSAGE  (VFU_MAX_DATA + 64u)
#define VFU_MAX_FDS      16u
#define VFU_MAX_AREAS    8u
#define VFU_DEFAULT_FDS  1u /* what the protocol assumes when the peer says nothing */
#define VFU_DEFAULT_DATA (1u << 20)

enum vfu_kind {
	VFU_KIND_REPLY,   /* of the command that was asked about */
	VFU_KIND_STALE,   /* a reply nobody waits for; drop it */
	VFU_KIND_COMMAND, /* the server asks something */
	VFU_KIND_BROKEN,  /* not the protocol: the stream cannot be followed any further */
};

/* What the server can take, from its answer to VERSION. */
struct vfu_limits {
	uint32_t fds;
	uint32_t data;
};

/* A region, after all checks. */
struct vfu_region {
	uint64_t size;
	uint64_t file_offset;
	uint32_t flags;
	unsigned int areas; /* ranges of the region that may be mapped */
	struct vfu_area area[VFU_MAX_AREAS];
};

/*
 * Judge a header that arrived while a reply to @command with message @id is waited for.
 */
enum vfu_kind vfu_check_header(const struct vfu_header *h, uint16_t id, uint16_t command);

/*
 * Take the body of a reply to VERSION, @size bytes at @body.
 *
 * Returns 0 and fills @limits; -EPROTO for a malformed body, -EPROTONOSUPPORT for a version that is
 * not 0.1 or less.
 */
int vfu_parse_version(const uint8_t *body, size_t size, struct vfu_limits *limits);

/*
 * Take the body of a reply to GET_REGION_INFO for region @index, @size bytes at @body.
 *
 * Returns 0 and fills @region; the number of bytes to ask for again when the answer is longer than
 * what arrived; -EPROTO for a malformed body.
 */
int vfu_parse_region(const uint8_t *body, size_t size, uint32_t index, struct vfu_region *region);

#endif
