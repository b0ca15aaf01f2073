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

#define HEADER_BYTES    0x264
#define PROTOCOL_MIN    0x020A /* the first with init_size and pref_address */
#define PROTOCOL_MAX    0x02FF
#define PROTOCOL_PAGED  0x020F /* from here on kernels ask for whole pages */
#define SETUP_SECTS_OLD 4      /* what 0 stands for */
#define PAGE            4096u
#define ALIGN_MAX       (1u << 30)
#define ELF_MAGIC       0x464C457Fu
#define FIT_MAGIC       0xEDFE0DD0u

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
	const struct x100_blob *image;
	uint64_t entry; /* where the protected-mode code begins */
	uint64_t code;  /* its bytes */
	uint32_t *reason;
	struct x100_why *why;
	uint8_t header[HEADER_BYTES];
};

/* Note the reason, with the same four particulars the bootstrap gives with it. */
static int refuse(struct placing *p, int error, uint32_t reason, uint64_t value, uint64_t size,
		  uint64_t limit, uint64_t field)
{
	const uint64_t detail[4] = { value, size, limit, field };
	char text[X100_REASON_TEXT];

	*p->reason = reason;
	return x100_fail(p->why, error, "%s", x100_reason_text(reason, detail, text));
}

#define BAD(reason, value, size, limit, field)                                                     \
	refuse(p, X100_ERR_IMAGE, X100_REASON_##reason, value, size, limit, field)

/* The file as a whole. */
static int check_file(struct placing *p)
{
	struct x100_placement *place = p->place;
	const uint8_t *h = p->header;
	uint64_t size = place->image_size, setup, expected;

	if (!size)
		return BAD(SIZE_ZERO, 0, 0, 0, 0);
	if (get32(h) == ELF_MAGIC)
		return BAD(IS_ELF, 0, size, 0, 0);
	if (get32(h) == FIT_MAGIC)
		return BAD(IS_FIT, 0, size, 0, 0);
	if (size < HEADER_BYTES)
		return BAD(SIZE_SMALL, 0, size, HEADER_BYTES, 0);
	if (get32(h + X100_HDR_MAGIC) != X100_HDR_MAGIC_VALUE)
		return BAD(NOT_BZIMAGE, get32(h + X100_HDR_MAGIC), size, 0, X100_HDR_MAGIC);
	if (get16(h + X100_HDR_BOOT_FLAG) != X100_HDR_BOOT_FLAG_VALUE)
		return BAD(BOOT_FLAG, get16(h + X100_HDR_BOOT_FLAG), size, 0, X100_HDR_BOOT_FLAG);
	setup = h[X100_HDR_SETUP_SECTS] ? h[X100_HDR_SETUP_SECTS] : SETUP_SECTS_OLD;
	setup = (setup + 1) * X100_HDR_SECTOR;
	if (setup >= size)
		return BAD(SETUP_SECTS, setup, size, 0, X100_HDR_SETUP_SECTS);
	expected = setup + (uint64_t)get32(h + X100_HDR_SYSSIZE) * 16;
	if (size < expected)
		return BAD(TRUNCATED, expected, size, 0, X100_HDR_SYSSIZE);
	if (size > expected)
		return BAD(TOO_LONG, expected, size, 0, X100_HDR_SYSSIZE);
	p->entry = place->image + setup;
	p->code = size - setup;
	return X100_OK;
}

/* Header fields the kernel or its 32-bit entry depends on. */
static int check_header(struct placing *p)
{
	const uint8_t *h = p->header;
	uint32_t version = get16(h + X100_HDR_VERSION), align = get32(h + X100_HDR_ALIGNMENT);
	uint32_t offset = get32(h + X100_HDR_PAYLOAD_OFFSET);
	uint32_t length = get32(h + X100_HDR_PAYLOAD_LENGTH);
	uint32_t init_size = get32(h + X100_HDR_INIT_SIZE);
	uint64_t preferred = get64(h + X100_HDR_PREF_ADDRESS);
	struct x100_range body = { 0, p->code };
	uint8_t unpacked[4];
	int ret;

	if (version < PROTOCOL_MIN || version > PROTOCOL_MAX)
		return BAD(VERSION, version, 0, PROTOCOL_MIN, X100_HDR_VERSION);
	if (!(h[X100_HDR_LOADFLAGS] & X100_HDR_LOADED_HIGH))
		return BAD(NOT_HIGH, h[X100_HDR_LOADFLAGS], 0, 0, X100_HDR_LOADFLAGS);
	if (h[X100_HDR_RELOCATABLE] > 1)
		return BAD(RELOCATABLE, h[X100_HDR_RELOCATABLE], 0, 1, X100_HDR_RELOCATABLE);
	if (align < PAGE || align > ALIGN_MAX || (align & (align - 1)))
		return BAD(ALIGNMENT, align, 0, ALIGN_MAX, X100_HDR_ALIGNMENT);
	if (preferred & (align - 1))
		return BAD(ALIGNMENT, preferred, 0, align, X100_HDR_PREF_ADDRESS);

	/* The last word of the compressed kernel is its size unpacked. */
	if (length < sizeof(unpacked) || !x100_range_inside(body, offset, length))
		return BAD(PAYLOAD, offset, length, p->code, X100_HDR_PAYLOAD_OFFSET);
	ret = blob_read(p->image,
			p->place->image_size - p->code + offset + length - sizeof(unpacked),
			unpacked, sizeof(unpacked), p->why);
	if (ret)
		return ret;
	if (init_size < p->code || init_size < get32(unpacked) ||
	    (version >= PROTOCOL_PAGED && init_size % PAGE))
		return BAD(INIT_SIZE, init_size, get32(unpacked), p->code, X100_HDR_INIT_SIZE);
	return X100_OK;
}

/*
 * Memory the kernel uses while it unpacks itself: a relocatable one moves up from where it lies to
 * its alignment, but not below its preferred address; any other moves to its preferred address, yet
 * needs the memory behind its image on the way, too.
 */
static int check_run(struct placing *p)
{
	struct x100_placement *place = p->place;
	const uint8_t *h = p->header;
	uint64_t preferred = get64(h + X100_HDR_PREF_ADDRESS), end, out;
	uint64_t init_size = get32(h + X100_HDR_INIT_SIZE);

	if (!x100_range_align_up(p->entry, get32(h + X100_HDR_ALIGNMENT), &out) || out < preferred)
		out = preferred;
	if (!x100_range_inside(p->ram, out, init_size))
		return BAD(RUN_RANGE, out, init_size, p->ram.size, X100_HDR_INIT_SIZE);
	end = out + init_size;
	place->run = place->image;
	place->run_size = end - place->run;
	if (h[X100_HDR_RELOCATABLE])
		return X100_OK;
	if (!x100_range_inside(p->ram, preferred, init_size) || preferred < X100_LOW_END)
		return BAD(RUN_RANGE, preferred, init_size, p->ram.size, X100_HDR_PREF_ADDRESS);
	if (preferred < p->entry && preferred + init_size > place->image)
		return BAD(RUN_RANGE, preferred, init_size, place->image, X100_HDR_PREF_ADDRESS);
	if (preferred < place->run) {
		place->run = preferred;
		place->run_size = end - preferred;
	}
	return X100_OK;
}

#undef BAD
#define BAD(reason, limit, field)                                                                  \
	refuse(p, X100_ERR_RAMDISK, X100_REASON_##reason, disk.base, disk.size, limit, field)

static int check_ramdisk(struct placing *p)
{
	struct x100_placement *place = p->place;
	struct x100_range disk = { place->ramdisk, place->ramdisk_size };
	struct x100_range image = { place->image, place->image_size };
	struct x100_range cmdline = { place->cmdline, place->cmdline_size };
	struct x100_range run = { place->run, place->run_size };
	uint64_t most = get32(p->header + X100_HDR_INITRD_MAX);

	if (disk.base < X100_LOW_END)
		return BAD(RESERVED_OVERLAP, X100_LOW_END, X100_HDR_RAMDISK_IMAGE);
	if (!x100_range_inside(p->ram, disk.base, disk.size))
		return BAD(RAMDISK_RANGE, p->ram.size, X100_HDR_RAMDISK_IMAGE);
	if (x100_range_end(disk) - 1 > most)
		return BAD(RAMDISK_HIGH, most, X100_HDR_INITRD_MAX);
	if (x100_range_overlaps(disk, image))
		return BAD(RAMDISK_IMAGE, x100_range_end(image), X100_HDR_RAMDISK_IMAGE);
	if (x100_range_overlaps(disk, cmdline))
		return BAD(RAMDISK_CMDLINE, x100_range_end(cmdline), X100_HDR_RAMDISK_IMAGE);
	if (x100_range_overlaps(disk, run))
		return BAD(RAMDISK_KERNEL, x100_range_end(run), X100_HDR_RAMDISK_IMAGE);
	return X100_OK;
}

int x100_place(uint32_t spad2, uint64_t aperture, uint64_t memory, const struct x100_blob *image,
	       const struct x100_blob *ramdisk, uint64_t cmdline_size, uint64_t ramdisk_at,
	       struct x100_placement *place, uint32_t *reason, struct x100_why *why)
{
	struct placing p = { .place = place, .image = image, .reason = reason, .why = why };
	uint64_t top = memory > X100_GDDR_TOP_KEPT ? memory - X100_GDDR_TOP_KEPT : 0;
	uint32_t boot = x100_spad2_addr(spad2), allowed;
	int ret;

	memset(place, 0, sizeof(*place));
	*reason = X100_REASON_NONE;
	p.ram.size = X100_GDDR_LOW_END;
	if (p.ram.size > aperture)
		p.ram.size = aperture;
	/* The bootstrap keeps the last page, as the factory's does (silicon-notes.md). */
	if (memory && p.ram.size > top)
		p.ram.size = top;

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
		return refuse(&p, X100_ERR_IMAGE, X100_REASON_SIZE_HUGE, boot, image->size,
			      p.ram.size - boot, 0);

	ret = blob_read(image, 0, p.header, image->size < HEADER_BYTES ? image->size : HEADER_BYTES,
			why);
	if (!ret)
		ret = check_file(&p);
	if (!ret)
		ret = check_header(&p);
	if (!ret)
		ret = check_run(&p);
	if (ret)
		return ret;
	if (!x100_range_inside(p.ram, place->cmdline, cmdline_size))
		return refuse(&p, X100_ERR_IMAGE, X100_REASON_CMDLINE_RANGE, place->cmdline,
			      cmdline_size, p.ram.size, 0);
	allowed = get32(p.header + X100_HDR_CMDLINE_SIZE);
	if (cmdline_size > (uint64_t)allowed + 1)
		return refuse(&p, X100_ERR_CMDLINE, X100_REASON_CMDLINE_LONG, place->cmdline,
			      cmdline_size - 1, allowed, X100_HDR_CMDLINE_SIZE);
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
