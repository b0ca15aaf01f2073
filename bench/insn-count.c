// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU plugin: counts what the card executes at bootstrap addresses, from the reset vector until the
 * first instruction anywhere else, which is the kernel's entry. Loaded with
 * -plugin insn-count.so,out=FILE,wait=ADDRESS,...; FILE appears, whole, when that is executed.
 *
 * wait: first instruction of a function that waits. All from there to its return is counted apart.
 *
 * FILE: a line "entry ADDRESS", then one line "ADDRESS COUNT WAITING once|string" per instruction
 * executed: how often outside and how often inside of such functions. "string" is an instruction
 * with a REP prefix, of which QEMU counts every round.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qemu-plugin.h>
#include <x100/memmap.h>

#include "maps.h"

#define AP_BYTES    (BS_AP_PAGE_END - BS_AP_PAGE)
#define FLASH_BYTES ((unsigned int)X100_BOOTBLOCK_SIZE)

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

struct place {
	uint64_t count;
	uint64_t waiting;
	uint64_t address;
	uint64_t next; /* address behind it */
	bool string;
	bool call;
	bool wait; /* a waiting function begins here */
};

/* A CPU: what it executed last, and where its waiting ends; 0 when it does not wait. */
struct cpu {
	const struct place *last;
	uint64_t until;
};

#define CPUS 256

static struct place flash[X100_BOOTBLOCK_SIZE], ap[AP_BYTES];
static struct cpu cpus[CPUS];
static char out_path[4096];
static bool entered;

/* The counter of a linear address, which the bootstrap keeps equal to the physical one. */
static struct place *place_of(uint64_t address)
{
	if (address >= X100_BOOTBLOCK_BASE && address - X100_BOOTBLOCK_BASE < FLASH_BYTES)
		return &flash[address - X100_BOOTBLOCK_BASE];
	if (address >= BS_AP_PAGE && address < BS_AP_PAGE_END)
		return &ap[address - BS_AP_PAGE];
	return NULL;
}

/* CALL near, direct or through a register or memory; the bootstrap's code has no prefixes there. */
static bool is_call(const struct qemu_plugin_insn *insn)
{
	const uint8_t *byte = qemu_plugin_insn_data(insn);

	return byte[0] == 0xE8 || (byte[0] == 0xFF && (byte[1] >> 3 & 7) == 2);
}

static bool is_repeated_string(const struct qemu_plugin_insn *insn)
{
	const uint8_t *byte = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);
	bool repeated = false;

	for (size_t i = 0; i < size; i++) {
		switch (byte[i]) {
		case 0xF2:
		case 0xF3:
			repeated = true;
			break;
		case 0x26:
		case 0x2E:
		case 0x36:
		case 0x3E:
		case 0x64:
		case 0x65:
		case 0x66:
		case 0x67:
			break;
		case 0xA4 ... 0xA7:
		case 0xAA ... 0xAF:
			return repeated;
		default:
			return false;
		}
	}
	return false;
}

static void print_places(FILE *out, uint64_t base, const struct place *place, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (place[i].count || place[i].waiting)
			fprintf(out, "0x%" PRIx64 " %" PRIu64 " %" PRIu64 " %s\n", base + i,
				place[i].count, place[i].waiting,
				place[i].string ? "string" : "once");
	}
}

static void write_file(uint64_t entry)
{
	char new_path[sizeof(out_path) + 4];
	FILE *out;

	snprintf(new_path, sizeof(new_path), "%s.new", out_path);
	out = fopen(new_path, "w");
	if (!out) {
		perror(new_path);
		return;
	}
	fprintf(out, "entry 0x%" PRIx64 "\n", entry);
	print_places(out, X100_BOOTBLOCK_BASE, flash, FLASH_BYTES);
	print_places(out, BS_AP_PAGE, ap, AP_BYTES);
	if (fclose(out) || rename(new_path, out_path))
		perror(out_path);
}

static void executed(unsigned int vcpu, void *what)
{
	struct place *place = what;
	struct cpu *cpu = &cpus[vcpu % CPUS];

	if (__atomic_load_n(&entered, __ATOMIC_RELAXED))
		return;
	if (place->address == cpu->until)
		cpu->until = 0;
	if (place->wait && !cpu->until) {
		if (!cpu->last || !cpu->last->call) {
			fprintf(stderr, "insn-count: 0x%" PRIx64 " was not called\n",
				place->address);
			abort();
		}
		cpu->until = cpu->last->next;
	}
	cpu->last = place;
	__atomic_fetch_add(cpu->until ? &place->waiting : &place->count, 1, __ATOMIC_RELAXED);
}

static void executed_elsewhere(unsigned int vcpu, void *address)
{
	(void)vcpu;
	if (!__atomic_exchange_n(&entered, true, __ATOMIC_SEQ_CST))
		write_file((uintptr_t)address);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t count = qemu_plugin_tb_n_insns(tb);

	(void)id;
	if (__atomic_load_n(&entered, __ATOMIC_RELAXED))
		return;
	for (size_t i = 0; i < count; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		struct place *place = place_of(address);

		if (!place) {
			qemu_plugin_register_vcpu_insn_exec_cb(insn, executed_elsewhere,
							       QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)address);
			continue;
		}
		place->address = address;
		place->next = address + qemu_plugin_insn_size(insn);
		place->string = is_repeated_string(insn);
		place->call = is_call(insn);
		qemu_plugin_register_vcpu_insn_exec_cb(insn, executed, QEMU_PLUGIN_CB_NO_REGS,
						       place);
	}
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
					   char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		struct place *place = NULL;

		if (!strncmp(argv[i], "out=", 4) && strlen(argv[i]) - 4 < sizeof(out_path)) {
			strcpy(out_path, argv[i] + 4);
			continue;
		}
		if (!strncmp(argv[i], "wait=", 5))
			place = place_of(strtoull(argv[i] + 5, NULL, 0));
		if (!place) {
			fprintf(stderr, "insn-count: what is %s?\n", argv[i]);
			return -1;
		}
		place->wait = true;
	}
	if (!out_path[0]) {
		fprintf(stderr, "insn-count: out=FILE is missing\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
