// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boot flash: a file shown read-only so that it ends at 4 GiB (x100-hardware.md 2.1). How a card
 * writes its flash is undocumented, so a write is an error here.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "chip-internal.h"

static uint64_t below_read(void *opaque, hwaddr addr, unsigned int size)
{
	x100_guest_error(opaque, X100_ONCE(X100_ONCE_FLASH, 0),
			 "read of the flash window at 0x%08" PRIx64 ", below the flash image",
			 (uint64_t)X100_FLASH_WINDOW + addr);
	return UINT64_MAX;
}

static void window_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size)
{
	x100_guest_error(opaque, X100_ONCE(X100_ONCE_FLASH, 1),
			 "write of the flash window: how a card writes its flash is undocumented");
}

/* Also of the image, whose reads never come here: it is mapped like ROM. */
static const MemoryRegionOps window_ops = {
	.read = below_read,
	.write = window_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
	.impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

bool x100_flash_init(X100Chip *chip, Error **errp)
{
	const uint64_t window = X100_FLASH_WINDOW_END - X100_FLASH_WINDOW;
	g_autoptr(GError) gerr = NULL;
	g_autofree char *image = NULL;
	gsize size;

	if (!chip->flash_path) {
		error_setg(errp, "x100: no flash image given; add flash=FILE to -M x100");
		return false;
	}
	if (!g_file_get_contents(chip->flash_path, &image, &size, &gerr)) {
		error_setg(errp, "x100: cannot read the flash image: %s", gerr->message);
		return false;
	}
	if (size < 64 * KiB || size > window || !is_power_of_2(size)) {
		error_setg(
			errp,
			"x100: flash image %s has %zu bytes; it must be a power of two from 64 KiB to 16 MiB",
			chip->flash_path, (size_t)size);
		return false;
	}
	memory_region_init_io(&chip->flash_window, OBJECT(chip), &window_ops, chip,
			      "x100-flash-window", window);
	memory_region_init_rom_device_nomigrate(&chip->flash, OBJECT(chip), &window_ops, chip,
						"x100-flash", size, errp);
	if (*errp)
		return false;
	memcpy(memory_region_get_ram_ptr(&chip->flash), image, size);
	memory_region_add_subregion(&chip->flash_window, window - size, &chip->flash);
	return true;
}
