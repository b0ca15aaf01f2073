// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCIe function of the card as a vfio-user device: runs the client's commands on configuration
 * space, BARs, interrupts and DMA mappings. See x100-pcie.h for the border to the chip.
 */
#include "qemu/osdep.h"
#include <linux/vfio.h>
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/main-loop.h"
#include "qemu/notify.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "sysemu/sysemu.h"
#include "x100/memmap.h"
#include "x100/pci.h"
#include "pcie-config.h"
#include "pcie-dma.h"
#include "pcie-irq.h"
#include "vfu-server.h"
#include "x100-pcie.h"

#define BAR4_SIZE  0x20000
#define TABLE_SIZE (X100_MSIX_VECTORS * 16)
#define PBA_SIZE   8
#define AREAS_MAX  2

struct X100Pcie {
	const X100PcieOps *ops;
	void *chip;
	const X100PcieProduct *product;
	int gddr_fd;
	AddressSpace gddr_as; /* GDDR from offset 0, so that aperture writes drop translated code */
	uint64_t gddr_top;
	bool trace;
	bool present;
	bool msg_enabled; /* last state told to the chip */
	X100PcieConfig cfg;
	X100PcieIrq irq;
	X100DmaTable dma;
	X100PcieCounters counters;
	uint64_t guest_errors;
	X100VfuServer *server;
	Notifier exit;
};

/* Payloads of the protocol that <linux/vfio.h> does not have. */
struct vfu_device_info {
	uint32_t argsz, flags, num_regions, num_irqs;
};

struct vfu_region_access {
	uint64_t offset;
	uint32_t region, count;
};

struct vfu_dma_map {
	uint32_t argsz, flags;
	uint64_t offset, bus, size;
};

struct vfu_dma_unmap {
	uint32_t argsz, flags;
	uint64_t bus, size;
};

#define VFU_UNMAP_DIRTY (1u << 0)
#define VFU_UNMAP_ALL   (1u << 1)

struct vfu_region_io_fds {
	uint32_t argsz, flags, index, count;
};

QEMU_BUILD_BUG_ON(sizeof(struct vfu_region_access) != 16);
QEMU_BUILD_BUG_ON(sizeof(struct vfu_dma_map) != 32);
QEMU_BUILD_BUG_ON(sizeof(struct vfu_dma_unmap) != 24);

/* Logs the first few errors and then ever fewer, so that a wild client cannot fill the disk. */
static void G_GNUC_PRINTF(2, 3) guest_error(X100Pcie *p, const char *fmt, ...)
{
	uint64_t n = ++p->guest_errors;
	va_list ap;

	if (!qemu_loglevel_mask(LOG_GUEST_ERROR) || (n > 64 && !is_power_of_2(n)))
		return;
	g_autofree char *text = NULL;

	va_start(ap, fmt);
	text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	qemu_log("x100-pcie: %s (error %" PRIu64 ")\n", text, n);
}

static void sync_counters(X100Pcie *p)
{
	p->counters.interrupts = p->irq.fired;
	p->counters.interrupts_lost = p->irq.lost;
	memcpy(p->counters.vectors, p->irq.vectors, sizeof(p->counters.vectors));
	p->counters.direct_mappings = p->dma.direct ? x100_direct_count(p->dma.direct) : 0;
}

/* Tells the chip when messages were switched on or off, and delivers what waited for it. */
static void irq_state_changed(X100Pcie *p)
{
	bool enabled = x100_pcie_msg_enabled(p);

	x100_irq_update(&p->irq);
	if (enabled != p->msg_enabled) {
		p->msg_enabled = enabled;
		p->ops->interrupts_changed(p->chip);
	}
}

static void config_changed(X100Pcie *p)
{
	irq_state_changed(p);
	p->ops->host_memory_changed(p->chip);
}

/* BAR0 */

static uint64_t aperture_top(const X100Pcie *p)
{
	return MIN(p->gddr_top, p->product->bar0_size);
}

