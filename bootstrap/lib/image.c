// SPDX-License-Identifier: BSD-3-Clause
/*
 * Decides whether a pushed image may be entered. Nothing of the push is used before it was checked
 * here, and nothing is read twice.
 */
#include <string.h>

#include <x100/memmap.h>
#include "image.h"

#define HDR_VERSION_MIN   0x020A /* first with init_size and pref_address */
#define HDR_VERSION_MAX   0x02FF
#define HDR_VERSION_PAGED 0x020F /* from here on kernels ask for whole pages */
#define SETUP_SECTS_OLD   4      /* what 0 stands for */
#define PAGE              4096u
#define ALIGN_MAX         (1u << 30)
#define MAGIC_ELF         0x464C457Fu
#define MAGIC_FIT         0xEDFE0DD0u /* flattened device tree, big-endian D00DFEED */

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

static bool refuse(struct bs_fault *fault, enum x100_reason reason, uint64_t value, uint64_t size,
		   uint64_t limit, uint32_t field)
{
	*fault = (struct bs_fault){ reason, { value, size, limit, field } };
	return false;
}

/* The image as a whole: it lies in RAM, is a bzImage, and is as long as it says. */
static bool check_file(const struct bs_ops *ops, struct x100_range push, struct bs_image *image,
		       struct bs_fault *fault)
{
	uint64_t limit = x100_range_end(push) - image->addr;
	uint32_t magic, setup, code;
	uint64_t expected;

	if (!image->size)
		return refuse(fault, X100_REASON_SIZE_ZERO, image->addr, 0, limit, 0);
	if (!x100_range_inside(push, image->addr, image->size))
		return refuse(fault, X100_REASON_SIZE_HUGE, image->addr, image->size, limit, 0);
	memset(image->header, 0, sizeof(image->header));
	ops->mem_read(ops->ctx, image->addr, image->header,
		      image->size < BS_HDR_END ? image->size : BS_HDR_END);
	magic = get32(image->header);
	if (image->size >= sizeof(magic) && magic == MAGIC_ELF)
		return refuse(fault, X100_REASON_IS_ELF, image->addr, image->size, 0, 0);
	if (image->size >= sizeof(magic) && magic == MAGIC_FIT)
		return refuse(fault, X100_REASON_IS_FIT, image->addr, image->size, 0, 0);
	if (image->size < BS_HDR_END)
		return refuse(fault, X100_REASON_SIZE_SMALL, image->addr, image->size, BS_HDR_END,
			      0);
	if (get32(image->header + X100_HDR_MAGIC) != X100_HDR_MAGIC_VALUE)
		return refuse(fault, X100_REASON_NOT_BZIMAGE, get32(image->header + X100_HDR_MAGIC),
			      image->size, 0, X100_HDR_MAGIC);
	if (get16(image->header + X100_HDR_BOOT_FLAG) != X100_HDR_BOOT_FLAG_VALUE)
		return refuse(fault, X100_REASON_BOOT_FLAG,
			      get16(image->header + X100_HDR_BOOT_FLAG), image->size, 0,
			      X100_HDR_BOOT_FLAG);

	setup = image->header[X100_HDR_SETUP_SECTS];
	setup = ((setup ? setup : SETUP_SECTS_OLD) + 1) * X100_HDR_SECTOR;
	code = get32(image->header + X100_HDR_SYSSIZE);
	if (setup >= image->size)
		return refuse(fault, X100_REASON_SETUP_SECTS, setup, image->size, 0,
			      X100_HDR_SETUP_SECTS);
	/* Linux pads and counts its file so that both parts fill it exactly. */
	expected = setup + (uint64_t)code * 16;
	if (image->size < expected)
		return refuse(fault, X100_REASON_TRUNCATED, expected, image->size, 0,
			      X100_HDR_SYSSIZE);
	if (image->size > expected)
		return refuse(fault, X100_REASON_TOO_LONG, expected, image->size, 0,
			      X100_HDR_SYSSIZE);
	image->entry = image->addr + setup;
	return true;
}

