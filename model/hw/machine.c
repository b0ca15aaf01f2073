// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine "x100": one card. CPUs numbered as on silicon, the chip, and nothing of a PC.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "hw/boards.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "sysemu/reset.h"
#include "sysemu/sysemu.h"
#include "cpu.h"
#include "chip-internal.h"

#define TYPE_X100_MACHINE MACHINE_TYPE_NAME("x100")
OBJECT_DECLARE_SIMPLE_TYPE(X100Machine, X100_MACHINE)

/* Up to 61 cores of 4 threads (x100-hardware.md 6.1). */
#define MAX_CORES   61
#define MAX_THREADS 4

struct X100Machine {
	MachineState parent_obj;
	X100Chip *chip;
	char *product, *flash, *socket, *serial_number;
	uint64_t gddr;
	uint32_t training_ms, reset_delay_ms, offbus_ms;
	bool strict, trace, training_fail, pci;
};

/* Properties of a CPU type may be missing: stock QEMU CPUs run here too, for experiments. */
static bool set_if_there(Object *cpu, const char *name, uint64_t value, bool is_bool, Error **errp)
{
	if (!object_property_find(cpu, name))
		return true;
	return is_bool ? object_property_set_bool(cpu, name, value, errp) :
			 object_property_set_uint(cpu, name, value, errp);
}

static void new_cpu(X100Machine *xms, uint32_t apic_id)
{
	const X100Product *product = x100_product(xms->product);
	uint64_t khz = x100_core_khz(product->icc << 25, product->ratio);
	Object *cpu = object_new(MACHINE(xms)->cpu_type);

	object_property_set_uint(cpu, "apic-id", apic_id, &error_fatal);
	set_if_there(cpu, "strict", xms->strict, true, &error_fatal);
	set_if_there(cpu, "tsc-hz", khz * 1000, false, &error_fatal);
	set_if_there(cpu, "stepping", product->stepping, false, &error_fatal);
	qdev_realize(DEVICE(cpu), NULL, &error_fatal);
	object_unref(cpu);
}

/* APIC id = core x 4 + thread; the boot CPU, first here, is thread 0 of the last core. */
static void new_cpus(X100Machine *xms)
{
	MachineState *ms = MACHINE(xms);
	uint32_t bsp = (ms->smp.cores - 1) * MAX_THREADS;

	new_cpu(xms, bsp);
	for (unsigned int core = 0; core < ms->smp.cores; core++) {
		for (unsigned int thread = 0; thread < ms->smp.threads; thread++) {
			uint32_t id = core * MAX_THREADS + thread;

			if (id != bsp)
				new_cpu(xms, id);
		}
	}
}

static void new_chip(X100Machine *xms)
{
	MachineState *ms = MACHINE(xms);
	DeviceState *dev = qdev_new(TYPE_X100_CHIP);

	object_property_add_child(OBJECT(xms), "chip", OBJECT(dev));
	qdev_prop_set_string(dev, "product", xms->product);
	qdev_prop_set_string(dev, "serial-number", xms->serial_number);
	if (xms->flash)
		qdev_prop_set_string(dev, "flash", xms->flash);
	if (xms->socket)
		qdev_prop_set_string(dev, "socket", xms->socket);
	qdev_prop_set_uint64(dev, "gddr", xms->gddr);
	qdev_prop_set_uint32(dev, "cores", ms->smp.cores);
	qdev_prop_set_uint32(dev, "threads", ms->smp.threads);
	qdev_prop_set_uint32(dev, "training-ms", xms->training_ms);
	qdev_prop_set_uint32(dev, "reset-delay-ms", xms->reset_delay_ms);
	qdev_prop_set_uint32(dev, "offbus-ms", xms->offbus_ms);
	qdev_prop_set_bit(dev, "training-fail", xms->training_fail);
	qdev_prop_set_bit(dev, "trace", xms->trace);
	if (serial_hd(0))
		qdev_prop_set_chr(dev, "chardev", serial_hd(0));
	qdev_realize_and_unref(dev, NULL, &error_fatal);
	xms->chip = X100_CHIP(dev);
}

static void machine_init(MachineState *ms)
{
	X100Machine *xms = X100_MACHINE(ms);

	if (!x100_product(xms->product)) {
		error_report("x100: unknown product %s (known: 3120A, 5110P, 7120P)", xms->product);
		exit(EXIT_FAILURE);
	}
	if (ms->smp.sockets != 1 || ms->smp.cores > MAX_CORES || ms->smp.threads > MAX_THREADS ||
	    ms->smp.cpus != ms->smp.cores * ms->smp.threads) {
		error_report(
			"x100: -smp must be N,sockets=1,cores=C,threads=T with N = C x T, C up to %d, "
			"T up to %d",
			MAX_CORES, MAX_THREADS);
		exit(EXIT_FAILURE);
	}
	new_chip(xms);
	if (xms->pci)
		x100_pci_init(xms->chip);
	new_cpus(xms);
}

static void machine_reset(MachineState *ms, ShutdownCause reason)
{
	CPUState *cs;

	qemu_devices_reset(reason);
	/* Local APICs sit on no bus that would reset them. */
	CPU_FOREACH(cs) {
		if (X86_CPU(cs)->apic_state)
			device_legacy_reset(X86_CPU(cs)->apic_state);
	}
	x100_chip_machine_reset(X100_MACHINE(ms)->chip, reason == SHUTDOWN_CAUSE_GUEST_RESET,
				reason == SHUTDOWN_CAUSE_NONE);
}

