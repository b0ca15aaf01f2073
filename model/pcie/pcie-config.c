// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration space of the card's PCIe function: see pcie-config.h.
 *
 * Offsets and contents of the capabilities are those dumped from a 5120D (x100-hardware.md 1.4).
 * Where that dump says nothing the value is the PCI Express 2.0 default.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "standard-headers/linux/pci_regs.h"
#include "x100/pci.h"
#include "pcie-config.h"

#define GIB (1ull << 30)

/*
 * Ids: x100-hardware.md 1.1 and 1.2; the subsystem of a 7120P is not on record, the 5120D's stands
 * in. BAR0: 1.3 gives 8 GiB for the 5120D and 16 GiB for a 3120A; 16 GiB of GDDR need 16 GiB.
 * Pins: 1.4.
 */
static const X100PcieProduct products[] = {
	{ "3120A", X100_PCI_DEVICE_3120A, X100_PCI_REV_C0, 0x3C98, 16 * GIB, 2 },
	{ "5110P", X100_PCI_DEVICE_5110P, X100_PCI_REV_B1, 0x2500, 8 * GIB, 1 },
	{ "7120P", X100_PCI_DEVICE_7120P, X100_PCI_REV_C0, 0xD804, 16 * GIB, 1 },
};

const X100PcieProduct *x100_pcie_product(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(products); i++) {
		if (!strcmp(products[i].name, name))
			return &products[i];
	}
	return NULL;
}

static void put8(X100PcieConfig *cfg, uint32_t at, uint8_t value, uint8_t writable)
{
	cfg->data[at] = value;
	cfg->writable[at] = writable;
}

static void put16(X100PcieConfig *cfg, uint32_t at, uint16_t value, uint16_t writable)
{
	stw_le_p(cfg->data + at, value);
	stw_le_p(cfg->writable + at, writable);
}

static void put32(X100PcieConfig *cfg, uint32_t at, uint32_t value, uint32_t writable)
{
	stl_le_p(cfg->data + at, value);
	stl_le_p(cfg->writable + at, writable);
}

static void put_bar64(X100PcieConfig *cfg, int bar, uint64_t size, uint32_t type)
{
	uint32_t at = PCI_BASE_ADDRESS_0 + 4 * bar;
	uint64_t mask = ~(size - 1);

	put32(cfg, at, type, (uint32_t)mask & ~0xFu);
	put32(cfg, at + 4, 0, mask >> 32);
}

static void put_pm(X100PcieConfig *cfg)
{
	uint32_t at = X100_PCI_CAP_PM;

	put8(cfg, at, PCI_CAP_ID_PM, 0);
	put8(cfg, at + PCI_CAP_LIST_NEXT, X100_PCI_CAP_EXP, 0);
	put16(cfg, at + PCI_PM_PMC, 3, 0); /* version 3, no D1, D2, PME */
	put16(cfg, at + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET, PCI_PM_CTRL_STATE_MASK);
}