/* Header fields the kernel or the 32-bit entry depends on. */
static bool check_header(const struct bs_ops *ops, struct bs_image *image, struct bs_fault *fault)
{
	const uint8_t *h = image->header;
	uint32_t version = get16(h + X100_HDR_VERSION);
	uint32_t align = get32(h + X100_HDR_ALIGNMENT);
	uint64_t pref = get64(h + X100_HDR_PREF_ADDRESS);
	uint32_t init_size = get32(h + X100_HDR_INIT_SIZE);
	uint32_t code = image->addr + image->size - image->entry;
	uint32_t offset = get32(h + X100_HDR_PAYLOAD_OFFSET);
	uint32_t length = get32(h + X100_HDR_PAYLOAD_LENGTH);
	struct x100_range body = { 0, code };
	uint8_t unpacked[4];

	if (version < HDR_VERSION_MIN || version > HDR_VERSION_MAX)
		return refuse(fault, X100_REASON_VERSION, version, 0, HDR_VERSION_MIN,
			      X100_HDR_VERSION);
	if (!(h[X100_HDR_LOADFLAGS] & X100_HDR_LOADED_HIGH))
		return refuse(fault, X100_REASON_NOT_HIGH, h[X100_HDR_LOADFLAGS], 0, 0,
			      X100_HDR_LOADFLAGS);
	if (h[X100_HDR_RELOCATABLE] > 1)
		return refuse(fault, X100_REASON_RELOCATABLE, h[X100_HDR_RELOCATABLE], 0, 1,
			      X100_HDR_RELOCATABLE);
	if (align < PAGE || align > ALIGN_MAX || (align & (align - 1)))
		return refuse(fault, X100_REASON_ALIGNMENT, align, 0, ALIGN_MAX,
			      X100_HDR_ALIGNMENT);
	if (pref & (align - 1))
		return refuse(fault, X100_REASON_ALIGNMENT, pref, 0, align, X100_HDR_PREF_ADDRESS);

	/* The last word of the compressed kernel is its size unpacked. */
	if (length < sizeof(unpacked) || !x100_range_inside(body, offset, length))
		return refuse(fault, X100_REASON_PAYLOAD, offset, length, code,
			      X100_HDR_PAYLOAD_OFFSET);
	ops->mem_read(ops->ctx, image->entry + offset + length - sizeof(unpacked), unpacked,
		      sizeof(unpacked));
	if (init_size < code || init_size < get32(unpacked) ||
	    (version >= HDR_VERSION_PAGED && init_size % PAGE))
		return refuse(fault, X100_REASON_INIT_SIZE, init_size, get32(unpacked), code,
			      X100_HDR_INIT_SIZE);
	return true;
}

/*
 * Where the kernel runs. A relocatable one moves up from where it was loaded to its alignment, but
 * not below its preferred address; another one moves to its preferred address, yet still uses the
 * memory behind the loaded image while it does so. init_size is the bound for both.
 */
static bool check_run(struct x100_range push, struct bs_image *image, struct bs_fault *fault)
{
	const uint8_t *h = image->header;
	uint64_t pref = get64(h + X100_HDR_PREF_ADDRESS);
	uint32_t init_size = get32(h + X100_HDR_INIT_SIZE);
	uint64_t out, end;

	if (!x100_range_align_up(image->entry, get32(h + X100_HDR_ALIGNMENT), &out))
		out = X100_U64_MAX;
	if (out < pref)
		out = pref;
	if (!x100_range_inside(push, out, init_size))
		return refuse(fault, X100_REASON_RUN_RANGE, out, init_size, x100_range_end(push),
			      X100_HDR_INIT_SIZE);
	end = out + init_size;
	image->run = (struct x100_range){ image->addr, end - image->addr };
	if (h[X100_HDR_RELOCATABLE])
		return true;

	if (!x100_range_inside(push, pref, init_size))
		return refuse(fault, X100_REASON_RUN_RANGE, pref, init_size, x100_range_end(push),
			      X100_HDR_PREF_ADDRESS);
	/* Unpacking over code that still runs; the area above was checked with it in mind. */
	if (pref < image->entry && pref + init_size > image->addr)
		return refuse(fault, X100_REASON_RUN_RANGE, pref, init_size, image->addr,
			      X100_HDR_PREF_ADDRESS);
	if (pref < image->run.base)
		image->run = (struct x100_range){ pref, end - pref };
	return true;
}

