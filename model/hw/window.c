// SPDX-License-Identifier: GPL-2.0-only
/*
 * System memory window: host memory through the 32 SMPT entries (x100-hardware.md 2.4).
 *
 * The window is I/O, which decides about each access. Over it lies one view of the host bus for each
 * SMPT entry: where the PCIe side offers RAM, the CPUs go there at the speed of memory.
 */
#include "qemu/osdep.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "exec/address-spaces.h"
#include "hw/core/cpu.h"
#include "chip-internal.h"

/*
 * What silicon does at an entry that was never programmed is unknown. Here an entry lost in a reset
 * leads nowhere until it is written again, although it reads 0.
 */
static bool through_smpt(X100Chip *chip, uint64_t card, void *buf, size_t len, bool is_write)
{
	unsigned int entry = x100_smpt_index(card);
	uint64_t host = x100_smpt_host(*x100_reg(chip, X100_SBOX_SMPT(entry)), card);

	if (chip->smpt_valid & (1u << entry))
		return x100_pcie_dma(chip->pcie, host, buf, len, is_write);
	x100_guest_error(chip, X100_ONCE(X100_ONCE_WINDOW, entry),
			 "access at 0x%010" PRIx64
			 " through SMPT entry %u, not set since the reset",
			 card, entry);
	if (!is_write)
		memset(buf, 0xFF, len);
	return false;
}

bool x100_chip_bus_access(X100Chip *chip, uint64_t addr, void *buf, size_t len, bool is_write)
{
	uint64_t top = memory_region_size(&chip->gddr);
	uint8_t *bytes = buf;

	if (addr < top && len <= top - addr && chip->trained) {
		if (is_write)
			address_space_write(&address_space_memory, addr, MEMTXATTRS_UNSPECIFIED,
					    buf, len);
		else
			memcpy(buf, (uint8_t *)memory_region_get_ram_ptr(&chip->gddr) + addr, len);
		return true;
	}
	if (addr < X100_SYSMEM_BASE || len > X100_SYSMEM_BASE + X100_SYSMEM_SIZE - addr) {
		x100_guest_error(chip, X100_ONCE(X100_ONCE_WINDOW, addr),
				 "bus master access at 0x%010" PRIx64 ", which is no memory", addr);
		if (!is_write)
			memset(buf, 0xFF, len);
		return false;
	}
	while (len) {
		size_t part = MIN(len, X100_SMPT_PAGE_SIZE - (addr & (X100_SMPT_PAGE_SIZE - 1)));

		if (!through_smpt(chip, addr, bytes, part, is_write))
			return false;
		addr += part;
		bytes += part;
		len -= part;
	}
	return true;
}

static uint64_t window_read(void *opaque, hwaddr addr, unsigned int size)
{
	X100Chip *chip = opaque;
	uint8_t buf[8];

	memset(buf, 0xFF, sizeof(buf));
	chip->counters.window_reads++;
	if (!x100_chip_bus_access(chip, X100_SYSMEM_BASE + addr, buf, size, false))
		chip->counters.window_faults++;
	return ldn_le_p(buf, size);
}

static void window_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size)
{
	X100Chip *chip = opaque;
	uint8_t buf[8];

	stn_le_p(buf, size, value);
	chip->counters.window_writes++;
	if (!x100_chip_bus_access(chip, X100_SYSMEM_BASE + addr, buf, size, true))
		chip->counters.window_faults++;
}

static const MemoryRegionOps window_ops = {
	.read = window_read,
	.write = window_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
	.impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

/*
 * Each change of the memory map leaves the old one, some 100 KiB, behind for an RCU grace period. A
 * host that maps or a CPU that writes its SMPT without end would fill this process's memory: after
 * so many changes the views are taken off until the period is over, and callbacks do it all.
 */
#define MAP_CHANGES_MAX 64
#define KICK_MS         10

typedef struct MapChange {
	struct rcu_head rcu;
	X100Chip *chip;
} MapChange;

static void map_change_over(MapChange *change)
{
	X100Chip *chip = change->chip;

	g_free(change);
	if (!--chip->map_changes && chip->views_off)
		x100_window_update(chip);
}

/* The period ends when each CPU has left its code, which it may not do by itself. */
static void views_kick(void *opaque)
{
	X100Chip *chip = opaque;
	CPUState *cs;

	if (!chip->views_off)
		return;
	CPU_FOREACH(cs)
		qemu_cpu_kick(cs);
	timer_mod(chip->views_timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + KICK_MS);
}

static void map_changed(MemoryListener *listener)
{
	X100Chip *chip = container_of(listener, X100Chip, map_listener);
	MapChange *change = g_new0(MapChange, 1);

	change->chip = chip;
	chip->map_changes++;
	call_rcu(change, map_change_over, rcu);
}

/*
 * Brings the views in line with SMPT and host memory. A view without anything to show stays off the
 * map: changing the map costs each CPU its TLB, and a host sets all entries after each reset.
 */
void x100_window_update(X100Chip *chip)
{
	MemoryRegion *host = x100_pcie_host_memory(chip->pcie);

	if (!host)
		return;
	chip->views_off = chip->map_changes >= (chip->views_off ? 1 : MAP_CHANGES_MAX);
	if (chip->views_off && !timer_pending(chip->views_timer))
		views_kick(chip);
	memory_region_transaction_begin();
	memory_region_set_enabled(host, !chip->views_off);
	for (unsigned int n = 0; !chip->views_off && n < X100_SMPT_ENTRIES; n++) {
		uint64_t page =
			x100_smpt_host(*x100_reg(chip, X100_SBOX_SMPT(n)), X100_SYSMEM_BASE);
		bool show = chip->smpt_valid & (1u << n) &&
			    x100_pcie_host_memory_at(chip->pcie, page, X100_SMPT_PAGE_SIZE);

		if (show)
			memory_region_set_alias_offset(&chip->smpt_view[n], page);
		memory_region_set_enabled(&chip->smpt_view[n], show);
	}
	memory_region_transaction_commit();
}

void x100_window_init(X100Chip *chip)
{
	memory_region_init_io(&chip->window, OBJECT(chip), &window_ops, chip, "x100-window",
			      X100_SYSMEM_SIZE);
}

void x100_window_connect(X100Chip *chip)
{
	MemoryRegion *host = x100_pcie_host_memory(chip->pcie);

	if (!host)
		return;
	chip->map_listener = (MemoryListener){ .name = "x100-window", .commit = map_changed };
	memory_listener_register(&chip->map_listener, &address_space_memory);
	chip->views_timer = timer_new_ms(QEMU_CLOCK_REALTIME, views_kick, chip);
	for (unsigned int n = 0; n < X100_SMPT_ENTRIES; n++) {
		MemoryRegion *view = &chip->smpt_view[n];

		memory_region_init_alias(view, OBJECT(chip), "x100-smpt", host, 0,
					 X100_SMPT_PAGE_SIZE);
		memory_region_set_enabled(view, false);
		memory_region_add_subregion(&chip->window, n * X100_SMPT_PAGE_SIZE, view);
	}
}
