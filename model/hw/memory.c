// SPDX-License-Identifier: GPL-2.0-only
/*
 * The card's physical memory map: GDDR, register blocks, and what answers where nothing is
 * (x100-hardware.md 2.1, 2.2).
 */
#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qapi/error.h"
#include "qemu/memfd.h"
#include "qemu/units.h"
#include "exec/address-spaces.h"
#include "chip-internal.h"

/* 40 address lines (x100-hardware.md 6.1). */
#define ADDRESS_SPACE (1ull << 40)

/* Overlay order, lowest first; QEMU's local APIC lies above all of it. */
enum {
	PRIO_NOWHERE = -10,
	PRIO_GDDR = 0,
	PRIO_DEVICE = 10,
};

static uint64_t nowhere_read(void *opaque, hwaddr addr, unsigned int size)
{
	X100Chip *chip = opaque;

	if (addr < chip->gddr_fitted && !chip->trained)
		x100_guest_error(chip, X100_ONCE(X100_ONCE_GDDR, 0),
				 "read of GDDR at 0x%" PRIx64 " before training", addr);
	else
		x100_guest_error(chip, X100_ONCE(X100_ONCE_NOWHERE, addr & ~0xFFFFFull),
				 "read at 0x%010" PRIx64 ", where nothing is", addr);
	return UINT64_MAX;
}

static void nowhere_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size)
{
	X100Chip *chip = opaque;

	if (addr < chip->gddr_fitted && !chip->trained)
		x100_guest_error(chip, X100_ONCE(X100_ONCE_GDDR, 1),
				 "write of GDDR at 0x%" PRIx64 " before training", addr);
	else
		x100_guest_error(chip, X100_ONCE(X100_ONCE_NOWHERE, (addr & ~0xFFFFFull) | 1),
				 "write at 0x%010" PRIx64 ", where nothing is", addr);
}

static const MemoryRegionOps nowhere_ops = {
	.read = nowhere_read,
	.write = nowhere_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
	.impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

/* Only aligned 32-bit accesses are known to work (x100-hardware.md 0.1). */
static bool register_access(X100Chip *chip, hwaddr addr, unsigned int size, bool is_write)
{
	if (size == 4 && !(addr & 3))
		return true;
	x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x10 + size),
			 "%u-byte %s of registers at +0x%05" PRIx64 ": only aligned 4 bytes work",
			 size, is_write ? "write" : "read", addr);
	return false;
}

static uint64_t mmio_read(void *opaque, hwaddr addr, unsigned int size)
{
	X100Chip *chip = opaque;

	if (chip->phase == X100_STOPPING || !register_access(chip, addr, size, false))
		return UINT64_MAX;
	return x100_chip_mmio_read32(chip, X100_CARD, addr);
}

static void mmio_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size)
{
	X100Chip *chip = opaque;

	/* A CPU that has not noticed its reset yet must not disturb the fresh registers. */
	if (chip->phase != X100_STOPPING && register_access(chip, addr, size, true))
		x100_chip_mmio_write32(chip, X100_CARD, addr, value);
}

static const MemoryRegionOps mmio_ops = {
	.read = mmio_read,
	.write = mmio_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
	.impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

void *x100_chip_gddr(X100Chip *chip, int *fd, uint64_t *size)
{
	*fd = chip->gddr_fd;
	*size = memory_region_size(&chip->gddr);
	return memory_region_get_ram_ptr(&chip->gddr);
}

bool x100_chip_gddr_ready(const X100Chip *chip)
{
	return chip->trained;
}

/* Untrained memory is taken off the map: what is behind it answers with ones. */
void x100_memory_set_trained(X100Chip *chip, bool trained)
{
	chip->trained = trained;
	memory_region_set_enabled(&chip->gddr_view, trained);
}

static bool gddr_init(X100Chip *chip, Error **errp)
{
	uint64_t top = chip->gddr_fitted / X100_GDDR_ECC_DEN * X100_GDDR_ECC_NUM;

	/* The download address is at 64 MiB; no product's aperture shows more than 16 GiB. */
	if (chip->gddr_fitted % (32 * MiB) || chip->gddr_fitted < 128 * MiB ||
	    chip->gddr_fitted > 16 * GiB) {
		error_setg(errp, "x100: gddr must be 128M to 16G, in steps of 32M");
		return false;
	}
	chip->gddr_fd = qemu_memfd_create("x100-gddr", top, false, 0,
					  F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL, errp);
	if (chip->gddr_fd < 0)
		return false;
	/* Shared, and nothing reserved: a page costs memory when it is first touched. */
	memory_region_init_ram_from_fd(&chip->gddr, OBJECT(chip), "x100-gddr", top,
				       RAM_SHARED | RAM_NORESERVE, chip->gddr_fd, 0, errp);
	return *errp == NULL;
}

bool x100_memory_init(X100Chip *chip, Error **errp)
{
	ERRP_GUARD();
	MemoryRegion *system = get_system_memory();

	if (!gddr_init(chip, errp))
		return false;
	memory_region_init_alias(&chip->gddr_view, OBJECT(chip), "x100-gddr-view", &chip->gddr, 0,
				 memory_region_size(&chip->gddr));
	memory_region_add_subregion_overlap(system, 0, &chip->gddr_view, PRIO_GDDR);

	memory_region_init_io(&chip->background, OBJECT(chip), &nowhere_ops, chip, "x100-nowhere",
			      ADDRESS_SPACE);
	memory_region_add_subregion_overlap(system, 0, &chip->background, PRIO_NOWHERE);

	memory_region_init_io(&chip->mmio, OBJECT(chip), &mmio_ops, chip, "x100-mmio",
			      X100_MMIO_SIZE);
	memory_region_add_subregion_overlap(system, X100_MMIO_BASE, &chip->mmio, PRIO_DEVICE);

	if (!x100_flash_init(chip, errp))
		return false;
	memory_region_add_subregion_overlap(system, X100_FLASH_WINDOW, &chip->flash_window,
					    PRIO_DEVICE);
	x100_gbox_init(chip);
	x100_window_init(chip);
	memory_region_add_subregion_overlap(system, X100_SYSMEM_BASE, &chip->window, PRIO_DEVICE);
	return true;
}
