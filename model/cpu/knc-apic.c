// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: QEMU's, seen through KNC's registers. The id stands in bits 31:23, destinations
 * and the logical id in 31:16 (x100-hardware.md 6.2), the timer counts core clocks (4.3 of
 * k1om-cpu-and-kernel.md), and only its own 4 KiB page is decoded: there are no MSI writes.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/host-utils.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "hw/i386/apic.h"
#include "hw/i386/apic_internal.h"
#include "cpu/knc-cpu.h"

#define REG_ID            0x020
#define REG_LDR           0x0d0
#define REG_ICR           0x300
#define REG_ICR2          0x310
#define REG_LVT_TIMER     0x320
#define REG_TIMER_INITIAL 0x380
#define REG_TIMER_CURRENT 0x390
#define REG_TIMER_DIVIDE  0x3e0

#define ICR_LOGICAL   (1u << 11)
#define ICR_SHORTHAND (3u << 18)
#define BROADCAST     0xffff

OBJECT_DECLARE_TYPE(KncApic, KncApicClass, KNC_APIC)

struct KncApic {
	APICCommonState parent_obj;
	uint32_t icr2; /* as written: destination in 31:16 */
	uint32_t ldr;
	int64_t timer_start; /* core clocks when the initial count was written */
};

struct KncApicClass {
	APICCommonClass parent_class;
	DeviceRealize parent_realize;
	void (*parent_reset)(APICCommonState *s);
};

/* QEMU's own register handlers, which do everything that is not different here. */
static const MemoryRegionOps *base_ops;

static KncApic *current_apic(void)
{
	DeviceState *dev = cpu_get_current_apic();

	return dev ? KNC_APIC(dev) : NULL;
}

/*
 * Timer. One count is 2^count_shift core clocks. QEMU's code counts nanoseconds, so the registers
 * concerned never reach it; the QEMUTimer object and the LVT entry are shared.
 */
static uint64_t ticks_since_start(KncApic *apic)
{
	APICCommonState *s = &apic->parent_obj;

	return (knc_clocks(s->cpu) - apic->timer_start) >> s->count_shift;
}

static bool periodic(const APICCommonState *s)
{
	return s->lvt[APIC_LVT_TIMER] & APIC_LVT_TIMER_PERIODIC;
}

static uint32_t timer_current(KncApic *apic)
{
	APICCommonState *s = &apic->parent_obj;
	uint64_t ticks = ticks_since_start(apic);

	if (!s->initial_count)
		return 0;
	if (periodic(s))
		return s->initial_count - ticks % s->initial_count;
	return ticks >= s->initial_count ? 0 : s->initial_count - ticks;
}

/* Arms the timer for the next time the count reaches 0 after @ticks counts, or stops it. */
static void timer_arm(KncApic *apic, uint64_t ticks)
{
	APICCommonState *s = &apic->parent_obj;
	uint64_t due = s->initial_count, clocks;

	if (periodic(s) && due)
		due *= ticks / due + 1;
	if (!due) {
		timer_del(s->timer);
		return;
	}
	/* A count that reached 0 has interrupted, or will: QEMU's timer may be late. */
	if (due <= ticks && !timer_pending(s->timer))
		return;
	clocks = apic->timer_start + (due << s->count_shift);
	/* Rounded up, so that the count has reached 0 when the interrupt arrives. */
	timer_mod(s->timer, muldiv64(clocks, NANOSECONDS_PER_SECOND, KNC_CPU(s->cpu)->tsc_hz) + 1);
}

static void timer_due(void *opaque)
{
	KncApic *apic = opaque;
	APICCommonState *s = &apic->parent_obj;
	uint32_t lvt = s->lvt[APIC_LVT_TIMER];

	if (!(lvt & APIC_LVT_MASKED))
		apic_deliver_irq(s->id, 0, APIC_DM_FIXED, lvt & 0xff, APIC_TRIGGER_EDGE);
	if (periodic(s))
		timer_arm(apic, ticks_since_start(apic));
}

static void timer_write(KncApic *apic, hwaddr addr, uint32_t val)
{
	APICCommonState *s = &apic->parent_obj;
	unsigned int divide;
	uint64_t ticks;

	switch (addr) {
	case REG_LVT_TIMER:
		s->lvt[APIC_LVT_TIMER] = val & 0x310ff;
		break;
	case REG_TIMER_INITIAL:
		s->initial_count = val;
		apic->timer_start = knc_clocks(s->cpu);
		break;
	case REG_TIMER_DIVIDE:
		divide = (val & 3) | (val >> 1 & 4);
		s->divide_conf = val & 0xb;
		s->count_shift = (divide + 1) & 7;
		break;
	}
	/* This thread may stand still between two looks at the clock, for longer than the count. */
	ticks = addr == REG_TIMER_INITIAL ? 0 : ticks_since_start(apic);
	timer_arm(apic, ticks);
}

