// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory controllers GBOX0-7: storage for what software is known to touch (x100-hardware.md 3.12)
 * and, in GBOX0, the model's stand-in for memory training (include/x100/strap.h).
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "exec/address-spaces.h"
#include "chip-internal.h"

static const uint64_t base[X100_GBOXES] = {
	X100_GBOX0_BASE, X100_GBOX1_BASE, 0x0800700000, 0x08006F0000,
	0x08006D0000,    0x08006C0000,    0x08006B0000, 0x08006A0000,
};

/* Channel 1 of a box repeats the per-channel registers 0x800 higher. */
static const uint16_t known[] = {
	0x05C, 0x060, 0x064, 0x068, 0x06C, 0x070,  0x074,  0x098,  0x09C,
	0x0C0, 0x1B4, 0x9B4, 0x17C, 0x97C, 0x1E0,  0x9E0,  0x1DC,  0x9DC,
	0x1A4, 0x9A4, 0x700, 0x720, 0x724, 0x1138, 0x113C, 0x1140,
};

static bool is_known(hwaddr offset)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (known[i] == offset)
			return true;
	}
	return false;
}

static void training_end(void *opaque)
{
	X100Chip *chip = opaque;

	chip->training_failed = chip->training_fail;
	if (!chip->training_fail)
		x100_memory_set_trained(chip, true);
}

static void training_start(X100Chip *chip)
{
	if (timer_pending(chip->training_timer))
		return;
	chip->training_failed = false;
	if (chip->training_ms)
		timer_mod(chip->training_timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
							chip->training_ms * (int64_t)SCALE_MS);
	else
		training_end(chip);
}

static uint64_t gbox_read(void *opaque, hwaddr addr, unsigned int size)
{
	X100Gbox *box = opaque;
	X100Chip *chip = box->chip;

	if (size != 4 || !is_known(addr)) {
		x100_guest_error(chip, X100_ONCE(X100_ONCE_GBOX, box->index << 20 | addr),
				 "%u-byte read of GBOX%u+0x%04" PRIx64 ", which nobody documents",
				 size, box->index, addr);
		return 0;
	}
	if (box->index == 0 && addr == X100_GBOX_UCODE_START)
		return timer_pending(chip->training_timer) ? X100_TRAIN_BUSY : 0;
	if (box->index == 0 && addr == X100_GBOX_UCODE_CMD)
		return (chip->trained ? X100_TRAIN_DONE : 0) |
		       (chip->training_failed ? X100_TRAIN_FAILED : 0);
	return box->regs[addr / 4];
}

static void gbox_write(void *opaque, hwaddr addr, uint64_t value, unsigned int size)
{
	X100Gbox *box = opaque;

	if (size != 4 || !is_known(addr)) {
		x100_guest_error(box->chip,
				 X100_ONCE(X100_ONCE_GBOX, 1u << 31 | box->index << 20 | addr),
				 "%u-byte write of GBOX%u+0x%04" PRIx64 ", which nobody documents",
				 size, box->index, addr);
		return;
	}
	if (box->index == 0 && addr == X100_GBOX_UCODE_START) {
		if (value & X100_TRAIN_START)
			training_start(box->chip);
		return;
	}
	box->regs[addr / 4] = value;
}

static const MemoryRegionOps gbox_ops = {
	.read = gbox_read,
	.write = gbox_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
	.impl = { .min_access_size = 1, .max_access_size = 8, .unaligned = true },
};

/*
 * Memory keeps its contents over a reset, but has to be trained again. It leaves the map when the
 * CPUs have stopped (x100_chip_machine_reset).
 */
void x100_gbox_reset(X100Chip *chip)
{
	timer_del(chip->training_timer);
	chip->training_failed = false;
	chip->trained = false;
	for (unsigned int n = 0; n < X100_GBOXES; n++)
		memset(chip->gbox[n].regs, 0, sizeof(chip->gbox[n].regs));
}

void x100_gbox_init(X100Chip *chip)
{
	chip->training_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, training_end, chip);
	for (unsigned int n = 0; n < X100_GBOXES; n++) {
		X100Gbox *box = &chip->gbox[n];

		box->chip = chip;
		box->index = n;
		memory_region_init_io(&box->mr, OBJECT(chip), &gbox_ops, box, "x100-gbox",
				      X100_BOX_SIZE);
		memory_region_add_subregion(get_system_memory(), base[n], &box->mr);
	}
}