static void put_exp(X100PcieConfig *cfg)
{
	uint32_t at = X100_PCI_CAP_EXP;

	put8(cfg, at, PCI_CAP_ID_EXP, 0);
	put8(cfg, at + PCI_CAP_LIST_NEXT, X100_PCI_CAP_MSI, 0);
	put16(cfg, at + PCI_EXP_FLAGS, 2, 0); /* version 2, endpoint, message 0 */
	put32(cfg, at + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_EXT_TAG | 1, 0);
	put16(cfg, at + PCI_EXP_DEVCTL,
	      PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ_512B,
	      0x7FFF); /* no function level reset */
	cfg->w1c[at + PCI_EXP_DEVSTA] = 0xF;
	put32(cfg, at + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_5_0GB | (16 << 4) | PCI_EXP_LNKCAP_ASPMS,
	      0);
	put16(cfg, at + PCI_EXP_LNKCTL, 0,
	      PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
	put16(cfg, at + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_5_0GB | (16 << 4), 0);
	/* Completion timeout ranges A and B, and that it can be switched off. */
	put32(cfg, at + PCI_EXP_DEVCAP2, 0x3 | PCI_EXP_DEVCAP2_COMP_TMOUT_DIS, 0);
	put16(cfg, at + PCI_EXP_DEVCTL2, 0, 0x1F);
	put16(cfg, at + PCI_EXP_LNKCTL2, PCI_EXP_LNKCTL2_TLS_5_0GT, PCI_EXP_LNKCTL2_TLS);
}

static void put_msi(X100PcieConfig *cfg)
{
	uint32_t at = X100_PCI_CAP_MSI;

	put8(cfg, at, PCI_CAP_ID_MSI, 0);
	put8(cfg, at + PCI_CAP_LIST_NEXT, X100_PCI_CAP_MSIX, 0);
	/* 16 messages (coded as 4), 64-bit addresses, no mask bits */
	put16(cfg, at + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | (4 << 1),
	      PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	put32(cfg, at + PCI_MSI_ADDRESS_LO, 0, ~3u);
	put32(cfg, at + PCI_MSI_ADDRESS_HI, 0, ~0u);
	put16(cfg, at + PCI_MSI_DATA_64, 0, 0xFFFF);
}

static void put_msix(X100PcieConfig *cfg)
{
	uint32_t at = X100_PCI_CAP_MSIX;

	put8(cfg, at, PCI_CAP_ID_MSIX, 0);
	put8(cfg, at + PCI_CAP_LIST_NEXT, 0, 0);
	put16(cfg, at + PCI_MSIX_FLAGS, X100_MSIX_VECTORS - 1,
	      PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put32(cfg, at + PCI_MSIX_TABLE, X100_MSIX_TABLE | X100_BAR_MMIO, 0);
	put32(cfg, at + PCI_MSIX_PBA, X100_MSIX_PBA | X100_BAR_MMIO, 0);
}

static void put_aer(X100PcieConfig *cfg)
{
	const uint32_t uncor = 0x001FF030; /* PCIe 2.0 7.10.2 */
	const uint32_t cor = 0x000031C1;
	uint32_t at = X100_PCI_CAP_AER;

	put32(cfg, at, PCI_EXT_CAP_ID_ERR | (1 << 16), 0); /* version 1, the last one */
	stl_le_p(cfg->w1c + at + PCI_ERR_UNCOR_STATUS, uncor);
	put32(cfg, at + PCI_ERR_UNCOR_MASK, 0, uncor);
	put32(cfg, at + PCI_ERR_UNCOR_SEVER, 0x00062030, uncor);
	stl_le_p(cfg->w1c + at + PCI_ERR_COR_STATUS, cor);
	put32(cfg, at + PCI_ERR_COR_MASK, PCI_ERR_COR_ADV_NFAT, cor);
}

void x100_pcie_config_init(X100PcieConfig *cfg, const X100PcieProduct *product)
{
	memset(cfg, 0, sizeof(*cfg));
	put16(cfg, PCI_VENDOR_ID, X100_PCI_VENDOR, 0);
	put16(cfg, PCI_DEVICE_ID, product->device, 0);
	put16(cfg, PCI_COMMAND, PCI_COMMAND_MEMORY,
	      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
		      PCI_COMMAND_INTX_DISABLE);
	put16(cfg, PCI_STATUS, PCI_STATUS_CAP_LIST, 0);
	stw_le_p(cfg->w1c + PCI_STATUS,
		 PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT |
			 PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR |
			 PCI_STATUS_DETECTED_PARITY);
	put32(cfg, PCI_CLASS_REVISION, X100_PCI_CLASS << 8 | product->revision, 0);
	put8(cfg, PCI_CACHE_LINE_SIZE, 0, 0xFF);
	put_bar64(cfg, X100_BAR_APERTURE, product->bar0_size,
		  PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	put_bar64(cfg, X100_BAR_MMIO, 128 * 1024, PCI_BASE_ADDRESS_MEM_TYPE_64);
	put16(cfg, PCI_SUBSYSTEM_VENDOR_ID, X100_PCI_VENDOR, 0);
	put16(cfg, PCI_SUBSYSTEM_ID, product->subsystem, 0);
	put8(cfg, PCI_CAPABILITY_LIST, X100_PCI_CAP_PM, 0);
	put8(cfg, PCI_INTERRUPT_LINE, 0, 0xFF);
	put8(cfg, PCI_INTERRUPT_PIN, product->intx_pin, 0);
	put_pm(cfg);
	put_exp(cfg);
	put_msi(cfg);
	put_msix(cfg);
	put_aer(cfg);
}

void x100_pcie_config_read(const X100PcieConfig *cfg, uint32_t offset, void *buf, size_t len)
{
	memcpy(buf, cfg->data + offset, len);
}

void x100_pcie_config_write(X100PcieConfig *cfg, uint32_t offset, const void *buf, size_t len)
{
	const uint8_t *from = buf;

	for (size_t i = 0; i < len; i++) {
		uint32_t at = offset + i;

		if (at == X100_PCI_CAP_PM + PCI_PM_CTRL && (from[i] & 3) != 0 && (from[i] & 3) != 3)
			continue; /* D1 and D2 do not exist: such a write is ignored */
		cfg->data[at] = (cfg->data[at] & ~cfg->writable[at]) |
				(from[i] & cfg->writable[at]);
		cfg->data[at] &= ~(from[i] & cfg->w1c[at]);
	}
}

static uint16_t command(const X100PcieConfig *cfg)
{
	return lduw_le_p(cfg->data + PCI_COMMAND);
}

static bool in_d0(const X100PcieConfig *cfg)
{
	return !(cfg->data[X100_PCI_CAP_PM + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK);
}

bool x100_pcie_config_memory(const X100PcieConfig *cfg)
{
	return in_d0(cfg) && command(cfg) & PCI_COMMAND_MEMORY;
}

bool x100_pcie_config_master(const X100PcieConfig *cfg)
{
	return in_d0(cfg) && command(cfg) & PCI_COMMAND_MASTER;
}

bool x100_pcie_config_intx_disabled(const X100PcieConfig *cfg)
{
	return command(cfg) & PCI_COMMAND_INTX_DISABLE;
}

static void set_bits16(X100PcieConfig *cfg, uint32_t at, uint16_t mask, uint16_t value)
{
	stw_le_p(cfg->data + at, (lduw_le_p(cfg->data + at) & ~mask) | value);
}

void x100_pcie_config_set_intx_status(X100PcieConfig *cfg, bool level)
{
	set_bits16(cfg, PCI_STATUS, PCI_STATUS_INTERRUPT, level ? PCI_STATUS_INTERRUPT : 0);
}

void x100_pcie_config_master_abort(X100PcieConfig *cfg)
{
	set_bits16(cfg, PCI_STATUS, 0, PCI_STATUS_REC_MASTER_ABORT);
}

bool x100_pcie_config_msi(const X100PcieConfig *cfg)
{
	return cfg->data[X100_PCI_CAP_MSI + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_ENABLE;
}

unsigned int x100_pcie_config_msi_count(const X100PcieConfig *cfg)
{
	unsigned int log = (cfg->data[X100_PCI_CAP_MSI + PCI_MSI_FLAGS] & PCI_MSI_FLAGS_QSIZE) >> 4;

	return MIN(1u << log, 16);
}

bool x100_pcie_config_msix(const X100PcieConfig *cfg)
{
	return lduw_le_p(cfg->data + X100_PCI_CAP_MSIX + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE;
}

bool x100_pcie_config_msix_masked(const X100PcieConfig *cfg)
{
	return lduw_le_p(cfg->data + X100_PCI_CAP_MSIX + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_MASKALL;
}

void x100_pcie_config_set_msi(X100PcieConfig *cfg, bool on, unsigned int count)
{
	unsigned int log = 0;

	while (on && 1u << log < count)
		log++;
	set_bits16(cfg, X100_PCI_CAP_MSI + PCI_MSI_FLAGS,
		   PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE,
		   on ? PCI_MSI_FLAGS_ENABLE | log << 4 : 0);
}

void x100_pcie_config_set_msix(X100PcieConfig *cfg, bool on)
{
	set_bits16(cfg, X100_PCI_CAP_MSIX + PCI_MSIX_FLAGS,
		   PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, on ? PCI_MSIX_FLAGS_ENABLE : 0);
}
