// SPDX-License-Identifier: GPL-2.0-only
/*
 * The register map: one row for each register or array of registers that is documented at all, and
 * the dispatcher both sides use (x100-hardware.md section 3).
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "chip-internal.h"

#define DBOX(offset) (X100_MMIO_DBOX + (offset))
#define SBOX(offset) (X100_MMIO_SBOX + (offset))

/* What happens to a row's storage at RGCR and platform resets; at power-on all take .reset. */
enum keep {
	RESETS,
	KEEPS, /* SCRATCH: measured to stay; what a reset does to the others is unknown */
};

/*
 * @n is the index in the row. Without @read and @write the row is storage: @writable bits are
 * written, the others are read-only; @w1c bits are cleared by writing 1.
 */
typedef struct Row {
	uint32_t first;         /* BAR4 offset */
	uint16_t count, stride; /* registers, bytes from one to the next */
	const char *name;
	uint32_t reset, writable, w1c;
	enum keep keep;
	uint32_t (*read)(X100Chip *chip, unsigned int n);
	void (*write)(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side);
} Row;

#define ALL        0xFFFFFFFFu
#define MAX_LOGGED 4096

uint32_t *x100_reg(X100Chip *chip, uint32_t offset)
{
	return &chip->regs[SBOX(offset) / 4];
}

void x100_guest_error(X100Chip *chip, uint64_t key, const char *fmt, ...)
{
	g_autofree char *text = NULL;
	va_list ap;

	chip->counters.guest_errors++;
	if (key) {
		/* A table with an end: addresses come from software that may be hostile. */
		if (g_hash_table_size(chip->logged) >= MAX_LOGGED ||
		    !g_hash_table_add(chip->logged, g_memdup2(&key, sizeof(key))))
			return;
	}
	va_start(ap, fmt);
	text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	qemu_log_mask(LOG_GUEST_ERROR, "x100: %s\n", text);
}

static uint32_t etc_lo_read(X100Chip *chip, unsigned int n)
{
	return (uint32_t)x100_etc_raw(chip);
}

static uint32_t etc_hi_read(X100Chip *chip, unsigned int n)
{
	return (uint32_t)(x100_etc_raw(chip) >> 32);
}

/* Log bits 1, 3, 5, 7 are write 1 to clear, status bits read-only; bit 31 freezes the ETC. */
static void thermal_int_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	*x100_reg(chip, X100_SBOX_THERMAL_INT_STATUS) &= ~(value & 0xAA);
	x100_etc_freeze(chip, value & X100_ETC_FREEZE);
}

static void smpt_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	*x100_reg(chip, X100_SBOX_SMPT(n)) = value & ~2u;
	chip->smpt_valid |= 1u << n;
	x100_window_update(chip);
}

static void rgcr_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	if (value & X100_RGCR_RESET) {
		x100_reset_rgcr(chip);
		return;
	}
	if (value)
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 1),
				 "RGCR: bits 0x%08x are unknown", value);
	*x100_reg(chip, X100_SBOX_RGCR) = value;
}

/* The ratio is reached at once; drivers allow 500 us (x100-hardware.md 9.4). */
static void corefreq_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	*x100_reg(chip, X100_SBOX_COREFREQ) = value;
	*x100_reg(chip, X100_SBOX_CURRENTRATIO) = (value & 0xFFF) | (value & 0xFFF) << 16;
}

/* Bit 31 starts a command, bit 30 reads idle, the ALERT log of 0x107C is set after it (9.4). */
static void svid_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	*x100_reg(chip, X100_SBOX_SVIDCONTROL) = (value & 0x1FFFF) | 1u << 30;
	if (value & (1u << 31))
		*x100_reg(chip, X100_SBOX_THERMAL_INT_STATUS) |= 1u << 3;
}

static uint32_t config_read(X100Chip *chip, unsigned int n)
{
	return x100_pcie_config_shadow(chip->pcie, 4 * n);
}

static uint32_t msix_table_read(X100Chip *chip, unsigned int n)
{
	return x100_pcie_msix_ram_read(chip->pcie, X100_MSIX_TABLE + 4 * n);
}

static void msix_table_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	x100_pcie_msix_ram_write(chip->pcie, X100_MSIX_TABLE + 4 * n, value);
}

