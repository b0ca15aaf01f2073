/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Configuration space of the card's PCIe function (x100-hardware.md section 1).
 */
#ifndef X100_PCIE_CONFIG_H
#define X100_PCIE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X100_PCIE_CONFIG_SIZE 4096

typedef struct X100PcieProduct {
	const char *name;
	uint16_t device;
	uint8_t revision;
	uint16_t subsystem; /* of vendor 8086 */
	uint64_t bar0_size; /* bytes, independent of the GDDR fitted */
	uint8_t intx_pin;   /* 1 = A */
} X100PcieProduct;

typedef struct X100PcieConfig {
	uint8_t data[X100_PCIE_CONFIG_SIZE];
	uint8_t writable[X100_PCIE_CONFIG_SIZE]; /* mask of read-write bits */
	uint8_t w1c[X100_PCIE_CONFIG_SIZE];      /* mask of bits that a written 1 clears */
} X100PcieConfig;

/* Returns the product called @name, or NULL. */
const X100PcieProduct *x100_pcie_product(const char *name);

/* Power-on contents for @product, with memory decoding on as vfio-pci hands a device over. */
void x100_pcie_config_init(X100PcieConfig *cfg, const X100PcieProduct *product);

/* @offset + @len must not exceed X100_PCIE_CONFIG_SIZE. */
void x100_pcie_config_read(const X100PcieConfig *cfg, uint32_t offset, void *buf, size_t len);
void x100_pcie_config_write(X100PcieConfig *cfg, uint32_t offset, const void *buf, size_t len);

/* Memory decoding: enabled in the command register and in power state D0. */
bool x100_pcie_config_memory(const X100PcieConfig *cfg);
/* Bus mastering likewise: without it the card can neither do DMA nor send messages. */
bool x100_pcie_config_master(const X100PcieConfig *cfg);
bool x100_pcie_config_intx_disabled(const X100PcieConfig *cfg);
void x100_pcie_config_set_intx_status(X100PcieConfig *cfg, bool level);
/* Sets "received master abort": an access of the card that nobody took. */
void x100_pcie_config_master_abort(X100PcieConfig *cfg);

bool x100_pcie_config_msi(const X100PcieConfig *cfg);
/* Messages the host granted, 1-16. */
unsigned int x100_pcie_config_msi_count(const X100PcieConfig *cfg);
bool x100_pcie_config_msix(const X100PcieConfig *cfg);
bool x100_pcie_config_msix_masked(const X100PcieConfig *cfg); /* function mask */
void x100_pcie_config_set_msi(X100PcieConfig *cfg, bool on, unsigned int count);
void x100_pcie_config_set_msix(X100PcieConfig *cfg, bool on);

#endif