#define STRING_PROPERTY(field)                                                                     \
	static char *get_##field(Object *obj, Error **errp)                                        \
	{                                                                                          \
		return g_strdup(X100_MACHINE(obj)->field);                                         \
	}                                                                                          \
	static void set_##field(Object *obj, const char *value, Error **errp)                      \
	{                                                                                          \
		g_free(X100_MACHINE(obj)->field);                                                  \
		X100_MACHINE(obj)->field = g_strdup(value);                                        \
	}

#define BOOL_PROPERTY(field)                                                                       \
	static bool get_##field(Object *obj, Error **errp)                                         \
	{                                                                                          \
		return X100_MACHINE(obj)->field;                                                   \
	}                                                                                          \
	static void set_##field(Object *obj, bool value, Error **errp)                             \
	{                                                                                          \
		X100_MACHINE(obj)->field = value;                                                  \
	}

STRING_PROPERTY(product)
STRING_PROPERTY(flash)
STRING_PROPERTY(socket)
STRING_PROPERTY(serial_number)
BOOL_PROPERTY(strict)
BOOL_PROPERTY(trace)
BOOL_PROPERTY(training_fail)
BOOL_PROPERTY(pci)

static void get_gddr(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
	visit_type_size(v, name, &X100_MACHINE(obj)->gddr, errp);
}

static void set_gddr(Object *obj, Visitor *v, const char *name, void *opaque, Error **errp)
{
	visit_type_size(v, name, &X100_MACHINE(obj)->gddr, errp);
}

static void instance_init(Object *obj)
{
	X100Machine *xms = X100_MACHINE(obj);

	xms->product = g_strdup("5110P");
	xms->serial_number = g_strdup("X100MODEL001");
	xms->gddr = 1 * GiB;
	xms->strict = true;
	xms->reset_delay_ms = 200;
	xms->offbus_ms = 10;
	object_property_add_uint32_ptr(obj, "training-ms", &xms->training_ms,
				       OBJ_PROP_FLAG_READWRITE);
	object_property_add_uint32_ptr(obj, "reset-delay-ms", &xms->reset_delay_ms,
				       OBJ_PROP_FLAG_READWRITE);
	object_property_add_uint32_ptr(obj, "offbus-ms", &xms->offbus_ms, OBJ_PROP_FLAG_READWRITE);
}

static void instance_finalize(Object *obj)
{
	X100Machine *xms = X100_MACHINE(obj);

	g_free(xms->product);
	g_free(xms->flash);
	g_free(xms->socket);
	g_free(xms->serial_number);
}

/* PCI devices: the card has no port I/O for their old interface, nor firmware for their ROMs. */
static GlobalProperty pci_properties[] = {
	{ "virtio-pci", "disable-legacy", "on" },
	{ "pci-device", "romfile", "" },
};

static void class_init(ObjectClass *klass, void *data)
{
	MachineClass *mc = MACHINE_CLASS(klass);

	mc->desc = "Intel MIC X100 coprocessor card";
	mc->init = machine_init;
	mc->reset = machine_reset;
	mc->max_cpus = MAX_CORES * MAX_THREADS;
	mc->default_cpu_type = X86_CPU_TYPE_NAME("knc");
	mc->is_default = true;
	mc->no_parallel = 1;
	mc->no_floppy = 1;
	mc->no_cdrom = 1;
	/* GDDR belongs to the chip; QEMU's own RAM stays unused. */
	mc->default_ram_size = 0;
	compat_props_add(mc->compat_props, pci_properties, ARRAY_SIZE(pci_properties));
	object_class_property_add_str(klass, "product", get_product, set_product);
	object_class_property_set_description(klass, "product", "3120A, 5110P or 7120P");
	object_class_property_add_str(klass, "flash", get_flash, set_flash);
	object_class_property_set_description(klass, "flash", "flash image, ends at 4 GiB");
	object_class_property_add_str(klass, "socket", get_socket, set_socket);
	object_class_property_set_description(klass, "socket", "path of the vfio-user socket");
	object_class_property_add_str(klass, "serial-number", get_serial_number, set_serial_number);
	object_class_property_set_description(klass, "serial-number",
					      "12 characters in DBOX SWF1X");
	object_class_property_add(klass, "gddr", "size", get_gddr, set_gddr, NULL, NULL);
	object_class_property_set_description(klass, "gddr",
					      "memory fitted; 31/32 of it is visible");
	object_class_property_add_bool(klass, "strict", get_strict, set_strict);
	object_class_property_set_description(klass, "strict", "fault on what KNC lacks");
	object_class_property_add_bool(klass, "trace", get_trace, set_trace);
	object_class_property_set_description(klass, "trace",
					      "no mmap of BAR0, count every access");
	object_class_property_add_bool(klass, "training-fail", get_training_fail,
				       set_training_fail);
	object_class_property_set_description(klass, "training-fail", "memory training fails");
	object_class_property_add_bool(klass, "pci", get_pci, set_pci);
	object_class_property_set_description(klass, "pci",
					      "a PCI host bridge for QEMU's devices, on no card");
}

static const TypeInfo type_info = {
	.name = TYPE_X100_MACHINE,
	.parent = TYPE_MACHINE,
	.instance_size = sizeof(X100Machine),
	.instance_init = instance_init,
	.instance_finalize = instance_finalize,
	.class_init = class_init,
};

static void register_types(void)
{
	type_register_static(&type_info);
}

type_init(register_types)
