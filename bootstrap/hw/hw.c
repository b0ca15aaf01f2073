// SPDX-License-Identifier: BSD-3-Clause
/*
 * Page tables, descriptors, local APIC, the other CPUs, and the operations table of the card.
 */
#include <string.h>

#include <x100/irq.h>
#include <x100/record.h>
#include "hw.h"
#include "paging.h"

/* Local APIC (x100-hardware.md 6.2) */
#define LAPIC_ID         0x020 /* id in 31:23 */
#define LAPIC_VERSION    0x030 /* version in 7:0 */
#define LAPIC_TPR        0x080
#define LAPIC_SPIV       0x0F0
#define LAPIC_ICR_LO     0x300
#define LAPIC_LVT_FIRST  0x320
#define LAPIC_LVT_LAST   0x370
#define LVT_MASKED       (1u << 16)
#define SPIV_ENABLE      (1u << 8)
#define SPIV_VECTOR      255u
#define ICR_ALL_BUT_SELF (3u << 18)
#define ICR_ASSERT       (1u << 14)
#define ICR_PENDING      (1u << 12)
#define ICR_INIT         (5u << 8)
#define ICR_STARTUP      (6u << 8)

#define INIT_MS 10   /* between INIT and SIPI (Intel MP specification B.4) */
#define SIPI_MS 10   /* after which a second SIPI is worth while */
#define ICR_MS  10   /* for the APIC to send */
#define WAKE_MS 2000 /* silicon took 1 s for 228, one by one (silicon-notes.md) */

/* MTRRs (k1om-cpu-and-kernel.md 3.1): no fixed ones, eight pairs, 40 address bits */
#define MSR_MTRR_BASE(n) (0x200 + 2 * (n))
#define MSR_MTRR_MASK(n) (0x201 + 2 * (n))
#define MSR_MTRR_DEFAULT 0x2FF
#define MTRR_ENABLE      (1ull << 11)
#define MTRR_VALID       (1ull << 11)
#define TYPE_UC          0ull
#define TYPE_WP          5ull
#define TYPE_WB          6ull
#define ADDR_MASK        0xFFFFFFFFFFull

#define LARGE_PAGE 0x200000u

extern const char __rodata_start[], __text_start[];
extern const char __data_start[], __bss_end[];
extern const char ap_code[], ap_code_end[], ap_present_offset[], ap_msrs_offset[];
extern const uint64_t flash_gdt[4];
extern const struct {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed)) flash_idt_ptr;
void double_fault_task(void);

static uint64_t gdt[6];
static struct bs_tss main_tss, fault_tss;
static uint64_t *window_entry;
volatile uint32_t doorbell_rung; /* set by entry/vectors.S */

uint64_t hw_ticks(void)
{
	uint32_t high, low;

	do {
		high = sbox_read(X100_SBOX_ETC_HI);
		low = sbox_read(X100_SBOX_ETC_LO);
	} while (high != sbox_read(X100_SBOX_ETC_HI));
	return ((uint64_t)high << 32 | low) >> X100_ETC_SHIFT;
}

static bool past(uint64_t deadline)
{
	return hw_ticks() >= deadline;
}

static void load_cr3(uint32_t phys)
{
	asm volatile("movl %0, %%cr3" : : "r"(phys) : "memory");
}

bool hw_paging(void)
{
	const uint32_t flash = (uint32_t)X100_BOOTBLOCK_BASE, code = (uint32_t)__text_start;
	const uint32_t data = (uint32_t)__data_start, data_end = (uint32_t)__bss_end;
	const uint32_t sfi = (uint32_t)X100_SFI_BASE & ~(BS_PAGE - 1);
	const struct {
		uint32_t linear;
		uint64_t phys;
		uint32_t size;
		enum bs_prot prot;
	} map[] = {
		{ BS_AP_PAGE, BS_AP_PAGE, BS_AP_PAGE_END - BS_AP_PAGE, BS_PROT_RW },
		{ BS_TABLES, BS_TABLES, BS_TABLES_END - BS_TABLES, BS_PROT_RW },
		{ data, data, data_end - data, BS_PROT_RW },
		{ BS_STACK, BS_STACK, BS_STACK_TOP - BS_STACK, BS_PROT_RW },
		{ BS_FAULT_STACK, BS_FAULT_STACK, BS_FAULT_STACK_TOP - BS_FAULT_STACK, BS_PROT_RW },
		{ BS_CMDLINE, BS_CMDLINE, BS_CMDLINE_END - BS_CMDLINE, BS_PROT_RW },
		{ X100_BOOT_PARAMS, X100_BOOT_PARAMS, BS_PAGE, BS_PROT_RW },
		{ X100_MPTABLE_BASE, X100_MPTABLE_BASE, X100_MPTABLE_SIZE, BS_PROT_RW },
		{ X100_RECORD_BASE, X100_RECORD_BASE, X100_RECORD_SIZE, BS_PROT_RW },
		{ sfi, sfi, BS_PAGE, BS_PROT_RW },
		{ BS_MMIO_GBOX0, X100_GBOX0_BASE, X100_BOX_SIZE, BS_PROT_DEVICE },
		{ BS_MMIO_DBOX, X100_DBOX_BASE, X100_BOX_SIZE, BS_PROT_DEVICE },
		{ BS_MMIO_SBOX, X100_SBOX_BASE, X100_BOX_SIZE, BS_PROT_DEVICE },
		{ X100_LAPIC_BASE, X100_LAPIC_BASE, X100_LAPIC_SIZE, BS_PROT_DEVICE },
		{ flash, flash, code - flash, BS_PROT_RO },
		{ code, code, 0u - code, BS_PROT_RX },
	};
	struct bs_tables tables;

	bs_paging_init(&tables, (void *)BS_TABLES, BS_TABLES,
		       (BS_TABLES_END - BS_TABLES) / BS_PAGE);
	for (unsigned int i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		if (!bs_paging_map(&tables, map[i].linear, map[i].phys, map[i].size, map[i].prot))
			return false;
	}
	window_entry = bs_paging_large(&tables, BS_WINDOW);
	if (!window_entry)
		return false;
	load_cr3(BS_TABLES);
	return true;
}

