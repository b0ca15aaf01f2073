/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The card's hardware as the bootstrap uses it. One accessor pair per block of registers; nowhere
 * else is there a cast to volatile.
 */
#ifndef BS_HW_H
#define BS_HW_H

#include <x100/regs.h>
#include <maps.h>
#include "ops.h"
#include "tables.h"

/* What entry/vectors.S leaves on the stack. */
struct bs_frame {
	uint32_t cr2;
	uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
	uint32_t vector, error, eip, cs, eflags;
};

/* 32-bit task state segment; the CPU saves registers here when a task gate is taken. */
struct bs_tss {
	uint32_t link;
	uint32_t stacks[6];
	uint32_t cr3, eip, eflags;
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t es, cs, ss, ds, fs, gs;
	uint32_t ldt, iomap;
};

X100_ASSERT_SIZE(struct bs_tss, 104);

static inline uint32_t mmio_read(uint32_t linear)
{
	return *(volatile uint32_t *)linear;
}

static inline void mmio_write(uint32_t linear, uint32_t value)
{
	*(volatile uint32_t *)linear = value;
}

static inline uint32_t sbox_read(uint32_t off)
{
	return mmio_read(BS_MMIO_SBOX + off);
}

static inline void sbox_write(uint32_t off, uint32_t value)
{
	mmio_write(BS_MMIO_SBOX + off, value);
}

static inline void dbox_write(uint32_t off, uint32_t value)
{
	mmio_write(BS_MMIO_DBOX + off, value);
}

static inline uint32_t lapic_read(uint32_t off)
{
	return mmio_read((uint32_t)X100_LAPIC_BASE + off);
}

static inline void lapic_write(uint32_t off, uint32_t value)
{
	mmio_write((uint32_t)X100_LAPIC_BASE + off, value);
}

static inline void cpuid(uint32_t leaf, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
	asm volatile("cpuid" : "=a"(*eax), "=b"(*ebx), "=c"(*ecx), "=d"(*edx) : "a"(leaf), "c"(0));
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" : : "c"(msr), "A"(value) : "memory");
}

/* The one table of operations of the card itself. */
extern const struct bs_ops hw_ops;

/* ETC in ticks. */
uint64_t hw_ticks(void);

/*
 * Builds the page tables and turns to them: code read-only, constants and data not executable,
 * guard pages under the stacks, page 0 and everything unlisted not mapped. Returns false when the
 * tables are too small, which is an error of maps.h.
 */
bool hw_paging(void);

/* Loads the interrupt table, a GDT with the two tasks, and the task register. */
void hw_descriptors(void);

/*
 * Memory types: memory write-back, flash write-protected, registers and host memory uncached. The
 * CPUs that hw_wake_cpus() wakes get the same.
 */
void hw_memory_types(void);

/* Enables the local APIC with everything but the doorbells masked. Returns this CPU's APIC id. */
uint32_t hw_lapic_enable(void);

/* Version of this CPU's local APIC, for the MP table. */
uint8_t hw_lapic_version(void);

/*
 * Wakes the other CPUs, counts them in and leaves them asleep until an OS sends INIT and SIPI.
 *
 * @expected: CPUs the chip should have, this one included
 * @cpus: bitmap of those that answered is filled in; boot must be set
 *
 * Returns the number of CPUs that run, this one included, two seconds after the
 * call at the latest, some milliseconds aside.
 */
unsigned int hw_wake_cpus(unsigned int expected, struct bs_cpus *cpus);

/* Maps the 4 MiB from the 2 MiB boundary below @phys on and returns where @phys is then. */
void *hw_window(uint64_t phys);

/* Drops doorbells that rang before now. */
void hw_doorbell_clear(void);

/* Sleeps until the boot interrupt comes. No deadline: a host may come next week. */
void hw_doorbell_wait(void);

/* TSS of everything but the double fault: the registers at one are saved there. */
const struct bs_tss *hw_main_tss(void);

/* entry/: both do not return. */
_Noreturn void halt(void);
_Noreturn void handover(uint32_t entry, uint32_t params);

#endif