/* Right behind the image, with its NUL inside RAM and inside what hosts and the kernel allow. */
static bool check_cmdline(const struct bs_ops *ops, struct x100_range push, struct bs_image *image,
			  struct bs_fault *fault)
{
	uint64_t at = (uint64_t)image->addr + image->size;
	uint64_t room = x100_range_end(push) - at;
	uint32_t allowed = get32(image->header + X100_HDR_CMDLINE_SIZE);
	uint32_t len = room < X100_CMDLINE_MAX ? (uint32_t)room : X100_CMDLINE_MAX;
	const char *nul;

	if (!len)
		return refuse(fault, X100_REASON_CMDLINE_RANGE, at, 1, x100_range_end(push), 0);
	memset(image->cmdline, 0, sizeof(image->cmdline));
	ops->mem_read(ops->ctx, at, image->cmdline, len);
	nul = memchr(image->cmdline, 0, len);
	if (!nul)
		return refuse(fault,
			      len < X100_CMDLINE_MAX ? X100_REASON_CMDLINE_RANGE :
						       X100_REASON_CMDLINE_UNTERMINATED,
			      at, len, X100_CMDLINE_MAX, 0);
	image->cmdline_len = (uint32_t)(nul - image->cmdline);
	if (image->cmdline_len > allowed)
		return refuse(fault, X100_REASON_CMDLINE_LONG, at, image->cmdline_len, allowed,
			      X100_HDR_CMDLINE_SIZE);
	/* What stood behind the NUL is none of the kernel's business. */
	memset(image->cmdline + image->cmdline_len, 0, sizeof(image->cmdline) - image->cmdline_len);
	return true;
}

static bool check_ramdisk(struct x100_range push, struct bs_image *image, struct bs_fault *fault)
{
	uint32_t addr = get32(image->header + X100_HDR_RAMDISK_IMAGE);
	uint32_t size = get32(image->header + X100_HDR_RAMDISK_SIZE);
	uint32_t max = get32(image->header + X100_HDR_INITRD_MAX);
	struct x100_range disk = { addr, size };
	struct x100_range file = { image->addr, image->size };
	struct x100_range line = { x100_range_end(file), image->cmdline_len + 1 };

	image->ramdisk = addr;
	image->ramdisk_size = size;
	if (!addr && !size)
		return true;
	if (!addr || !size)
		return refuse(fault, X100_REASON_RAMDISK_HALF, addr, size, 0,
			      addr ? X100_HDR_RAMDISK_SIZE : X100_HDR_RAMDISK_IMAGE);
	if (addr < push.base)
		return refuse(fault, X100_REASON_RESERVED_OVERLAP, addr, size, push.base,
			      X100_HDR_RAMDISK_IMAGE);
	if (!x100_range_inside(push, addr, size))
		return refuse(fault, X100_REASON_RAMDISK_RANGE, addr, size, x100_range_end(push),
			      X100_HDR_RAMDISK_IMAGE);
	if (x100_range_end(disk) - 1 > max)
		return refuse(fault, X100_REASON_RAMDISK_HIGH, addr, size, max,
			      X100_HDR_INITRD_MAX);
	if (x100_range_overlaps(disk, file))
		return refuse(fault, X100_REASON_RAMDISK_IMAGE, addr, size, x100_range_end(file),
			      X100_HDR_RAMDISK_IMAGE);
	if (x100_range_overlaps(disk, line))
		return refuse(fault, X100_REASON_RAMDISK_CMDLINE, addr, size, x100_range_end(line),
			      X100_HDR_RAMDISK_IMAGE);
	if (x100_range_overlaps(disk, image->run))
		return refuse(fault, X100_REASON_RAMDISK_KERNEL, addr, size,
			      x100_range_end(image->run), X100_HDR_RAMDISK_IMAGE);
	return true;
}

bool bs_image_check(const struct bs_ops *ops, struct x100_range push, uint32_t addr, uint32_t size,
		    struct bs_image *out, struct bs_fault *fault)
{
	out->addr = addr;
	out->size = size;
	if (addr < push.base || addr >= x100_range_end(push))
		return refuse(fault, X100_REASON_RESERVED_OVERLAP, addr, size, push.base, 0);
	return check_file(ops, push, out, fault) && check_header(ops, out, fault) &&
	       check_run(push, out, fault) && check_cmdline(ops, push, out, fault) &&
	       check_ramdisk(push, out, fault);
}
