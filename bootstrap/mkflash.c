// SPDX-License-Identifier: BSD-3-Clause
/*
 * Makes the flash image out of the linked bootstrap: erased flash (0xFF) with the loadable parts at
 * their physical addresses. Prints how much is used; refuses what does not fit the boot block.
 *
 * usage: mkflash bootstrap.elf flash.bin
 */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <x100/memmap.h>
#include <x100/range.h>

static uint8_t flash[X100_FLASH_SIZE];
static const struct x100_range boot_block = { X100_BOOTBLOCK_BASE, X100_BOOTBLOCK_SIZE };

static void die(const char *what, const char *why)
{
	fprintf(stderr, "mkflash: %s: %s\n", what, why);
	exit(1);
}

/* Reads all of @name into memory the caller owns. */
static uint8_t *load(const char *name, size_t *size)
{
	static uint8_t elf[16 << 20];
	FILE *file = fopen(name, "rb");

	if (!file)
		die(name, strerror(errno));
	*size = fread(elf, 1, sizeof(elf), file);
	if (ferror(file) || !feof(file))
		die(name, "cannot be read whole");
	fclose(file);
	return elf;
}

/* Copies one loadable part and returns the bytes of flash it takes. */
static uint64_t place(const char *name, const uint8_t *elf, size_t size, const Elf32_Phdr *part)
{
	struct x100_range file = { 0, size };

	if (part->p_type != PT_LOAD || !part->p_filesz)
		return 0;
	if (!x100_range_inside(file, part->p_offset, part->p_filesz))
		die(name, "a segment lies outside the file");
	if (!x100_range_inside(boot_block, part->p_paddr, part->p_filesz))
		die(name, "the bootstrap is larger than its 65,536 bytes of flash");
	memcpy(flash + (part->p_paddr - X100_FLASH_BASE), elf + part->p_offset, part->p_filesz);
	return part->p_filesz;
}

int main(int argc, char **argv)
{
	const Elf32_Ehdr *header;
	const Elf32_Phdr *parts;
	uint64_t used = 0;
	uint8_t *elf;
	size_t size;
	FILE *out;

	if (argc != 3)
		die("usage", "mkflash bootstrap.elf flash.bin");
	elf = load(argv[1], &size);
	header = (const Elf32_Ehdr *)elf;
	if (size < sizeof(*header) || memcmp(elf, ELFMAG, SELFMAG) || elf[EI_CLASS] != ELFCLASS32 ||
	    header->e_phentsize != sizeof(*parts) ||
	    !x100_range_inside((struct x100_range){ 0, size }, header->e_phoff,
			       header->e_phnum * sizeof(*parts)))
		die(argv[1], "is not a 32-bit ELF program");

	memset(flash, 0xFF, sizeof(flash));
	parts = (const Elf32_Phdr *)(elf + header->e_phoff);
	for (unsigned int i = 0; i < header->e_phnum; i++)
		used += place(argv[1], elf, size, &parts[i]);

	out = fopen(argv[2], "wb");
	if (!out || fwrite(flash, sizeof(flash), 1, out) != 1 || fclose(out))
		die(argv[2], strerror(errno));
	printf("bootstrap: %llu of %llu bytes of flash used\n", (unsigned long long)used,
	       (unsigned long long)X100_BOOTBLOCK_SIZE);
	return 0;
}