/* Areas of BAR0 that are plain GDDR: below the local APIC page, and from 4 GiB on. */
static unsigned int aperture_areas(const X100Pcie *p, struct vfio_region_sparse_mmap_area *area)
{
	uint64_t top = aperture_top(p);
	unsigned int nr = 0;

	if (p->trace)
		return 0;
	area[nr++] = (struct vfio_region_sparse_mmap_area){ 0, MIN(top, X100_GDDR_LOW_END) };
	if (top > X100_GDDR_HIGH_BASE)
		area[nr++] = (struct vfio_region_sparse_mmap_area){ X100_GDDR_HIGH_BASE,
								    top - X100_GDDR_HIGH_BASE };
	return nr;
}

/* Bytes from @at that are all GDDR (@is_gddr) or all not. */
static uint64_t aperture_run(const X100Pcie *p, uint64_t at, bool *is_gddr)
{
	uint64_t top = aperture_top(p);
	uint64_t low = MIN(top, X100_GDDR_LOW_END);

	*is_gddr = true;
	if (at < low)
		return low - at;
	if (at >= X100_GDDR_HIGH_BASE && at < top)
		return top - at;
	*is_gddr = false;
	if (at < X100_GDDR_HIGH_BASE && top > X100_GDDR_HIGH_BASE)
		return X100_GDDR_HIGH_BASE - at;
	return p->product->bar0_size - at;
}

/* What a read above GDDR returns is unknown (x100-hardware.md 1.3, 2.2): ones here. */
static void aperture_access(X100Pcie *p, uint64_t at, uint8_t *buf, size_t len, bool is_write)
{
	bool trained = p->ops->gddr_ready(p->chip);

	if (is_write) {
		p->counters.aperture_writes++;
		p->counters.aperture_write_bytes += len;
	} else {
		p->counters.aperture_reads++;
		p->counters.aperture_read_bytes += len;
		memset(buf, 0xFF, len);
	}
	if (!trained) {
		p->counters.bad_accesses++;
		guest_error(p,
			    "aperture access at 0x%" PRIx64
			    " before memory training ended (may hang a real host)",
			    at);
		return;
	}
	for (size_t done = 0; done < len;) {
		bool is_gddr;
		size_t n = MIN(len - done, aperture_run(p, at + done, &is_gddr));

		if (is_gddr) {
			address_space_rw(&p->gddr_as, at + done, MEMTXATTRS_UNSPECIFIED, buf + done,
					 n, is_write);
		} else {
			p->counters.bad_accesses++;
			guest_error(p, "aperture %s of %zu bytes at 0x%" PRIx64 ", no GDDR there",
				    is_write ? "write" : "read", n, at + done);
		}
		done += n;
	}
}

/* BAR4 */

bool x100_pcie_is_msix_ram(uint32_t offset)
{
	return (offset >= X100_MSIX_TABLE && offset < X100_MSIX_TABLE + TABLE_SIZE) ||
	       (offset >= X100_MSIX_PBA && offset < X100_MSIX_PBA + PBA_SIZE);
}

uint32_t x100_pcie_msix_ram_read(X100Pcie *p, uint32_t offset)
{
	if (offset >= X100_MSIX_PBA)
		return offset == X100_MSIX_PBA ? p->irq.pending : 0;
	return x100_irq_table_read(&p->irq, offset - X100_MSIX_TABLE);
}

void x100_pcie_msix_ram_write(X100Pcie *p, uint32_t offset, uint32_t value)
{
	if (offset < X100_MSIX_PBA)
		x100_irq_table_write(&p->irq, offset - X100_MSIX_TABLE, value);
}

static int mmio_access(X100Pcie *p, uint64_t at, uint8_t *buf, size_t len, bool is_write)
{
	if ((len != 4 && len != 8) || at & 3) {
		p->counters.bad_accesses++;
		guest_error(p,
			    "register %s of %zu bytes at BAR4+0x%" PRIx64
			    ": registers are 32 bits wide",
			    is_write ? "write" : "read", len, at);
		return EINVAL;
	}
	/* 64 bits are two registers, low one first (x100-hardware.md 0.1). */
	for (size_t i = 0; i < len; i += 4) {
		uint32_t offset = at + i;
		bool msix = x100_pcie_is_msix_ram(offset);

		if (is_write) {
			p->counters.mmio_writes++;
			if (msix)
				x100_pcie_msix_ram_write(p, offset, ldl_le_p(buf + i));
			else
				p->ops->mmio_write(p->chip, offset, ldl_le_p(buf + i));
		} else {
			p->counters.mmio_reads++;
			stl_le_p(buf + i, msix ? x100_pcie_msix_ram_read(p, offset) :
						 p->ops->mmio_read(p->chip, offset));
		}
	}
	return 0;
}