static uint32_t msix_pba_read(X100Chip *chip, unsigned int n)
{
	return x100_pcie_msix_ram_read(chip->pcie, X100_MSIX_PBA + 4 * n);
}

static void msix_pba_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	x100_pcie_msix_ram_write(chip->pcie, X100_MSIX_PBA + 4 * n, value);
}

static uint32_t sysint_read(X100Chip *chip, unsigned int n)
{
	return x100_sysint_read(chip, X100_SBOX_SICR0 + 4 * n);
}

static void sysint_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	x100_sysint_write(chip, X100_SBOX_SICR0 + 4 * n, value);
}

static void msixpbacr_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	x100_sysint_write(chip, X100_SBOX_MSIXPBACR, value);
}

static void sdbic_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	x100_sdbic_write(chip, n, value);
}

static uint32_t rte_read(X100Chip *chip, unsigned int n)
{
	return x100_rte_read(chip, n);
}

static void rte_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	x100_rte_write(chip, n, value);
}

static void icr_low_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	x100_icr_write(chip, n, value, side);
}

/* Any value rings (x100-hardware.md 4.2 B). */
static void rdmasr_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	chip->counters.doorbells_to_card++;
	if (side == X100_HOST)
		chip->counters.rdmasr_writes++;
	x100_chip_pulse_pin(chip, X100_PIN_RDMASR(n));
}

/*
 * Registers work, the engine does not exist yet: a new head of an enabled channel, which would
 * start it, is an error of this model and never silently ignored.
 */
static void dma_head_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	*x100_reg(chip, X100_SBOX_DMA(n) + 0x04) = value;
	if (*x100_reg(chip, X100_SBOX_DCR) & (2u << 2 * n))
		x100_guest_error(chip, 0, "DMA channel %u started: engine not modelled yet", n);
}

static uint32_t i2c_read(X100Chip *chip, unsigned int n)
{
	return x100_i2c_read(chip, n);
}

static void i2c_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	x100_i2c_write(chip, n, value);
}

/* Bit 15, "in use", is a mutex taken by reading it as 0 and given back by writing 1 (3.10). */
static uint32_t gmbus2_read(X100Chip *chip, unsigned int n)
{
	uint32_t value = chip->regs[DBOX(X100_DBOX_GMBUS(2)) / 4];

	chip->regs[DBOX(X100_DBOX_GMBUS(2)) / 4] |= 1u << 15;
	return value;
}

static void gmbus2_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	chip->regs[DBOX(X100_DBOX_GMBUS(2)) / 4] &= ~(value & (1u << 15));
}

/* Nobody sits on this bus in the model: every transfer is answered "no acknowledge" (bit 10). */
static void gmbus1_write(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
	chip->regs[DBOX(X100_DBOX_GMBUS(1)) / 4] = value;
	if (value & (1u << 30)) {
		chip->regs[DBOX(X100_DBOX_GMBUS(2)) / 4] |= 1u << 10;
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 2),
				 "GMBUS transfer: the SMC is not modelled, no acknowledge");
	}
	if (value & (1u << 31))
		chip->regs[DBOX(X100_DBOX_GMBUS(2)) / 4] &= ~(1u << 10);
}

static void nothing(X100Chip *chip, unsigned int n, uint32_t value, enum x100_side side)
{
}

/* Three 10-bit temperatures, degrees C (3.5). */
#define TEMPS(a, b, c) ((a) | (b) << 10 | (c) << 20)

