// SPDX-License-Identifier: BSD-3-Clause
/*
 * The bootstrap from usable memory to the entered kernel: start-up as a flat list, then push after
 * push until one is sound (x100-abi.md 1.13, 1.14).
 */
#include <string.h>

#include <x100/boot.h>
#include <x100/strap.h>
#include "image.h"
#include "memory.h"
#include "record.h"
#include "report.h"
#include "tables.h"

/* What start-up found out and a push needs. */
struct card {
	struct x100_record *record;
	struct bs_cpus cpus;
	unsigned int cores, threads; /* threads: mask per core */
	uint64_t top;                /* end of GDDR, bytes from 0 */
	struct x100_e820 map[BS_MEM_RANGES];
	unsigned int ranges;
	uint32_t ready; /* SPAD2 while waiting */
};

void bootstrap_main(uint64_t etc);

static uint32_t scratch_read(unsigned int n)
{
	return sbox_read(X100_SBOX_SCRATCH(n));
}

static void scratch_write(unsigned int n, uint32_t value)
{
	sbox_write(X100_SBOX_SCRATCH(n), value);
}

static unsigned int bits(uint32_t value)
{
	unsigned int n = 0;

	for (; value; value &= value - 1)
		n++;
	return n;
}

/* CPU identity: CPUID leaf 1 and, shifted to its layout, SPAD13 (x100-hardware.md 3.2). */
static void identify(struct card *card)
{
	uint32_t eax, ebx, ecx, edx;

	cpuid(1, &eax, &ebx, &ecx, &edx);
	card->cpus.signature = eax;
	card->cpus.features = edx;
	scratch_write(X100_SPAD_CPUID, (eax & 0xFFF) << 4 | (eax >> 12 & 3) << 16 |
					       (eax >> 16 & 0xF) << 20 | (eax >> 20 & 0xFF) << 24);
}

/* Fuses: the model's stand-ins for what silicon tells in ways nobody documented (x100/strap.h). */
static void read_straps(struct card *card)
{
	uint32_t rsc0 = sbox_read(X100_SBOX_RSC0), rsc1 = sbox_read(X100_SBOX_RSC1);
	uint32_t channels = rsc0 >> X100_STRAP_CHANNELS_SHIFT & X100_STRAP_CHANNELS_MASK;
	uint32_t divider = rsc0 >> X100_STRAP_ICC_SHIFT & X100_STRAP_ICC_MASK;
	uint32_t meminfo = rsc1 >> X100_STRAP_MEMINFO_SHIFT;

	card->cores = rsc0 >> X100_STRAP_CORES_SHIFT & X100_STRAP_CORES_MASK;
	card->threads = rsc0 >> X100_STRAP_THREADS_SHIFT & X100_STRAP_THREADS_MASK;
	/* The old card kernel divides by the divider unchecked (x100-hardware.md 3.3). */
	if (!divider)
		divider = 20;
	/* The field is narrower than the strap and ends where that of the cores begins. */
	channels = (channels ? channels - 1 : 0) &
		   ((1u << (X100_SPAD4_CORES_SHIFT - X100_SPAD4_CHANNELS_SHIFT)) - 1);
	scratch_write(X100_SPAD_CONFIG, card->threads | channels << X100_SPAD4_CHANNELS_SHIFT |
						(card->cores & 0x3F) << X100_SPAD4_CORES_SHIFT |
						divider << X100_SPAD4_ICC_SHIFT);
	scratch_write(X100_SPAD_FUSE, rsc1 & X100_STRAP_FUSE_MASK);
	scratch_write(X100_SPAD_MEMINFO, meminfo | (rsc0 & X100_STRAP_ECC ? 1u << 29 : 0));
}

static void size_memory(struct card *card)
{
	card->top = bs_memory_probe(&hw_ops);
	if (!card->top)
		stop(X100_POST_MEMTEST_FAILED, X100_REASON_MEM_SIZE, 0, BS_MEM_MIN);
	scratch_write(X100_SPAD_MEMORY, bs_memory_spad0(card->top));
	say("memory: %u MiB", (uint32_t)(card->top >> 20));
}

static void wake_cpus(struct card *card)
{
	unsigned int expected = card->cores * bits(card->threads);
	unsigned int count = hw_wake_cpus(expected, &card->cpus);
	struct bs_fault fault = { X100_REASON_APS_MISSING, { count, expected, 0, 0 } };

	say("cpus: %u of %u, boot CPU %u", count, expected, card->cpus.boot);
	/* A card with fewer cores is still a card. */
	if (count < expected)
		report_fault(&fault);
}

