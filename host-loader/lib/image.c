// SPDX-License-Identifier: BSD-3-Clause
/*
 * What goes where on the card, and whether an image can work there. The card checks all of it
 * again; here it gives an early sentence (x100-abi.md 1.3, 1.4; Linux x86 boot protocol).
 */
#include "image.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <x100/boot.h>
#include <x100/memmap.h>
#include <x100/range.h>
#include <x100/reason.h>

#include "why.h"

#define HEADER_BYTES   0x264
#define MIN_PROTOCOL   0x020A      /* the first with init_size and pref_address */
#define OLD_INITRD_MAX 0x37FFFFFFu /* when the header says nothing */
#define ELF_MAGIC      0x464C457Fu
#define FIT_MAGIC      0xEDFE0DD0u

int blob_read(const struct x100_blob *blob, uint64_t offset, void *to, size_t size,
	      struct x100_why *why)
{
	struct x100_range whole = { 0, blob->size };
	uint8_t *at = to;

	if (!x100_range_inside(whole, offset, size))
		return x100_fail(why, X100_ERR_ARGUMENT, "a read past the end of a file");
	if (blob->memory) {
		memcpy(to, (const uint8_t *)blob->memory + offset, size);
		return X100_OK;
	}
	while (size) {
		ssize_t n = pread(blob->fd, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return x100_fail(why, X100_ERR_FILE, "reading: %s", strerror(errno));
		if (!n)
			return x100_fail(why, X100_ERR_FILE,
					 "a file became shorter while it was read");
		at += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return X100_OK;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* What x100_place() works on. */
struct placing {
	struct x100_range ram; /* what the kernel can use below the hole at 0xFEE00000 */
	struct x100_placement *place;
	uint32_t *reason;
	struct x100_why *why;
	uint8_t header[HEADER_BYTES];
};

/* Note the reason and the two numbers that show it. */
static int refuse(struct placing *p, int error, uint32_t reason, uint64_t is, uint64_t limit)
{
	*p->reason = reason;
	return x100_fail(p->why, error, "%s (0x%llx, 0x%llx)", x100_reason_words(reason),
			 (unsigned long long)is, (unsigned long long)limit);
}

static int check_header(struct placing *p)
{
	struct x100_placement *place = p->place;
	const uint8_t *h = p->header;
	uint64_t setup, payload;

	if (!place->image_size)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_SIZE_ZERO, 0, 0);
	if (get32(h) == ELF_MAGIC)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_IS_ELF, get32(h), ELF_MAGIC);
	if (get32(h) == FIT_MAGIC)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_IS_FIT, get32(h), FIT_MAGIC);
	if (place->image_size < HEADER_BYTES)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_SIZE_SMALL, place->image_size,
			      HEADER_BYTES);
	if (get32(h + X100_HDR_MAGIC) != X100_HDR_MAGIC_VALUE)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_NOT_BZIMAGE, get32(h + X100_HDR_MAGIC),
			      X100_HDR_MAGIC_VALUE);
	if (get16(h + X100_HDR_BOOT_FLAG) != X100_HDR_BOOT_FLAG_VALUE)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_BOOT_FLAG,
			      get16(h + X100_HDR_BOOT_FLAG), X100_HDR_BOOT_FLAG_VALUE);
	if (get16(h + X100_HDR_VERSION) < MIN_PROTOCOL)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_VERSION, get16(h + X100_HDR_VERSION),
			      MIN_PROTOCOL);
	if (!(h[X100_HDR_LOADFLAGS] & X100_HDR_LOADED_HIGH))
		return refuse(p, X100_ERR_IMAGE, X100_REASON_NOT_HIGH, h[X100_HDR_LOADFLAGS],
			      X100_HDR_LOADED_HIGH);
	setup = ((h[X100_HDR_SETUP_SECTS] ? h[X100_HDR_SETUP_SECTS] : 4) + 1) * X100_HDR_SECTOR;
	if (setup >= place->image_size)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_SETUP_SECTS, setup, place->image_size);
	payload = (uint64_t)get32(h + X100_HDR_SYSSIZE) * 16;
	if (payload > place->image_size - setup)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_TRUNCATED, setup + payload,
			      place->image_size);
	return X100_OK;
}

/*
 * Where the decompressor puts the kernel: a relocatable one at its own start rounded up to the
 * alignment, any other at its preferred address.
 */
static int check_run(struct placing *p)
{
	struct x100_placement *place = p->place;
	const uint8_t *h = p->header;
	uint64_t align = get32(h + X100_HDR_ALIGNMENT);
	uint64_t setup =
		((h[X100_HDR_SETUP_SECTS] ? h[X100_HDR_SETUP_SECTS] : 4) + 1) * X100_HDR_SECTOR;
	uint64_t preferred = get64(h + X100_HDR_PREF_ADDRESS);

	place->run = preferred;
	place->run_size = get32(h + X100_HDR_INIT_SIZE);
	if (h[X100_HDR_RELOCATABLE]) {
		if (!align || (align & (align - 1)))
			return refuse(p, X100_ERR_IMAGE, X100_REASON_ALIGNMENT, align, 0);
		place->run = (place->image + setup + align - 1) & ~(align - 1);
		if (place->run < preferred)
			place->run = preferred;
	}
	if (!place->run_size)
		return refuse(p, X100_ERR_IMAGE, X100_REASON_INIT_SIZE, place->run_size, 0);
	if (!x100_range_inside(p->ram, place->run, place->run_size))
		return refuse(p, X100_ERR_IMAGE, X100_REASON_RUN_RANGE, place->run,
			      place->run_size);
	return X100_OK;
}