/* Values without a source in the references are reset: 0 there means "unknown". */
static const Row rows[] = {
	/* DBOX (3.11) */
	{ DBOX(X100_DBOX_MC2_CTL), 3, 8, "MC2", .writable = ALL },
	{ DBOX(X100_DBOX_ADAK_CTRL), 1, 4, "ADAK_CTRL" },
	{ DBOX(X100_DBOX_SWF0X0), 7, 4, "SWF0X0-6", .writable = ALL },
	{ DBOX(X100_DBOX_POST), 1, 4, "POST", X100_POST_CODE, .writable = ALL },
	{ DBOX(X100_DBOX_SWF0X8), 1, 4, "SWF0X8", .writable = ALL },
	{ DBOX(X100_DBOX_SWFLAG), 1, 4, "software flag", .writable = ALL },
	{ DBOX(X100_DBOX_SERIAL(0)), 4, 4, "serial number", .writable = ALL },
	{ DBOX(X100_DBOX_GMBUS(0)), 1, 4, "GMBUS0", .writable = ALL },
	{ DBOX(X100_DBOX_GMBUS(1)), 1, 4, "GMBUS1", .write = gmbus1_write },
	{ DBOX(X100_DBOX_GMBUS(2)), 1, 4, "GMBUS2", .read = gmbus2_read, .write = gmbus2_write },
	{ DBOX(X100_DBOX_GMBUS(3)), 2, 4, "GMBUS3-4", .writable = ALL },
	{ DBOX(X100_DBOX_GMBUS5), 1, 4, "GMBUS5", .writable = ALL },
	{ DBOX(X100_DBOX_DPLLA_CTRL), 1, 4, "DPLLA_CTRL", .writable = ALL },

	/* SBOX: I2C (3.10) */
	{ SBOX(X100_SBOX_I2C_ICR), 5, 4, "I2C", .read = i2c_read, .write = i2c_write },

	/* thermal, fan, board telemetry (3.5); temperatures as a 3120A showed them (Appendix B) */
	{ SBOX(X100_SBOX_THERMAL_STATUS), 1, 4, "THERMAL_STATUS", .w1c = 0xAAA },
	{ SBOX(X100_SBOX_THERMAL_INT_ENABLE), 1, 4, "THERMAL_INTERRUPT_ENABLE", .writable = ALL },
	{ SBOX(0x1020), 3, 4, "fan status" },
	{ SBOX(0x102C), 1, 4, "SPEED_OVERRIDE_FAN", .writable = 0x80FF },
	{ SBOX(0x1030), 3, 4, "board temperature and voltage" },
	{ SBOX(X100_SBOX_DIE_TEMP(0)), 1, 4, "CURRENT_DIE_TEMP0", TEMPS(47, 49, 51) },
	{ SBOX(X100_SBOX_DIE_TEMP(1)), 1, 4, "CURRENT_DIE_TEMP1", TEMPS(53, 50, 48) },
	{ SBOX(X100_SBOX_DIE_TEMP(2)), 1, 4, "CURRENT_DIE_TEMP2", TEMPS(52, 0, 0) },
	{ SBOX(0x1048), 1, 4, "MAX_DIE_TEMP0", TEMPS(63, 64, 65) },
	{ SBOX(0x104C), 1, 4, "MAX_DIE_TEMP1", TEMPS(66, 64, 63) },
	{ SBOX(0x1050), 1, 4, "MAX_DIE_TEMP2", TEMPS(65, 0, 0) },
	{ SBOX(0x1054), 3, 4, "MIN_DIE_TEMP" },
	{ SBOX(0x1068), 1, 4, "GPU_HOT_CONFIG", .writable = 3 },
	{ SBOX(0x1070), 1, 4, "PMU_PERIOD_SEL", .writable = ALL },
	{ SBOX(X100_SBOX_ETC_LO), 1, 4, "ETC low", .read = etc_lo_read },
	{ SBOX(X100_SBOX_ETC_HI), 1, 4, "ETC high", .read = etc_hi_read },
	{ SBOX(X100_SBOX_THERMAL_INT_STATUS), 1, 4, "THERMAL_STATUS_INTERRUPT",
	  .write = thermal_int_write },
	{ SBOX(0x1080), 1, 4, "THERMAL_STATUS_2" },
	{ SBOX(0x1090), 12, 4, "external sensor settings", .writable = ALL },
	{ SBOX(0x10C0), 3, 4, "external sensor and fan status" },
	{ SBOX(0x10CC), 3, 4, "internal fan control", .writable = ALL },

	/* machine check, SMPT (3.9, 2.4) */
	{ SBOX(0x2004), 1, 4, "FAIL_SAFE_OFFSET", .writable = ALL },
	{ SBOX(0x3004), 1, 4, "CURRENT_CLK_RATIO of the generation before" },
	{ SBOX(0x3090), 8, 4, "MCX", .writable = ALL },
	{ SBOX(X100_SBOX_SMPT(0)), X100_SMPT_ENTRIES, 4, "SMPT", .write = smpt_write },

	/* reset, clocks, power (3.3) */
	{ SBOX(X100_SBOX_RGCR), 1, 4, "RGCR", .write = rgcr_write },
	{ SBOX(X100_SBOX_CURRENTRATIO), 1, 4, "CURRENTRATIO" },
	{ SBOX(X100_SBOX_COREFREQ), 1, 4, "COREFREQ", .write = corefreq_write },
	{ SBOX(X100_SBOX_COREVOLT), 1, 4, "COREVOLT", 0xAB, .writable = 0xFF },
	{ SBOX(X100_SBOX_MEMORYFREQ), 1, 4, "MEMORYFREQ" },
	{ SBOX(X100_SBOX_MEMVOLT), 1, 4, "MEMVOLT", 0xFB },
	{ SBOX(X100_SBOX_SVIDCONTROL), 1, 4, "SVIDCONTROL", 1u << 30, .write = svid_write },
	{ SBOX(X100_SBOX_PCUCONTROL), 1, 4, "PCUCONTROL", 0x10006, .writable = 0x2FB09 },
	{ SBOX(0x4118), 2, 4, "HOST_PMSTATE, UOS_PMSTATE", .writable = ALL },
	{ SBOX(0x4120), 1, 4, "C3WAKEUP_TIMER", .writable = 0xFFFF },
	{ SBOX(0x4128), 2, 4, "C3_TIMERS, UOS_PCUCONTROL", .writable = ALL },
	{ SBOX(X100_SBOX_COMPONENT_ID), 1, 4, "COMPONENT_ID" },
	{ SBOX(0x413C), 1, 4, "GBOX_PM_CTRL", .writable = ALL },

	/* PCI: configuration shadow (1.6), MSI-X table and pending bits */
	{ SBOX(X100_SBOX_PCI_CONFIG), 64, 4, "PCI config shadow", .read = config_read },
	{ SBOX(0x5CD4), 1, 4, "BAR enable" },
	{ X100_MSIX_TABLE, 64, 4, "MSI-X table", .read = msix_table_read,
	  .write = msix_table_write },
	{ X100_MSIX_PBA, 2, 4, "MSI-X PBA", .read = msix_pba_read, .write = msix_pba_write },

	/* interrupts to the host (3.6) */
	{ SBOX(X100_SBOX_SICR0), 4, 4, "SICR0, SICS0, SICE0, SICC0", .read = sysint_read,
	  .write = sysint_write },
	{ SBOX(X100_SBOX_SIAC0), 1, 4, "SIAC0", .writable = ALL },
	{ SBOX(0x901C), 1, 4, "SICR1" },
	{ SBOX(0x9028), 1, 4, "SICC1" },
	{ SBOX(X100_SBOX_MXAR(0)), 16, 4, "MXAR", .writable = ALL },
	{ SBOX(X100_SBOX_MSIXPBACR), 1, 4, "MSIXPBACR", .write = msixpbacr_write },
	{ SBOX(X100_SBOX_SDBIC(0)), X100_HOST_DOORBELLS, 4, "SDBIC", .write = sdbic_write },

	/* DMA engine (5.2, 5.3); DSTAT and DCHERR 0: idle, no error */
	{ SBOX(X100_SBOX_DMA(0)), 8, 0x40, "DCAR", .writable = ALL },
	{ SBOX(X100_SBOX_DMA(0) + 0x04), 8, 0x40, "DHPR", .write = dma_head_write },
	{ SBOX(X100_SBOX_DMA(0) + 0x08), 8, 0x40, "DTPR", .writable = ALL },
	{ SBOX(X100_SBOX_DMA(0) + 0x0C), 8, 0x40, "DAUX low", .writable = ALL },
	{ SBOX(X100_SBOX_DMA(0) + 0x10), 8, 0x40, "DAUX high", .writable = ALL },
	{ SBOX(X100_SBOX_DMA(0) + 0x14), 8, 0x40, "DRAR low", .writable = ~0x3Fu },
	{ SBOX(X100_SBOX_DMA(0) + 0x18), 8, 0x40, "DRAR high", .writable = 0x07FFFFFF },
	{ SBOX(X100_SBOX_DMA(0) + 0x1C), 8, 0x40, "DITR", .writable = ALL },
	{ SBOX(X100_SBOX_DMA(0) + 0x20), 8, 0x40, "DSTAT" },
	{ SBOX(X100_SBOX_DMA(0) + 0x24), 8, 0x40, "DSTATWB low", .writable = ALL },
	{ SBOX(X100_SBOX_DMA(0) + 0x28), 8, 0x40, "DSTATWB high", .writable = ALL },
	{ SBOX(X100_SBOX_DMA(0) + 0x2C), 8, 0x40, "DCHERR" },
	{ SBOX(X100_SBOX_DMA(0) + 0x30), 8, 0x40, "DCHERRMSK", .writable = ALL },
	{ SBOX(X100_SBOX_DCR), 1, 4, "DCR", .writable = ALL },

	/*
	 * I/O APIC (3.8). Version and entry count are unknown; software must not rely on them, so
	 * the count given is wrong. Writes to 0xA800 and 0xA810 are strays of the old card kernel.
	 */
	{ SBOX(X100_SBOX_APICIDR), 1, 4, "APICIDR", .write = nothing },
	{ SBOX(X100_SBOX_APICVER), 1, 4, "APICVER", 0x00000011, .write = nothing },
	{ SBOX(0xA808), 1, 4, "APICAPR", .writable = ALL },
	{ SBOX(0xA810), 1, 4, "stray I/O APIC window", .write = nothing },
	{ SBOX(X100_SBOX_APICRT_LO(0)), 2 * X100_PINS, 4, "APICRT", .read = rte_read,
	  .write = rte_write },
	{ SBOX(X100_SBOX_APICICR_LO(0)), X100_ICRS, 8, "APICICR low", .write = icr_low_write },
	{ SBOX(X100_SBOX_APICICR_HI(0)), X100_ICRS, 8, "APICICR high", .writable = ALL },
	{ SBOX(0xAB00), 1, 4, "MCA_INT_STAT" },
	{ SBOX(0xAB04), 1, 4, "MCA_INT_EN", .writable = ALL },

	/* scratch, doorbells to the card, fuses (3.2, 3.7, 3.9) */
	{ SBOX(X100_SBOX_SCRATCH(0)), 16, 4, "SCRATCH", .writable = ALL, .keep = KEEPS },
	{ SBOX(X100_SBOX_RDMASR(0)), 8, 4, "RDMASR", .write = rdmasr_write },
	{ SBOX(0xB1A0), 2, 4, "SBQ_FLUSH, TLB_FLUSH", .write = nothing },
	{ SBOX(X100_SBOX_C6_SCRATCH(0)), 22, 4, "C6_SCRATCH", .writable = ALL },
	{ SBOX(0xC118), 1, 4, "GTT_PHY_BASE" },
	{ SBOX(X100_SBOX_EMON_CNT(0)), 4, 4, "EMON_CNT" },
	{ SBOX(X100_SBOX_RSC0), 2, 4, "RSC0-1 (stand-in: straps)" },
};