/*
 * Interprocessor interrupts. QEMU's code takes its 8-bit destination from icr[1], so the
 * 16-bit one is brought into that form for the moment of sending.
 */
static void send_ipi(KncApic *apic, uint32_t icr)
{
	APICCommonState *s = &apic->parent_obj;
	uint32_t dest = apic->icr2 >> 16;

	s->icr[0] = icr;
	if (!(icr & ICR_SHORTHAND)) {
		if (icr & ICR_LOGICAL) {
			qemu_log_mask(
				LOG_GUEST_ERROR,
				"knc: APIC %d: IPI with a logical destination (0x%x) is lost\n",
				s->id, dest);
			return;
		}
		if (dest == BROADCAST)
			dest = 0xff;
		else if (dest >= 0xff) {
			qemu_log_mask(LOG_GUEST_ERROR, "knc: APIC %d: IPI to id 0x%x is lost\n",
				      s->id, dest);
			return;
		}
	}
	s->icr[1] = dest << 24;
	base_ops->write(s, REG_ICR, icr, 4);
}

static uint64_t knc_apic_read(void *opaque, hwaddr addr, unsigned int size)
{
	KncApic *apic = current_apic();

	if (!apic)
		return 0;
	switch (addr) {
	case REG_ID:
		return (uint32_t)apic->parent_obj.id << 23;
	case REG_LDR:
		return apic->ldr;
	case REG_ICR2:
		return apic->icr2;
	case REG_TIMER_CURRENT:
		return timer_current(apic);
	default:
		return base_ops->read(opaque, addr, size);
	}
}

static void knc_apic_write(void *opaque, hwaddr addr, uint64_t val, unsigned int size)
{
	KncApic *apic = current_apic();

	if (!apic)
		return;
	switch (addr) {
	case 0 ... REG_ID - 1: /* QEMU would take these for MSI writes */
	case REG_ID:           /* fixed: x100-hardware.md 6.2 knows no one who writes it */
		qemu_log_mask(LOG_GUEST_ERROR,
			      "knc: APIC %d: write of 0x%" PRIx64 " to 0x%x ignored\n",
			      apic->parent_obj.id, val, (unsigned int)addr);
		break;
	case REG_LDR:
		apic->ldr = val & 0xffff0000;
		break;
	case REG_ICR:
		send_ipi(apic, val);
		break;
	case REG_ICR2:
		apic->icr2 = val & 0xffff0000;
		break;
	case REG_LVT_TIMER:
	case REG_TIMER_INITIAL:
	case REG_TIMER_DIVIDE:
		timer_write(apic, addr, val);
		break;
	default:
		base_ops->write(opaque, addr, val, size);
		break;
	}
}

static const MemoryRegionOps knc_apic_ops = {
	.read = knc_apic_read,
	.write = knc_apic_write,
	.impl.min_access_size = 4,
	.impl.max_access_size = 4,
	.valid.min_access_size = 4,
	.valid.max_access_size = 4,
	.endianness = DEVICE_LITTLE_ENDIAN,
};

static void knc_apic_reset(APICCommonState *s)
{
	KncApicClass *class = KNC_APIC_GET_CLASS(s);
	KncApic *apic = KNC_APIC(s);

	if (class->parent_reset)
		class->parent_reset(s);
	apic->icr2 = 0;
	apic->ldr = 0;
}

static void knc_apic_realize(DeviceState *dev, Error **errp)
{
	KncApicClass *class = KNC_APIC_GET_CLASS(dev);
	APICCommonState *s = APIC_COMMON(dev);
	ERRP_GUARD();

	class->parent_realize(dev, errp);
	if (*errp)
		return;
	base_ops = s->io_memory.ops;
	object_unparent(OBJECT(&s->io_memory));
	memory_region_init_io(&s->io_memory, OBJECT(dev), &knc_apic_ops, s, "knc-apic", 0x1000);
	s->io_memory.disable_reentrancy_guard =
		true; /* an EOI may reach the I/O APIC and come back */
	timer_free(s->timer);
	s->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, timer_due, dev);
}

static void knc_apic_init(Object *obj)
{
	APIC_COMMON(obj)->vapic_control = 0;
}

static void knc_apic_class_init(ObjectClass *oc, void *data)
{
	KncApicClass *class = KNC_APIC_CLASS(oc);

	/* APICCommonClass has its own realize, called by the device's. */
	class->parent_realize = class->parent_class.realize;
	class->parent_class.realize = knc_apic_realize;
	class->parent_reset = class->parent_class.reset;
	class->parent_class.reset = knc_apic_reset;
}

static const TypeInfo knc_apic_type = {
	.name = TYPE_KNC_APIC,
	.parent = "apic",
	.instance_size = sizeof(KncApic),
	.instance_init = knc_apic_init,
	.class_size = sizeof(KncApicClass),
	.class_init = knc_apic_class_init,
};

static void knc_apic_register(void)
{
	type_register_static(&knc_apic_type);
}

type_init(knc_apic_register)