void *hw_window(uint64_t phys)
{
	uint64_t base = phys & ~(uint64_t)(LARGE_PAGE - 1);

	if (window_entry[0] != bs_paging_large_entry(base)) {
		window_entry[0] = bs_paging_large_entry(base);
		window_entry[1] = bs_paging_large_entry(base + LARGE_PAGE);
		load_cr3(BS_TABLES);
	}
	return (void *)(BS_WINDOW + (uint32_t)(phys - base));
}

static uint64_t tss_descriptor(const struct bs_tss *tss)
{
	uint64_t base = (uint32_t)tss, limit = sizeof(*tss) - 1;

	return limit | (base & 0xFFFFFF) << 16 | 0x89ull << 40 | base >> 24 << 56;
}

const struct bs_tss *hw_main_tss(void)
{
	return &main_tss;
}

void hw_descriptors(void)
{
	struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) pointer = { sizeof(gdt) - 1, (uint32_t)gdt };

	/* Task descriptors carry a busy bit, so this table cannot stay in flash. */
	memcpy(gdt, flash_gdt, sizeof(flash_gdt));
	gdt[BS_SEL_TSS / 8] = tss_descriptor(&main_tss);
	gdt[BS_SEL_FAULT_TSS / 8] = tss_descriptor(&fault_tss);
	fault_tss = (struct bs_tss){
		.cr3 = BS_TABLES,
		.eip = (uint32_t)double_fault_task,
		.eflags = 2,
		.esp = BS_FAULT_STACK_TOP,
		.cs = BS_SEL_CODE,
		.ss = BS_SEL_DATA,
		.ds = BS_SEL_DATA,
		.es = BS_SEL_DATA,
		.iomap = sizeof(fault_tss) << 16,
	};
	asm volatile("lgdt %0; ltr %w1; lidt %2"
		     :
		     : "m"(pointer), "r"(BS_SEL_TSS), "m"(flash_idt_ptr)
		     : "memory");
}

/* One MSR and its value, as entry/ap.S reads it. */
struct bs_msr {
	uint32_t number;
	uint64_t value;
} __attribute__((packed));

static struct bs_msr memory_types[BS_AP_MSRS];
static unsigned int memory_types_used;

static void set_msr(uint32_t number, uint64_t value)
{
	wrmsr(number, value);
	/* The last entry stays 0, which ends the list. */
	if (memory_types_used < BS_AP_MSRS - 1)
		memory_types[memory_types_used++] = (struct bs_msr){ number, value };
}

static void mtrr(unsigned int n, uint64_t base, uint64_t size, uint64_t type)
{
	set_msr(MSR_MTRR_BASE(n), base | type);
	set_msr(MSR_MTRR_MASK(n), (ADDR_MASK & ~(size - 1)) | MTRR_VALID);
}

void hw_memory_types(void)
{
	set_msr(MSR_MTRR_DEFAULT, 0);
	mtrr(0, X100_LAPIC_BASE, X100_LAPIC_SIZE, TYPE_UC);
	mtrr(1, X100_FLASH_WINDOW, X100_FLASH_WINDOW_END - X100_FLASH_WINDOW, TYPE_WP);
	mtrr(2, X100_MMIO_FLOOR, X100_MMIO_FLOOR, TYPE_UC);
	mtrr(3, X100_SYSMEM_BASE, X100_SYSMEM_SIZE, TYPE_UC);
	for (unsigned int n = 4; n < 8; n++)
		set_msr(MSR_MTRR_MASK(n), 0);
	set_msr(MSR_MTRR_DEFAULT, MTRR_ENABLE | TYPE_WB);
}