/* For each word of BAR4 the row + 1, and the index within the row. */
static struct {
	uint8_t row, n;
} lookup[X100_MMIO_WORDS];

void x100_regs_init(void)
{
	QEMU_BUILD_BUG_ON(ARRAY_SIZE(rows) > 254);
	for (unsigned int r = 0; r < ARRAY_SIZE(rows); r++) {
		for (unsigned int n = 0; n < rows[r].count; n++) {
			uint32_t word = (rows[r].first + n * rows[r].stride) / 4;

			assert(word < X100_MMIO_WORDS && !lookup[word].row);
			lookup[word].row = r + 1;
			lookup[word].n = n;
		}
	}
}

/* What depends on product, size and properties. */
static void reset_variable(X100Chip *chip)
{
	const X100Product *p = chip->product;
	char serial[12] = { 0 };

	*x100_reg(chip, X100_SBOX_COREFREQ) = 0x80010000 | p->ratio;
	*x100_reg(chip, X100_SBOX_CURRENTRATIO) = p->ratio | p->ratio << 16;
	*x100_reg(chip, X100_SBOX_MEMORYFREQ) = p->mem_ratio;
	*x100_reg(chip, X100_SBOX_COMPONENT_ID) = p->stepping << 12;
	/* P0 and P1: the nominal ratio at the voltage of COREVOLT; Pn: 200 MHz x 12 / 4 (3.9). */
	*x100_reg(chip, X100_SBOX_EMON_CNT(0)) = p->ratio | 0xABu << 16;
	*x100_reg(chip, X100_SBOX_EMON_CNT(1)) = p->ratio | 0xABu << 16;
	*x100_reg(chip, X100_SBOX_EMON_CNT(2)) = 0x018 | 0x8Du << 16;
	*x100_reg(chip, X100_SBOX_RSC0) = chip->cores << X100_STRAP_CORES_SHIFT |
					  ((1u << chip->threads) - 1) << X100_STRAP_THREADS_SHIFT |
					  p->channels << X100_STRAP_CHANNELS_SHIFT |
					  X100_STRAP_ECC | p->icc << X100_STRAP_ICC_SHIFT;
	*x100_reg(chip, X100_SBOX_RSC1) = p->fuse | p->meminfo << X100_STRAP_MEMINFO_SHIFT;

	memcpy(serial, chip->serial_number, MIN(strlen(chip->serial_number), sizeof(serial)));
	for (unsigned int n = 0; n < 3; n++)
		chip->regs[DBOX(X100_DBOX_SERIAL(n)) / 4] = ldl_le_p(serial + 4 * n);
}

