// SPDX-License-Identifier: BSD-3-Clause
/*
 * SFI and MP tables (x100-hardware.md 2.3, x100-abi.md 1.13).
 */
#include <string.h>

#include <x100/memmap.h>
#include "tables.h"

#define OEM       "X100  "
#define OEM_TABLE "BOOTSTRP"

static uint8_t sum(const void *data, uint32_t len)
{
	const uint8_t *byte = data;
	uint8_t total = 0;

	while (len--)
		total += *byte++;
	return total;
}

unsigned int bs_cpus_count(const struct bs_cpus *cpus)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < BS_MAX_CPUS / 32; i++) {
		for (uint32_t left = cpus->bitmap[i]; left; left &= left - 1)
			count++;
	}
	return count;
}

/* Where the next table goes, and what is left for it. */
struct cursor {
	uint8_t *at;
	uint64_t phys;
	uint32_t left;
};

/*
 * Writes a header and @len bytes of entries behind it, closes the checksum, and moves on to the
 * next multiple of 16. Returns the address of the table, 0 when it does not fit.
 */
static uint64_t put(struct cursor *c, const char *sig, const void *entries, uint32_t len)
{
	struct x100_sfi_header *header = (struct x100_sfi_header *)c->at;
	uint32_t total = sizeof(*header) + len;
	uint32_t step = (total + 15) & ~15u;
	uint64_t phys = c->phys;

	if (step > c->left)
		return 0;
	memset(header, 0, sizeof(*header));
	memcpy(header->sig, sig, sizeof(header->sig));
	header->len = total;
	header->rev = 1;
	memcpy(header->oem_id, OEM, sizeof(header->oem_id));
	memcpy(header->oem_table_id, OEM_TABLE, sizeof(header->oem_table_id));
	memcpy(header + 1, entries, len);
	header->checksum = (uint8_t)-sum(header, total);
	c->at += step;
	c->phys += step;
	c->left -= step;
	return phys;
}

/* EFI memory types; everything that is not RAM is reserved. */
static uint64_t put_mmap(struct cursor *c, const struct x100_e820 *map, unsigned int ranges)
{
	struct x100_sfi_mem mem[16];

	if (ranges > sizeof(mem) / sizeof(mem[0]))
		return 0;
	memset(mem, 0, sizeof(mem));
	for (unsigned int i = 0; i < ranges; i++) {
		mem[i].type = map[i].type == X100_E820_RAM ? X100_SFI_MEM_CONVENTIONAL :
							     X100_SFI_MEM_RESERVED;
		mem[i].phys_start = map[i].base;
		mem[i].pages = map[i].size >> 12;
	}
	return put(c, X100_SFI_SIG_MMAP, mem, ranges * sizeof(mem[0]));
}

static uint64_t put_cpus(struct cursor *c, const struct bs_cpus *cpus)
{
	uint32_t ids[BS_MAX_CPUS], count = 0;

	for (uint32_t id = 0; id < BS_MAX_CPUS; id++) {
		if (bs_cpu_present(cpus, id))
			ids[count++] = id;
	}
	return put(c, X100_SFI_SIG_CPUS, ids, count * sizeof(ids[0]));
}

uint32_t bs_sfi_build(void *buf, uint32_t size, const struct bs_cpus *cpus,
		      const struct x100_e820 *map, unsigned int ranges)
{
	struct cursor c = { buf, X100_SFI_BASE, size };
	struct cursor syst = c;
	uint64_t ioapic = X100_IOAPIC_BASE, pointers[3] = { 0 };

	/* SYST comes first in memory and last in time: it needs the addresses of the others. */
	if (!put(&c, X100_SFI_SIG_SYST, pointers, sizeof(pointers)))
		return 0;
	pointers[0] = put_cpus(&c, cpus);
	pointers[1] = put(&c, X100_SFI_SIG_APIC, &ioapic, sizeof(ioapic));
	pointers[2] = put_mmap(&c, map, ranges);
	if (!pointers[0] || !pointers[1] || !pointers[2])
		return 0;
	put(&syst, X100_SFI_SIG_SYST, pointers, sizeof(pointers));
	return size - c.left;
}

uint32_t bs_mp_build(void *buf, uint32_t size, const struct bs_cpus *cpus)
{
	struct x100_mp_float *pointer = buf;
	struct x100_mp_conf *conf = (struct x100_mp_conf *)(pointer + 1);
	struct x100_mp_cpu *cpu = (struct x100_mp_cpu *)(conf + 1);
	unsigned int count = bs_cpus_count(cpus);
	uint32_t len = sizeof(*conf) + count * sizeof(*cpu);

	if (sizeof(*pointer) + len > size)
		return 0;
	memset(buf, 0, sizeof(*pointer) + len);
	for (uint32_t id = 0; id < BS_MAX_CPUS; id++) {
		if (!bs_cpu_present(cpus, id))
			continue;
		cpu->apic_id = (uint8_t)id;
		cpu->apic_ver = cpus->lapic_version;
		cpu->flags = X100_MP_CPU_ENABLED | (id == cpus->boot ? X100_MP_CPU_BOOT : 0);
		cpu->signature = cpus->signature;
		cpu->features = cpus->features;
		cpu->thread = id;
		cpu++;
	}
	memcpy(conf->sig, X100_MP_CONF_SIG, sizeof(conf->sig));
	conf->len = (uint16_t)len;
	conf->spec = 4;
	memcpy(conf->oem, "X100    ", sizeof(conf->oem));
	memcpy(conf->product, "KNC         ", sizeof(conf->product));
	conf->count = (uint16_t)count;
	conf->lapic = (uint32_t)X100_LAPIC_BASE;
	conf->checksum = (uint8_t)-sum(conf, len);

	pointer->sig = X100_MP_FLOAT_SIG;
	pointer->conf = (uint32_t)X100_MPTABLE_BASE + sizeof(*pointer);
	pointer->len = 1;
	pointer->spec = 4;
	pointer->checksum = (uint8_t)-sum(pointer, sizeof(*pointer));
	return sizeof(*pointer) + len;
}
