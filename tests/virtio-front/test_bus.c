// SPDX-License-Identifier: BSD-3-Clause
/*
 * The MIC bus: names, ids, who fits whom, interrupts (x100-abi.md 4). Faked: the kernel under it (stub/), the
 * card (sim.h).
 */
#include <fake.h>

#include <x100/irq.h>

#include "mic_bus.h"
#include "sim.h"

static unsigned int probes, scans, removes, interrupts;
static struct mbus_device *probed;
static int probe_result;

static int probe(struct mbus_device *mbdev)
{
	probes++;
	probed = mbdev;
	return probe_result;
}

static void scan(struct mbus_device *mbdev)
{
	assert_ptr_equal(mbdev, probed);
	scans++;
}

static void unplug(struct mbus_device *mbdev)
{
	assert_ptr_equal(mbdev, probed);
	removes++;
}

static struct mbus_device_id ids[3];
static struct mbus_driver driver = {
	.driver.name = "test",
	.id_table = ids,
	.probe = probe,
	.scan = scan,
	.remove = unplug,
};

static int begin(void **state)
{
	(void)state;
	probes = scans = removes = interrupts = 0;
	probe_result = 0;
	memset(ids, 0, sizeof(ids));
	sim_begin();
	sim_boot();
	return 0;
}

static int end(void **state)
{
	(void)state;
	sim_end();
	return 0;
}

/* A driver for @device and @vendor meets the DMA device, which is there without a host. */
static unsigned int probes_with(u32 device, u32 vendor)
{
	probes = 0;
	ids[0] = (struct mbus_device_id){ device, vendor };
	mbus_register_driver(&driver);
	mbus_unregister_driver(&driver);
	return probes;
}

static void dma_channels_are_device_3_number_0(void **state)
{
	struct kobj_uevent_env env = { .used = 0 };

	(void)state;
	assert_int_equal(probes_with(MBUS_DEV_DMA_MIC, MBUS_ANY_ID), 1);
	assert_string_equal(dev_name(&probed->dev), "mbus-dev0");
	assert_int_equal(probed->id.device, MBUS_DEV_DMA_MIC);
	assert_int_equal(probed->id.vendor, MBUS_ANY_ID);
	assert_ptr_equal(probed->mmio_va, fake.mmio);
	assert_int_equal(*probed->dev.dma_mask, ~0ull);
	probed->dev.bus->uevent(&probed->dev, &env);
	assert_string_equal(env.text, "MODALIAS=mbus:d00000003vFFFFFFFF");
	assert_string_equal(probed->dev.bus->name, "mic");
}

static void drivers_fit_by_device_and_vendor(void **state)
{
	(void)state;
	assert_int_equal(probes_with(MBUS_ANY_ID, MBUS_ANY_ID), 1);
	assert_int_equal(probes_with(MBUS_DEV_DMA_HOST, MBUS_ANY_ID), 0);
	assert_int_equal(probes_with(MBUS_DEV_DMA_MIC, 5), 0);
	/* The second entry of a table counts as well, what stands behind its end does not. */
	ids[1] = (struct mbus_device_id){ MBUS_DEV_DMA_MIC, MBUS_ANY_ID };
	assert_int_equal(probes_with(MBUS_DEV_DMA_HOST, MBUS_ANY_ID), 1);
	assert_int_equal(probes_with(0, 0), 0);
}

static void scan_comes_after_a_probe_that_went_well(void **state)
{
	(void)state;
	probes_with(MBUS_DEV_DMA_MIC, MBUS_ANY_ID);
	assert_int_equal(scans, 1);
	assert_int_equal(removes, 1);
	probe_result = -ENODEV;
	probes_with(MBUS_DEV_DMA_MIC, MBUS_ANY_ID);
	assert_int_equal(scans, 1);
	assert_int_equal(removes, 1);
}

static irqreturn_t interrupt(int irq, void *data)
{
	assert_ptr_equal(data, &interrupts);
	interrupts++;
	(void)irq;
	return IRQ_HANDLED;
}

static void sources_are_interrupt_numbers(void **state)
{
	struct mic_irq *cookie;

	(void)state;
	probes_with(MBUS_DEV_DMA_MIC, MBUS_ANY_ID);
	/* Doorbell 3 is an ICR. */
	cookie = probed->hw_ops->request_threaded_irq(probed, interrupt, NULL, "test", &interrupts,
						      X100_IRQ_ICR(3));
	assert_false(IS_ERR(cookie));
	sim_ring_card(3);
	sim_settle();
	assert_int_equal(interrupts, 1);
	probed->hw_ops->ack_interrupt(probed, X100_IRQ_ICR(3));
	probed->hw_ops->free_irq(probed, cookie, &interrupts);
	sim_ring_card(3);
	sim_settle();
	assert_int_equal(interrupts, 1);
	cookie = probed->hw_ops->request_threaded_irq(probed, interrupt, NULL, "test", &interrupts,
						      X100_IRQS);
	assert_true(IS_ERR(cookie));
}

static void devices_come_and_go(void **state)
{
	const struct mbus_device_id id = { 77, 5 };
	struct mbus_device *mbdev, *parent;

	(void)state;
	probes_with(MBUS_DEV_DMA_MIC, MBUS_ANY_ID);
	parent = probed;
	ids[0] = id;
	mbus_register_driver(&driver);
	probes = removes = 0;
	mbdev = mbus_register_device(&parent->dev, id, 9, parent->hw_ops, NULL, &probes);
	assert_false(IS_ERR(mbdev));
	assert_int_equal(probes, 1);
	assert_string_equal(dev_name(&mbdev->dev), "mbus-dev9");
	assert_ptr_equal(dev_get_platdata(&mbdev->dev), &probes);
	mbus_unregister_device(mbdev);
	assert_int_equal(removes, 1);
	mbus_unregister_driver(&driver);

	sim_fail_allocation(1);
	assert_true(IS_ERR(mbus_register_device(&parent->dev, id, 9, parent->hw_ops, NULL, NULL)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(dma_channels_are_device_3_number_0),
		TEST(drivers_fit_by_device_and_vendor),
		TEST(scan_comes_after_a_probe_that_went_well),
		TEST(sources_are_interrupt_numbers),
		TEST(devices_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