void x100_regs_reset(X100Chip *chip, enum x100_reset kind)
{
	for (unsigned int word = 0; word < X100_MMIO_WORDS; word++) {
		const Row *row = lookup[word].row ? &rows[lookup[word].row - 1] : NULL;

		if (row && (kind == X100_RESET_COLD || row->keep == RESETS))
			chip->regs[word] = row->reset;
	}
	if (kind == X100_RESET_RGCR)
		*x100_reg(chip, X100_SBOX_SCRATCH(2)) = 0;
	chip->smpt_valid = 0;
	x100_window_update(chip);
	reset_variable(chip);
}

static const Row *find(X100Chip *chip, uint32_t offset, bool is_write, uint32_t value)
{
	uint8_t row = lookup[offset / 4].row;
	uint32_t in_box = offset & (X100_BOX_SIZE - 1);
	const char *box = offset < X100_MMIO_SBOX ? "DBOX" : "SBOX";

	if (row)
		return &rows[row - 1];
	if (is_write)
		x100_guest_error(chip, X100_ONCE(X100_ONCE_REG, offset | 1),
				 "write of 0x%08x to %s+0x%04x, a register nobody documents", value,
				 box, in_box);
	else
		x100_guest_error(chip, X100_ONCE(X100_ONCE_REG, offset),
				 "read of %s+0x%04x, a register nobody documents", box, in_box);
	return NULL;
}

