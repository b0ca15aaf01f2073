// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets: what each clears, and when the host and the CPUs notice (x100-hardware.md 7.1, 7.2;
 * silicon-notes.md "Bootstrap and reset").
 *
 * RGCR: registers are reset at once and POST reads "0c"; after reset-delay-ms the card leaves the
 * bus for offbus-ms; then the CPUs start. Memory keeps its contents throughout.
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "exec/exec-all.h"
#include "hw/core/cpu.h"
#include "sysemu/runstate.h"
#include "sysemu/tcg.h"
#include "chip-internal.h"

/*
 * On silicon the CPUs run before the card leaves the bus and are in training when it comes back.
 * Here training may take no time, so they wait: a card that is ready must not vanish again.
 */
static void start_cpus(X100Chip *chip)
{
	chip->phase = X100_RUNNING;
	first_cpu->halted = 0;
	qemu_cpu_kick(first_cpu);
}

static void phase_end(void *opaque)
{
	X100Chip *chip = opaque;

	if (chip->phase == X100_HELD) {
		chip->phase = X100_OFF_BUS;
		x100_pcie_set_present(chip->pcie, false);
		timer_mod(chip->phase_timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
						     chip->offbus_ms * (int64_t)SCALE_MS);
	} else if (chip->phase == X100_OFF_BUS) {
		x100_pcie_set_present(chip->pcie, true);
		start_cpus(chip);
	}
}

void x100_reset_registers(X100Chip *chip, enum x100_reset kind)
{
	x100_regs_reset(chip, kind);
	x100_etc_reset(chip);
	x100_ioapic_reset(chip);
	x100_sysint_reset(chip);
	x100_i2c_reset(chip);
	x100_uart_reset(chip);
	x100_gbox_reset(chip);
	if (kind != X100_RESET_COLD)
		x100_pcie_card_reset(chip->pcie);
}

static void request(X100Chip *chip, enum x100_reset kind)
{
	timer_del(chip->phase_timer);
	if (chip->phase == X100_OFF_BUS)
		x100_pcie_set_present(chip->pcie, true);
	chip->reset_kind = kind;
	chip->reset_time = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
	chip->phase = X100_STOPPING;
	x100_reset_registers(chip, kind);
	qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
}

void x100_reset_rgcr(X100Chip *chip)
{
	/* The host may set the bit again while the card is on its way down. */
	if (chip->phase != X100_RUNNING && chip->phase != X100_DEAD)
		return;
	chip->counters.resets_rgcr++;
	request(chip, X100_RESET_RGCR);
}

void x100_chip_platform_reset(X100Chip *chip)
{
	chip->counters.resets_platform++;
	request(chip, X100_RESET_PLATFORM);
}

/*
 * QEMU has reset the CPUs and local APICs. Translated code must go: memory kept its contents, but
 * the host writes the next image through a mapping that QEMU does not see.
 */
void x100_chip_machine_reset(X100Chip *chip, bool guest, bool cold)
{
	if (tcg_enabled())
		tb_flush(first_cpu);
	if (chip->phase != X100_STOPPING) {
		timer_del(chip->phase_timer);
		if (chip->phase == X100_OFF_BUS)
			x100_pcie_set_present(chip->pcie, true);
		if (guest) {
			x100_guest_error(chip, 0,
					 "a CPU shut down after a triple fault; "
					 "the card is dead until it is reset");
			chip->phase = X100_DEAD;
			first_cpu->halted = 1;
			return;
		}
		/* "system_reset" of the monitor counts as the platform's. */
		chip->reset_kind = cold ? X100_RESET_COLD : X100_RESET_PLATFORM;
		x100_reset_registers(chip, chip->reset_kind);
	}
	/* A CPU may have started training after the registers were reset and before it stopped. */
	x100_gbox_reset(chip);
	x100_memory_set_trained(chip, false);
	if (chip->reset_kind != X100_RESET_RGCR) {
		start_cpus(chip);
		return;
	}
	first_cpu->halted = 1;
	chip->phase = X100_HELD;
	timer_mod(chip->phase_timer, chip->reset_time + chip->reset_delay_ms * (int64_t)SCALE_MS);
}

void x100_reset_init(X100Chip *chip)
{
	chip->phase_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, phase_end, chip);
	chip->phase = X100_RUNNING;
}