/* Commands */

static uint64_t region_size(const X100Pcie *p, uint32_t index)
{
	switch (index) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return p->product->bar0_size;
	case VFIO_PCI_BAR4_REGION_INDEX:
		return BAR4_SIZE;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return X100_PCIE_CONFIG_SIZE;
	default:
		return 0;
	}
}

static int region_access(X100Pcie *p, uint32_t index, uint64_t at, uint8_t *buf, size_t len,
			 bool is_write)
{
	bool is_config = index == VFIO_PCI_CONFIG_REGION_INDEX;

	if (!p->present || (!is_config && !x100_pcie_config_memory(&p->cfg))) {
		/* Nobody answers: reads give ones, writes vanish (x100-hardware.md 7.1). */
		p->counters.bad_accesses++;
		guest_error(p, "%s of region %u at 0x%" PRIx64 " while %s",
			    is_write ? "write" : "read", index, at,
			    p->present ? "memory decoding is off" : "the card is off the bus");
		if (!is_write)
			memset(buf, 0xFF, len);
		return 0;
	}
	if (is_config && is_write) {
		p->counters.config_writes++;
		x100_pcie_config_write(&p->cfg, at, buf, len);
		config_changed(p);
		return 0;
	}
	if (is_config) {
		p->counters.config_reads++;
		x100_pcie_config_read(&p->cfg, at, buf, len);
		return 0;
	}
	if (index == VFIO_PCI_BAR4_REGION_INDEX)
		return mmio_access(p, at, buf, len, is_write);
	aperture_access(p, at, buf, len, is_write);
	return 0;
}

static int cmd_region_access(X100Pcie *p, X100VfuMsg *msg, X100VfuReply *reply, bool is_write)
{
	struct vfu_region_access req;
	uint64_t size;

	if (msg->len < sizeof(req))
		return EINVAL;
	memcpy(&req, msg->data, sizeof(req));
	size = region_size(p, req.region);
	if (req.count > X100_VFU_MAX_XFER || req.offset > size || req.count > size - req.offset ||
	    msg->len - sizeof(req) != (is_write ? req.count : 0))
		return EINVAL;
	g_byte_array_append(reply->data, (uint8_t *)&req, sizeof(req));
	if (!req.count)
		return 0;
	if (is_write)
		return region_access(p, req.region, req.offset, msg->data + sizeof(req), req.count,
				     true);
	g_byte_array_set_size(reply->data, sizeof(req) + req.count);
	return region_access(p, req.region, req.offset, reply->data->data + sizeof(req), req.count,
			     false);
}

static int cmd_get_info(X100VfuMsg *msg, X100VfuReply *reply)
{
	struct vfu_device_info info;

	if (msg->len < sizeof(info))
		return EINVAL;
	memcpy(&info, msg->data, sizeof(info));
	if (info.argsz < sizeof(info))
		return EINVAL;
	info = (struct vfu_device_info){
		.argsz = sizeof(info),
		.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		.num_regions = VFIO_PCI_NUM_REGIONS,
		.num_irqs = X100_IRQ_TYPES,
	};
	g_byte_array_append(reply->data, (uint8_t *)&info, sizeof(info));
	return 0;
}