uint32_t x100_chip_mmio_read32(X100Chip *chip, enum x100_side side, uint32_t offset)
{
	const Row *row;

	assert(offset < X100_MMIO_SIZE && !(offset & 3));
	if (side == X100_HOST)
		chip->counters.host_reads++;
	else
		chip->counters.card_reads++;
	row = find(chip, offset, false, 0);
	if (!row)
		return 0;
	return row->read ? row->read(chip, lookup[offset / 4].n) : chip->regs[offset / 4];
}

void x100_chip_mmio_write32(X100Chip *chip, enum x100_side side, uint32_t offset, uint32_t value)
{
	const Row *row;

	assert(offset < X100_MMIO_SIZE && !(offset & 3));
	if (side == X100_HOST)
		chip->counters.host_writes++;
	else
		chip->counters.card_writes++;
	row = find(chip, offset, true, value);
	if (!row)
		return;
	if (row->write) {
		row->write(chip, lookup[offset / 4].n, value, side);
		return;
	}
	if (!row->writable && !row->w1c)
		x100_guest_error(chip, X100_ONCE(X100_ONCE_REG, offset | 1),
				 "write of 0x%08x to read-only %s", value, row->name);
	chip->regs[offset / 4] = (chip->regs[offset / 4] & ~row->writable & ~(value & row->w1c)) |
				 (value & row->writable);
}
