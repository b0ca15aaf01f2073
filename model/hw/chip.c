// SPDX-License-Identifier: GPL-2.0-only
/*
 * The chip as a QEMU device: properties, counters, creation.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/module.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "migration/vmstate.h"
#include "chip-internal.h"

X100Counters *x100_chip_counters(X100Chip *chip)
{
	return &chip->counters;
}

/* "x100-counters" of the device: chip and PCIe side in one structure, for qom-get. */
static void get_counters(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
	X100Chip *chip = X100_CHIP(obj);
	X100Counters c = chip->counters;
	X100PcieCounters p = *x100_pcie_counters(chip->pcie);
	const struct {
		const char *name; /* of more than one: NAME-0, NAME-1, ... */
		uint64_t *value;
		unsigned int count;
	} fields[] = {
		{ "host-reads", &c.host_reads },
		{ "host-writes", &c.host_writes },
		{ "card-reads", &c.card_reads },
		{ "card-writes", &c.card_writes },
		{ "window-reads", &c.window_reads },
		{ "window-writes", &c.window_writes },
		{ "window-faults", &c.window_faults },
		{ "doorbells-to-card", &c.doorbells_to_card },
		{ "host-icr-sends", &c.icr_sends },
		{ "host-rdmasr-writes", &c.rdmasr_writes },
		{ "doorbells-to-host", &c.doorbells_to_host },
		{ "sdbic", c.sdbic, ARRAY_SIZE(c.sdbic) },
		{ "interrupts-to-host", &c.interrupts_to_host },
		{ "interrupts-to-card", &c.interrupts_to_card },
		{ "interrupts-dropped", &c.interrupts_dropped },
		{ "dma-descriptors", &c.dma_descriptors },
		{ "dma-bytes", &c.dma_bytes },
		{ "uart-tx", &c.uart_tx },
		{ "uart-rx", &c.uart_rx },
		{ "resets-rgcr", &c.resets_rgcr },
		{ "resets-platform", &c.resets_platform },
		{ "guest-errors", &c.guest_errors },
		{ "pcie-config-reads", &p.config_reads },
		{ "pcie-config-writes", &p.config_writes },
		{ "pcie-mmio-reads", &p.mmio_reads },
		{ "pcie-mmio-writes", &p.mmio_writes },
		{ "pcie-aperture-reads", &p.aperture_reads },
		{ "pcie-aperture-writes", &p.aperture_writes },
		{ "pcie-aperture-read-bytes", &p.aperture_read_bytes },
		{ "pcie-aperture-write-bytes", &p.aperture_write_bytes },
		{ "pcie-dma-reads", &p.dma_reads },
		{ "pcie-dma-writes", &p.dma_writes },
		{ "pcie-dma-read-bytes", &p.dma_read_bytes },
		{ "pcie-dma-write-bytes", &p.dma_write_bytes },
		{ "pcie-dma-messages", &p.dma_messages },
		{ "pcie-dma-refused", &p.dma_refused },
		{ "pcie-interrupts", &p.interrupts },
		{ "pcie-interrupts-lost", &p.interrupts_lost },
		{ "pcie-vector", p.vectors, ARRAY_SIZE(p.vectors) },
		{ "pcie-bad-accesses", &p.bad_accesses },
		{ "pcie-clients", &p.clients },
		{ "pcie-clients-refused", &p.clients_refused },
		{ "pcie-direct-mappings", &p.direct_mappings },
	};

	bool ok = visit_start_struct(v, name, NULL, 0, errp);

	if (!ok)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		for (unsigned int n = 0; ok && n < MAX(fields[i].count, 1); n++) {
			g_autofree char *numbered = g_strdup_printf("%s-%u", fields[i].name, n);

			ok = visit_type_uint64(v, fields[i].count ? numbered : fields[i].name,
					       fields[i].value + n, errp);
		}
	}
	visit_end_struct(v, NULL);
}

/* "x100-phase": where a reset stands; tests wait for it. */
static char *get_phase(Object *obj, Error **errp)
{
	static const char *const names[] = {
		[X100_RUNNING] = "running", [X100_STOPPING] = "stopping", [X100_HELD] = "held",
		[X100_OFF_BUS] = "off-bus", [X100_DEAD] = "dead",
	};

	return g_strdup(names[X100_CHIP(obj)->phase]);
}