static int cmd_get_region_info(X100Pcie *p, X100VfuMsg *msg, X100VfuReply *reply)
{
	struct vfio_region_sparse_mmap_area area[AREAS_MAX];
	struct vfio_region_info_cap_sparse_mmap cap = {
		.header = { .id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1 },
	};
	struct vfio_region_info info;
	uint32_t room;

	if (msg->len < sizeof(info))
		return EINVAL;
	memcpy(&info, msg->data, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VFIO_PCI_NUM_REGIONS)
		return EINVAL;
	room = info.argsz;
	info = (struct vfio_region_info){
		.argsz = sizeof(info),
		.index = info.index,
		.size = region_size(p, info.index),
	};
	if (info.size)
		info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (info.index == VFIO_PCI_BAR0_REGION_INDEX)
		cap.nr_areas = aperture_areas(p, area);
	if (!cap.nr_areas) {
		g_byte_array_append(reply->data, (uint8_t *)&info, sizeof(info));
		return 0;
	}
	info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
	info.argsz += sizeof(cap) + cap.nr_areas * sizeof(*area);
	if (room >= info.argsz) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		info.cap_offset = sizeof(info);
		/* One descriptor per area where the client takes that many; all are the same file. */
		reply->nr_fds = MIN(cap.nr_areas, x100_vfu_client_max_fds(p->server));
		for (size_t i = 0; i < reply->nr_fds; i++)
			reply->fds[i] = p->gddr_fd;
	}
	g_byte_array_append(reply->data, (uint8_t *)&info, sizeof(info));
	if (info.cap_offset) {
		g_byte_array_append(reply->data, (uint8_t *)&cap, sizeof(cap));
		g_byte_array_append(reply->data, (uint8_t *)area, cap.nr_areas * sizeof(*area));
	}
	return 0;
}

static int cmd_get_region_io_fds(X100VfuMsg *msg, X100VfuReply *reply)
{
	struct vfu_region_io_fds io;

	if (msg->len < sizeof(io))
		return EINVAL;
	memcpy(&io, msg->data, sizeof(io));
	if (io.argsz < sizeof(io) || io.flags || io.count || io.index >= VFIO_PCI_NUM_REGIONS)
		return EINVAL;
	io.argsz = sizeof(io); /* no sub-regions: every register write has to reach the chip */
	g_byte_array_append(reply->data, (uint8_t *)&io, sizeof(io));
	return 0;
}