uint32_t hw_lapic_enable(void)
{
	for (uint32_t lvt = LAPIC_LVT_FIRST; lvt <= LAPIC_LVT_LAST; lvt += 0x10)
		lapic_write(lvt, LVT_MASKED);
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_SPIV, SPIV_ENABLE | SPIV_VECTOR);
	return lapic_read(LAPIC_ID) >> 23;
}

uint8_t hw_lapic_version(void)
{
	return (uint8_t)lapic_read(LAPIC_VERSION);
}

/* Interrupts all other CPUs; false when the APIC does not get it out in time. */
static bool send_to_others(uint32_t command)
{
	uint64_t deadline = hw_ticks() + BS_TICKS_MS(ICR_MS);

	lapic_write(LAPIC_ICR_LO, ICR_ALL_BUT_SELF | ICR_ASSERT | command);
	while (lapic_read(LAPIC_ICR_LO) & ICR_PENDING) {
		if (past(deadline))
			return false;
	}
	return true;
}

/* Takes over who has answered by now. Returns how many CPUs that makes, the boot CPU included. */
static unsigned int count_cpus(struct bs_cpus *cpus)
{
	volatile uint32_t *present = (uint32_t *)(BS_AP_PAGE + (uint32_t)ap_present_offset);

	for (unsigned int i = 0; i < BS_MAX_CPUS / 32; i++)
		cpus->bitmap[i] = present[i];
	cpus->bitmap[cpus->boot / 32 % (BS_MAX_CPUS / 32)] |= 1u << cpus->boot % 32;
	return bs_cpus_count(cpus);
}

/*
 * Waits for @expected CPUs, @ms milliseconds at most. Looks at memory much more often than at the
 * clock, whose registers all CPUs share.
 */
static unsigned int await_cpus(unsigned int expected, struct bs_cpus *cpus, unsigned int ms)
{
	uint64_t deadline = hw_ticks() + BS_TICKS_MS(ms);
	unsigned int count;

	do {
		for (unsigned int look = 0; look < 256; look++) {
			count = count_cpus(cpus);
			if (count >= expected)
				return count;
		}
	} while (!past(deadline));
	return count;
}

unsigned int hw_wake_cpus(unsigned int expected, struct bs_cpus *cpus)
{
	uint64_t start = hw_ticks();

	memcpy((void *)BS_AP_PAGE, ap_code, (uint32_t)ap_code_end - (uint32_t)ap_code);
	memcpy((void *)(BS_AP_PAGE + (uint32_t)ap_msrs_offset), memory_types, sizeof(memory_types));
	if (expected <= 1 || !send_to_others(ICR_INIT))
		return count_cpus(cpus);
	while (!past(start + BS_TICKS_MS(INIT_MS)))
		;
	send_to_others(ICR_STARTUP | BS_AP_PAGE / BS_PAGE);
	if (await_cpus(expected, cpus, SIPI_MS) >= expected)
		return count_cpus(cpus);
	/* A CPU that was not ready for the first; the others do not mind a second. */
	send_to_others(ICR_STARTUP | BS_AP_PAGE / BS_PAGE);
	return await_cpus(expected, cpus, WAKE_MS);
}

void hw_doorbell_clear(void)
{
	asm volatile("sti; nop; nop; cli" : : : "memory");
	doorbell_rung = 0;
}

void hw_doorbell_wait(void)
{
	/* STI takes effect behind HLT, so an interrupt between test and sleep is not lost. */
	while (!doorbell_rung)
		asm volatile("sti; hlt; cli" : : : "memory");
}

static uint32_t op_sbox_read(void *ctx, uint32_t off)
{
	(void)ctx;
	return sbox_read(off);
}

static void op_sbox_write(void *ctx, uint32_t off, uint32_t value)
{
	(void)ctx;
	sbox_write(off, value);
}

static uint64_t op_ticks(void *ctx)
{
	(void)ctx;
	return hw_ticks();
}

static void op_mem_read(void *ctx, uint64_t phys, void *dst, uint32_t len)
{
	(void)ctx;
	memcpy(dst, hw_window(phys), len);
}

static uint32_t op_mem_peek(void *ctx, uint64_t phys)
{
	(void)ctx;
	return mmio_read((uint32_t)hw_window(phys));
}

static void op_mem_poke(void *ctx, uint64_t phys, uint32_t value)
{
	(void)ctx;
	mmio_write((uint32_t)hw_window(phys), value);
}

const struct bs_ops hw_ops = {
	.sbox_read = op_sbox_read,
	.sbox_write = op_sbox_write,
	.ticks = op_ticks,
	.mem_read = op_mem_read,
	.mem_peek = op_mem_peek,
	.mem_poke = op_mem_poke,
};