static uint32_t op_mmio_read(void *chip, uint32_t offset)
{
	return x100_chip_mmio_read32(chip, X100_HOST, offset);
}

static void op_mmio_write(void *chip, uint32_t offset, uint32_t value)
{
	x100_chip_mmio_write32(chip, X100_HOST, offset, value);
}

static bool op_gddr_ready(void *chip)
{
	return x100_chip_gddr_ready(chip);
}

static void op_platform_reset(void *chip)
{
	x100_chip_platform_reset(chip);
}

static void op_interrupts_changed(void *chip)
{
	x100_chip_interrupts_changed(chip);
}

static void op_host_memory_changed(void *chip)
{
	x100_window_update(chip);
}

static const X100PcieOps pcie_ops = {
	.mmio_read = op_mmio_read,
	.mmio_write = op_mmio_write,
	.gddr_ready = op_gddr_ready,
	.platform_reset = op_platform_reset,
	.interrupts_changed = op_interrupts_changed,
	.host_memory_changed = op_host_memory_changed,
};

static void realize(DeviceState *dev, Error **errp)
{
	ERRP_GUARD();
	X100Chip *chip = X100_CHIP(dev);
	X100PcieParams params = {
		.socket = chip->socket,
		.product = chip->product_name,
		.trace = chip->trace,
		.ops = &pcie_ops,
		.chip = chip,
	};

	chip->product = x100_product(chip->product_name);
	if (!chip->product) {
		error_setg(errp, "x100: unknown product %s (known: 3120A, 5110P, 7120P)",
			   chip->product_name);
		return;
	}
	chip->logged = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	x100_regs_init();
	x100_reset_init(chip);
	if (!x100_memory_init(chip, errp))
		return;
	params.gddr_host = x100_chip_gddr(chip, &params.gddr_fd, &params.gddr_top);
	chip->pcie = x100_pcie_new(&params, errp);
	if (!chip->pcie)
		return;
	x100_window_connect(chip);
	x100_uart_init(chip);
}

static Property properties[] = {
	DEFINE_PROP_STRING("product", X100Chip, product_name),
	DEFINE_PROP_STRING("flash", X100Chip, flash_path),
	DEFINE_PROP_STRING("socket", X100Chip, socket),
	DEFINE_PROP_STRING("serial-number", X100Chip, serial_number),
	DEFINE_PROP_UINT64("gddr", X100Chip, gddr_fitted, 0),
	DEFINE_PROP_UINT32("cores", X100Chip, cores, 1),
	DEFINE_PROP_UINT32("threads", X100Chip, threads, 1),
	DEFINE_PROP_UINT32("training-ms", X100Chip, training_ms, 0),
	DEFINE_PROP_UINT32("reset-delay-ms", X100Chip, reset_delay_ms, 200),
	DEFINE_PROP_UINT32("offbus-ms", X100Chip, offbus_ms, 10),
	DEFINE_PROP_BOOL("training-fail", X100Chip, training_fail, false),
	DEFINE_PROP_BOOL("trace", X100Chip, trace, false),
	DEFINE_PROP_CHR("chardev", X100Chip, uart.chr),
	DEFINE_PROP_END_OF_LIST(),
};

static const VMStateDescription vmstate = {
	.name = TYPE_X100_CHIP,
	.unmigratable = 1,
};

static void class_init(ObjectClass *klass, void *data)
{
	DeviceClass *dc = DEVICE_CLASS(klass);

	dc->desc = "Intel MIC X100 chip";
	dc->realize = realize;
	dc->user_creatable = false;
	dc->hotpluggable = false;
	dc->vmsd = &vmstate;
	device_class_set_props(dc, properties);
	object_class_property_add(klass, "x100-counters", "X100Counters", get_counters, NULL, NULL,
				  NULL);
	object_class_property_add_str(klass, "x100-phase", get_phase, NULL);
}

static const TypeInfo type_info = {
	.name = TYPE_X100_CHIP,
	.parent = TYPE_DEVICE,
	.instance_size = sizeof(X100Chip),
	.class_init = class_init,
};

static void register_types(void)
{
	type_register_static(&type_info);
}

type_init(register_types)