static int cmd_get_irq_info(X100VfuMsg *msg, X100VfuReply *reply)
{
	struct vfio_irq_info info;

	if (msg->len < sizeof(info))
		return EINVAL;
	memcpy(&info, msg->data, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= X100_IRQ_TYPES)
		return EINVAL;
	info.argsz = sizeof(info);
	info.count = x100_irq_count(info.index);
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	if (info.index == X100_IRQ_INTX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else if (info.index == X100_IRQ_MSIX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE;
	g_byte_array_append(reply->data, (uint8_t *)&info, sizeof(info));
	return 0;
}

/* Writing to anything but an eventfd could block a card CPU. */
static bool is_eventfd(int fd)
{
	g_autofree char *name = g_strdup_printf("/proc/self/fd/%d", fd);
	g_autofree char *target = g_file_read_link(name, NULL);

	return target && !strcmp(target, "anon_inode:[eventfd]");
}

/* As vfio-pci: INTx, MSI and MSI-X exclude each other. */
static bool irq_other_in_use(const X100Pcie *p, uint32_t index)
{
	for (enum X100IrqType i = X100_IRQ_INTX; i <= X100_IRQ_MSIX; i++) {
		if (i != index && index <= X100_IRQ_MSIX && x100_irq_in_use(&p->irq, i))
			return true;
	}
	return false;
}

static int set_irq_trigger(X100Pcie *p, const struct vfio_irq_set *set, const uint8_t *bools,
			   X100VfuMsg *msg)
{
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		if (msg->nr_fds && msg->nr_fds != set->count)
			return EINVAL;
		if (msg->nr_fds && irq_other_in_use(p, set->index))
			return EINVAL;
		for (size_t i = 0; i < msg->nr_fds; i++) {
			if (!is_eventfd(msg->fds[i]))
				return EINVAL;
		}
		for (uint32_t i = 0; i < set->count; i++) {
			int fd = msg->nr_fds ? msg->fds[i] : -1;

			if (msg->nr_fds)
				msg->fds[i] = -1;
			x100_irq_listen(&p->irq, set->index, set->start + i, fd);
		}
		return 0;
	}
	if (!set->count) {
		for (uint32_t v = 0; v < x100_irq_count(set->index); v++)
			x100_irq_listen(&p->irq, set->index, v, -1);
		return 0;
	}
	for (uint32_t i = 0; i < set->count; i++) {
		if (!bools || bools[i])
			x100_irq_test(&p->irq, set->index, set->start + i);
	}
	return 0;
}

static int cmd_set_irqs(X100Pcie *p, X100VfuMsg *msg)
{
	uint32_t action, type, count;
	const uint8_t *bools = NULL;
	struct vfio_irq_set set;
	int err = 0;

	if (msg->len < sizeof(set))
		return EINVAL;
	memcpy(&set, msg->data, sizeof(set));
	action = set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	type = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	if (set.argsz < sizeof(set) || set.flags & ~(action | type) ||
	    set.index >= X100_IRQ_TYPES || !is_power_of_2(action) || !is_power_of_2(type))
		return EINVAL;
	count = x100_irq_count(set.index);
	if (set.start > count || set.count > count - set.start)
		return EINVAL;
	/* No vector at all: only "switch the whole type off". */
	if (!set.count &&
	    (set.start || action != VFIO_IRQ_SET_ACTION_TRIGGER || type != VFIO_IRQ_SET_DATA_NONE))
		return EINVAL;
	if (msg->nr_fds && type != VFIO_IRQ_SET_DATA_EVENTFD)
		return EINVAL;
	if (type == VFIO_IRQ_SET_DATA_BOOL) {
		if (msg->len - sizeof(set) != set.count)
			return EINVAL;
		bools = msg->data + sizeof(set);
	}
	if (action == VFIO_IRQ_SET_ACTION_TRIGGER) {
		err = set_irq_trigger(p, &set, bools, msg);
	} else {
		if (type == VFIO_IRQ_SET_DATA_EVENTFD ||
		    (set.index != X100_IRQ_INTX && set.index != X100_IRQ_MSIX))
			return ENOTSUP;
		for (uint32_t i = 0; i < set.count; i++) {
			if (!bools || bools[i])
				x100_irq_mask(&p->irq, set.index, set.start + i,
					      action == VFIO_IRQ_SET_ACTION_MASK);
		}
	}
	irq_state_changed(p);
	return err;
}

static int cmd_dma_map(X100Pcie *p, X100VfuMsg *msg)
{
	struct vfu_dma_map map;
	int err;

	if (msg->len < sizeof(map) || msg->nr_fds > 1)
		return EINVAL;
	memcpy(&map, msg->data, sizeof(map));
	if (map.argsz < sizeof(map))
		return EINVAL;
	memory_region_transaction_begin();
	err = x100_dma_map(&p->dma, map.bus, map.size, map.flags, msg->nr_fds ? msg->fds[0] : -1,
			   map.offset);
	p->ops->host_memory_changed(p->chip);
	memory_region_transaction_commit();
	return err;
}

static int cmd_dma_unmap(X100Pcie *p, X100VfuMsg *msg, X100VfuReply *reply)
{
	struct vfu_dma_unmap unmap;
	int err = 0;

	if (msg->len < sizeof(unmap))
		return EINVAL;
	memcpy(&unmap, msg->data, sizeof(unmap));
	if (unmap.argsz < sizeof(unmap))
		return EINVAL;
	memory_region_transaction_begin();
	if (unmap.flags == VFU_UNMAP_ALL && !unmap.bus && !unmap.size)
		x100_dma_unmap_all(&p->dma);
	else if (!unmap.flags)
		err = x100_dma_unmap(&p->dma, unmap.bus, unmap.size);
	else
		err = unmap.flags & VFU_UNMAP_DIRTY ? ENOTSUP : EINVAL;
	p->ops->host_memory_changed(p->chip);
	memory_region_transaction_commit();
	g_byte_array_append(reply->data, (uint8_t *)&unmap, sizeof(unmap));
	return err;
}

static int pcie_command(void *opaque, X100VfuMsg *msg, X100VfuReply *reply)
{
	X100Pcie *p = opaque;

	switch (msg->cmd) {
	case X100_VFU_REGION_READ:
		return cmd_region_access(p, msg, reply, false);
	case X100_VFU_REGION_WRITE:
		return cmd_region_access(p, msg, reply, true);
	case X100_VFU_DMA_MAP:
		return cmd_dma_map(p, msg);
	case X100_VFU_DMA_UNMAP:
		return cmd_dma_unmap(p, msg, reply);
	case X100_VFU_GET_INFO:
		return cmd_get_info(msg, reply);
	case X100_VFU_GET_REGION_INFO:
		return cmd_get_region_info(p, msg, reply);
	case X100_VFU_GET_REGION_IO_FDS:
		return cmd_get_region_io_fds(msg, reply);
	case X100_VFU_GET_IRQ_INFO:
		return cmd_get_irq_info(msg, reply);
	case X100_VFU_SET_IRQS:
		return cmd_set_irqs(p, msg);
	case X100_VFU_RESET:
		/* Configuration space stays: whoever resets a function restores it, as Linux does. */
		p->ops->platform_reset(p->chip);
		return 0;
	default: /* a second VERSION, dirty page logging, what later protocols may bring */
		return ENOTSUP;
	}
}

static void pcie_attached(void *opaque)
{
	X100Pcie *p = opaque;

	p->counters.clients++;
	x100_pcie_config_init(&p->cfg, p->product);
	config_changed(p);
}

/* The card runs on; only what the client lent it goes: memory, event descriptors, bus mastering. */
static void pcie_detached(void *opaque)
{
	X100Pcie *p = opaque;

	memory_region_transaction_begin();
	x100_dma_unmap_all(&p->dma);
	x100_irq_drop(&p->irq);
	x100_pcie_config_init(&p->cfg, p->product);
	config_changed(p);
	memory_region_transaction_commit();
}

static void pcie_refused(void *opaque)
{
	X100Pcie *p = opaque;

	p->counters.clients_refused++;
}

static void pcie_unanswered(void *opaque, const X100VfuMsg *msg, int error)
{
	guest_error(opaque, "command %u without an answer failed: %s", msg->cmd, strerror(error));
}

static const X100VfuOps vfu_ops = {
	.attached = pcie_attached,
	.detached = pcie_detached,
	.refused = pcie_refused,
	.command = pcie_command,
	.unanswered = pcie_unanswered,
};

/* For the chip */

static const char *dma_piece(X100Pcie *p, uint64_t bus, uint8_t *buf, size_t len, bool is_write,
			     size_t *done)
{
	const X100DmaMap *map = x100_dma_find(&p->dma, bus);
	size_t n;
	int ret;

	if (!map)
		return "not mapped by the host";
	if (!(map->flags & (is_write ? X100_DMA_WRITE : X100_DMA_READ)))
		return "not permitted by the host";
	n = MIN(len, map->size - (bus - map->bus));
	*done = n;
	if (map->host)
		return x100_dma_copy(map->host + (bus - map->bus), buf, n, is_write) ?
			       NULL :
			       "the host took the memory away";
	p->counters.dma_messages++;
	ret = x100_vfu_dma(p->server, bus, buf, n, is_write, X100_PCIE_DMA_DEADLINE_MS);
	if (ret == -ETIMEDOUT)
		return "the host does not answer";
	return ret ? "refused by the host" : NULL;
}

bool x100_pcie_dma(X100Pcie *p, uint64_t bus, void *buf, size_t len, bool is_write)
{
	const char *why = NULL;
	size_t n = 0;

	assert(qemu_mutex_iothread_locked());
	if (is_write) {
		p->counters.dma_writes++;
		p->counters.dma_write_bytes += len;
	} else {
		p->counters.dma_reads++;
		p->counters.dma_read_bytes += len;
	}
	if (!p->present)
		why = "the card is off the bus";
	else if (!p->server || !x100_vfu_is_attached(p->server))
		why = "no host is attached";
	else if (!x100_pcie_config_master(&p->cfg))
		why = "the host has not enabled bus mastering";
	else if (len && bus + (len - 1) < bus)
		why = "address wraps";
	for (size_t done = 0; !why && done < len; done += n)
		why = dma_piece(p, bus + done, (uint8_t *)buf + done, len - done, is_write, &n);
	if (!why)
		return true;
	p->counters.dma_refused++;
	x100_pcie_config_master_abort(&p->cfg);
	guest_error(p, "%s of %zu bytes at host bus 0x%" PRIx64 ": %s", is_write ? "write" : "read",
		    len, bus, why);
	if (!is_write)
		memset(buf, 0xFF, len);
	return false;
}

MemoryRegion *x100_pcie_host_memory(X100Pcie *p)
{
	return p->dma.direct ? x100_direct_view(p->dma.direct) : NULL;
}

bool x100_pcie_host_memory_at(X100Pcie *p, uint64_t bus, uint64_t size)
{
	return p->dma.direct && x100_pcie_config_master(&p->cfg) &&
	       x100_direct_any(p->dma.direct, bus, size);
}

bool x100_pcie_msix_enabled(const X100Pcie *p)
{
	return x100_pcie_config_msix(&p->cfg);
}

bool x100_pcie_msg_enabled(const X100Pcie *p)
{
	return x100_pcie_config_msix(&p->cfg) || x100_pcie_config_msi(&p->cfg);
}

void x100_pcie_msg(X100Pcie *p, unsigned int vector)
{
	x100_irq_msg(&p->irq, vector);
}

void x100_pcie_intx(X100Pcie *p, bool level)
{
	x100_irq_pin(&p->irq, level);
}

void x100_pcie_clear_pending(X100Pcie *p)
{
	p->irq.pending = 0;
}

uint32_t x100_pcie_config_shadow(X100Pcie *p, uint32_t offset)
{
	return ldl_le_p(p->cfg.data + (offset & 0xFC));
}

void x100_pcie_set_present(X100Pcie *p, bool present)
{
	p->present = present;
}

void x100_pcie_card_reset(X100Pcie *p)
{
	p->irq.pending = 0;
	x100_irq_pin(&p->irq, false);
}

const X100PcieCounters *x100_pcie_counters(X100Pcie *p)
{
	sync_counters(p);
	return &p->counters;
}

static void pcie_exit(Notifier *n, void *data)
{
	X100Pcie *p = container_of(n, X100Pcie, exit);

	/* "Please release the device", as vfio-pci asks before a device goes. */
	if (x100_irq_in_use(&p->irq, X100_IRQ_REQ))
		x100_irq_test(&p->irq, X100_IRQ_REQ, 0);
}

X100Pcie *x100_pcie_new(const X100PcieParams *params, Error **errp)
{
	const X100PcieProduct *product = x100_pcie_product(params->product);
	MemoryRegion *gddr;
	ram_addr_t offset;
	X100Pcie *p;

	if (!product) {
		error_setg(errp, "unknown product '%s': 3120A, 5110P or 7120P", params->product);
		return NULL;
	}
	p = g_new0(X100Pcie, 1);
	p->ops = params->ops;
	p->chip = params->chip;
	p->product = product;
	p->gddr_fd = params->gddr_fd;
	p->gddr_top = params->gddr_top;
	p->trace = params->trace;
	p->present = true;
	if (!p->trace)
		p->dma.direct = x100_direct_new();
	x100_pcie_config_init(&p->cfg, product);
	x100_irq_init(&p->irq, &p->cfg);
	if (params->socket && *params->socket) {
		p->server = x100_vfu_listen(params->socket, &vfu_ops, p, errp);
		if (!p->server) {
			g_free(p);
			return NULL;
		}
	}
	gddr = memory_region_from_host(params->gddr_host, &offset);
	assert(gddr && !offset);
	address_space_init(&p->gddr_as, gddr, "x100-aperture");
	p->exit.notify = pcie_exit;
	qemu_add_exit_notifier(&p->exit);
	return p;
}
