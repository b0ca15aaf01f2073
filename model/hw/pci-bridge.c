// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host bridge of `-M x100,pci=on` (pci-bridge.h): QEMU's generic one, wired to the card's interrupts.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/units.h"
#include "exec/address-spaces.h"
#include "hw/irq.h"
#include "hw/pci-host/gpex.h"
#include "hw/pci/pci.h"
#include "hw/sysbus.h"
#include "chip-internal.h"
#include "pci-bridge.h"

#define MSI_SIZE    (1 * MiB)
#define MSI_LOGICAL (1u << 2) /* of the address */

typedef struct Bridge {
	X100Chip *chip;
	MemoryRegion mmio32, mmio64; /* the windows */
	AddressSpace dma;            /* what the devices see */
	MemoryRegion bus, memory, msi;
} Bridge;

/* The CPUs' own view has no such writes: KNC decodes its local APIC there and nothing else. */
static void msi_write(void *opaque, hwaddr addr, uint64_t data, unsigned int size)
{
	X100Chip *chip = opaque;

	if (addr & MSI_LOGICAL) {
		x100_guest_error(chip, X100_ONCE(X100_ONCE_OTHER, 0x80),
				 "PCI message: logical destinations are not known to work");
		return;
	}
	x100_to_lapic(chip, addr >> 12 & 0xFF, data >> X100_ICR_MODE_SHIFT & 7,
		      data & X100_ICR_VECTOR_MASK, false);
}

static uint64_t msi_read(void *opaque, hwaddr addr, unsigned int size)
{
	return UINT64_MAX;
}

static const MemoryRegionOps msi_ops = {
	.read = msi_read,
	.write = msi_write,
	.endianness = DEVICE_LITTLE_ENDIAN,
	.valid = { .min_access_size = 4, .max_access_size = 4 },
};

static AddressSpace *dma_space(PCIBus *bus, void *opaque, int devfn)
{
	return &((Bridge *)opaque)->dma;
}

static void intx(void *opaque, int n, int level)
{
	x100_chip_set_pin(opaque, X100_PCI_PIN + n, level);
}

static void window(Bridge *b, MemoryRegion *mr, const char *name, MemoryRegion *mmio, uint64_t base,
		   uint64_t size)
{
	memory_region_init_alias(mr, OBJECT(b->chip), name, mmio, base, size);
	memory_region_add_subregion_overlap(get_system_memory(), base, mr, 1);
}

void x100_pci_init(X100Chip *chip)
{
	DeviceState *dev = qdev_new(TYPE_GPEX_HOST);
	SysBusDevice *sbd = SYS_BUS_DEVICE(dev);
	Bridge *b = g_new0(Bridge, 1);
	MemoryRegion *ecam, *mmio;

	b->chip = chip;
	object_property_add_child(OBJECT(chip), "pci", OBJECT(dev));
	sysbus_realize_and_unref(sbd, &error_fatal);
	ecam = sysbus_mmio_get_region(sbd, 0);
	mmio = sysbus_mmio_get_region(sbd, 1);
	assert(memory_region_size(ecam) == X100_PCI_ECAM_SIZE);
	memory_region_add_subregion_overlap(get_system_memory(), X100_PCI_ECAM_BASE, ecam, 1);
	window(b, &b->mmio32, "x100-pci-mmio32", mmio, X100_PCI_MMIO32_BASE, X100_PCI_MMIO32_SIZE);
	window(b, &b->mmio64, "x100-pci-mmio64", mmio, X100_PCI_MMIO64_BASE, X100_PCI_MMIO64_SIZE);

	memory_region_init(&b->bus, OBJECT(chip), "x100-pci-dma", UINT64_MAX);
	memory_region_init_alias(&b->memory, OBJECT(chip), "x100-pci-gddr", &chip->gddr_view, 0,
				 memory_region_size(&chip->gddr));
	memory_region_add_subregion(&b->bus, 0, &b->memory);
	memory_region_init_io(&b->msi, OBJECT(chip), &msi_ops, chip, "x100-pci-msi", MSI_SIZE);
	memory_region_add_subregion_overlap(&b->bus, X100_LAPIC_BASE, &b->msi, 1);
	address_space_init(&b->dma, &b->bus, "x100-pci-dma");
	pci_setup_iommu(PCI_HOST_BRIDGE(dev)->bus, dma_space, b);

	for (int n = 0; n < GPEX_NUM_IRQS; n++) {
		sysbus_connect_irq(sbd, n, qemu_allocate_irq(intx, chip, n));
		gpex_set_irq_num(GPEX_HOST(dev), n, X100_PCI_PIN + n);
	}
}