static void write_sfi(struct card *card)
{
	uint32_t size = (uint32_t)(X100_SFI_END - X100_SFI_BASE);

	memset((void *)X100_SFI_BASE, 0, size);
	if (!bs_sfi_build((void *)X100_SFI_BASE, size, &card->cpus, card->map, card->ranges))
		stop(X100_POST_HALTED, X100_REASON_INTERNAL, X100_SFI_BASE, size);
}

static void write_mp(struct card *card)
{
	uint32_t size = (uint32_t)X100_MPTABLE_SIZE;

	if (!bs_mp_build((void *)X100_MPTABLE_BASE, size, &card->cpus))
		stop(X100_POST_HALTED, X100_REASON_INTERNAL, X100_MPTABLE_BASE, size);
}

/* Tells the host where to push to; one store, last (x100-abi.md 1.14). */
static void signal_ready(const struct card *card)
{
	hw_doorbell_clear();
	post(X100_POST_SIGNAL, 0);
	post(X100_POST_READY, 0);
	scratch_write(X100_SPAD_DOWNLOAD, card->ready);
}

/*
 * One boot interrupt. Comes back when the push was refused; a sound one is entered. The ready bit
 * goes first, so that a host which looks sees that the card is busy.
 */
static void take_push(struct card *card)
{
	static struct bs_image image;
	struct bs_fault fault;
	uint32_t size;

	post(X100_POST_GO, 0);
	scratch_write(X100_SPAD_DOWNLOAD, card->ready & ~X100_SPAD2_READY);
	size = scratch_read(X100_SPAD_IMAGE_SIZE);
	say("push: %u bytes at 0x%x", size, (uint32_t)X100_DOWNLOAD_ADDR);

	post(X100_POST_AUTH, size);
	if (!bs_image_check(&hw_ops, bs_memory_push(card->top), (uint32_t)X100_DOWNLOAD_ADDR, size,
			    &image, &fault)) {
		post(X100_POST_AUTH_FAILED, fault.reason);
		report_fault(&fault);
		return;
	}

	post(X100_POST_LOAD, 0);
	memcpy((void *)BS_CMDLINE, image.cmdline, sizeof(image.cmdline));
	bs_params_build((uint8_t *)X100_BOOT_PARAMS, &image, BS_CMDLINE, card->map, card->ranges);
	say("kernel entered at 0x%x, ramdisk %u bytes at 0x%x", image.entry, image.ramdisk_size,
	    image.ramdisk);
	hw_doorbell_clear();
	post(X100_POST_DONE, image.entry);
	handover(image.entry, (uint32_t)X100_BOOT_PARAMS);
}

/*
 * Order: what reports errors before what can fail; memory before everything that needs it; the
 * local APIC before the other CPUs and before the ready bit, because it takes the boot interrupt.
 *
 * @etc: ticks at reset
 */
void bootstrap_main(uint64_t etc)
{
	static struct card card;
	uint32_t stages;

	/* An uncertain ready bit may have survived the reset (x100-hardware.md 7.1). */
	scratch_write(X100_SPAD_DOWNLOAD, 0);

	/* Posted by entry/reset.S; in between lies memory training. */
	note(etc, X100_POST_CODE, 0);
	note(hw_ticks(), X100_POST_MEM_DONE, 0);

	post(X100_POST_PAGES, 0);
	if (!hw_paging())
		stop(X100_POST_HALTED, X100_REASON_INTERNAL, BS_TABLES, BS_TABLES_END);
	post(X100_POST_IDT, 0);
	hw_descriptors();
	hw_memory_types();
	card.record = report_open_record(etc);

	post(X100_POST_SBOX, 0);
	report_open_serial();
	post(X100_POST_DBOX, 0);
	identify(&card);
	read_straps(&card);

	post(X100_POST_GDDR_TOP, 0);
	size_memory(&card);
	post(X100_POST_E820, 0);
	card.ranges = bs_memory_map(card.top, card.map);

	post(X100_POST_AP_PARAMS, 0);
	card.cpus.boot = hw_lapic_enable();
	card.cpus.lapic_version = hw_lapic_version();
	post(X100_POST_AP_CODE, 0);
	post(X100_POST_AP_WAKE, 0);
	post(X100_POST_AP_WAIT, 0);
	wake_cpus(&card);

	write_sfi(&card);
	post(X100_POST_MPTABLE, 0);
	write_mp(&card);
	post(X100_POST_PLATFORM, 0);

	card.ready = x100_spad2_make((uint32_t)X100_DOWNLOAD_ADDR, card.cpus.boot, true);
	signal_ready(&card);
	stages = bs_record_stages(card.record);
	for (;;) {
		hw_doorbell_wait();
		bs_record_push(card.record, stages);
		take_push(&card);
		signal_ready(&card);
	}
}