static int check_ramdisk(struct placing *p)
{
	struct x100_placement *place = p->place;
	struct x100_range disk = { place->ramdisk, place->ramdisk_size };
	struct x100_range image = { place->image, place->image_size };
	struct x100_range cmdline = { place->cmdline, place->cmdline_size };
	struct x100_range run = { place->run, place->run_size };
	uint64_t most = get32(p->header + X100_HDR_INITRD_MAX);

	if (!most)
		most = OLD_INITRD_MAX;
	if (!disk.base || !x100_range_inside(p->ram, disk.base, disk.size))
		return refuse(p, X100_ERR_RAMDISK, X100_REASON_RAMDISK_RANGE, disk.base, disk.size);
	if (x100_range_end(disk) - 1 > most)
		return refuse(p, X100_ERR_RAMDISK, X100_REASON_RAMDISK_HIGH,
			      x100_range_end(disk) - 1, most);
	if (x100_range_overlaps(disk, image))
		return refuse(p, X100_ERR_RAMDISK, X100_REASON_RAMDISK_IMAGE, disk.base,
			      x100_range_end(image));
	if (x100_range_overlaps(disk, cmdline))
		return refuse(p, X100_ERR_RAMDISK, X100_REASON_RAMDISK_CMDLINE, disk.base,
			      x100_range_end(cmdline));
	if (x100_range_overlaps(disk, run))
		return refuse(p, X100_ERR_RAMDISK, X100_REASON_RAMDISK_KERNEL, disk.base,
			      x100_range_end(run));
	return X100_OK;
}

int x100_place(uint32_t spad2, uint64_t aperture, uint64_t memory, const struct x100_blob *image,
	       const struct x100_blob *ramdisk, uint64_t cmdline_size, uint64_t ramdisk_at,
	       struct x100_placement *place, uint32_t *reason, struct x100_why *why)
{
	struct placing p = { .place = place, .reason = reason, .why = why };
	uint32_t boot = x100_spad2_addr(spad2);
	int ret;

	memset(place, 0, sizeof(*place));
	*reason = X100_REASON_NONE;
	p.ram.size = X100_GDDR_LOW_END;
	if (p.ram.size > aperture)
		p.ram.size = aperture;
	if (memory && p.ram.size > memory)
		p.ram.size = memory;

	/* The old host takes 2 GiB itself too, but then twice the address is 0 in its 32 bits. */
	if (boot < X100_LOW_END || boot >= X100_BOOT_ADDR_MAX || boot >= p.ram.size)
		return x100_fail(why, X100_ERR_BOOT_ADDRESS,
				 "0x%x; it has to lie from 1 MiB to below 2 GiB and in card memory",
				 boot);
	place->image = boot;
	place->image_size = image->size;
	place->cmdline = boot + image->size;
	place->cmdline_size = cmdline_size;
	if (ramdisk && ramdisk->size) {
		place->ramdisk = ramdisk_at ? ramdisk_at : 2ull * boot;
		place->ramdisk_size = ramdisk->size;
	}
	if (image->size > p.ram.size - boot)
		return refuse(&p, X100_ERR_IMAGE, X100_REASON_SIZE_HUGE, image->size,
			      p.ram.size - boot);
	ret = blob_read(image, 0, p.header, image->size < HEADER_BYTES ? image->size : HEADER_BYTES,
			why);
	if (!ret)
		ret = check_header(&p);
	if (!ret)
		ret = check_run(&p);
	if (ret)
		return ret;
	if (!x100_range_inside(p.ram, place->cmdline, cmdline_size))
		return refuse(&p, X100_ERR_IMAGE, X100_REASON_CMDLINE_RANGE, place->cmdline,
			      cmdline_size);
	if (get32(p.header + X100_HDR_CMDLINE_SIZE) &&
	    cmdline_size > (uint64_t)get32(p.header + X100_HDR_CMDLINE_SIZE) + 1)
		return refuse(&p, X100_ERR_CMDLINE, X100_REASON_CMDLINE_LONG, cmdline_size,
			      get32(p.header + X100_HDR_CMDLINE_SIZE));
	if (place->ramdisk_size)
		return check_ramdisk(&p);
	return X100_OK;
}

int x100_cmdline(uint64_t aperture, const char *extra, const char *user, char text[2048],
		 uint64_t *size, struct x100_why *why)
{
	int n = snprintf(text, X100_CMDLINE_MAX, " mem=%lluM%s%s%s%s",
			 (unsigned long long)(aperture >> 20), extra ? " " : "", extra ? extra : "",
			 user ? " " : "", user ? user : "");

	*size = 0;
	if (n < 0 || n >= X100_CMDLINE_MAX)
		return x100_fail(why, X100_ERR_CMDLINE, "it needs %d bytes; there is room for %d",
				 n + 1, X100_CMDLINE_MAX);
	for (int i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
			return x100_fail(why, X100_ERR_CMDLINE, "it holds a control character");
	*size = (uint64_t)n + 1;
	return X100_OK;
}
