// SPDX-License-Identifier: BSD-3-Clause
/*
 * The card's transport and ring code against the real host code: data through queues of every size and
 * number, with each kind of notification. Faked: the kernel under the drivers (stub/), the card and its
 * link (sim.h), the virtio drivers (driver.h) and the back-ends (host.h).
 */
#include "host.h"

#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

static void echo(struct drv_dev *dev, unsigned int queue, unsigned int requests, u32 seed)
{
	unsigned int before = dev->done;

	sim_seed(seed);
	for (unsigned int i = 0; i < requests;) {
		unsigned int batch = 1 + sim_random(20);

		for (; batch && i < requests; batch--) {
			u32 out = sim_random(3) ? sim_random(9000) : 0;
			u32 in = sim_random(3) ? sim_random(9000) : 0;
			unsigned int op = out ? 1 + sim_random(min(out, 12u)) : 0;
			unsigned int ip = in ? 1 + sim_random(min(in, 12u)) : 0;

			if (!op && !ip)
				continue;
			if (!drv_add(dev, queue, out, op, in, ip))
				break;
			i++;
		}
		drv_kick(dev, queue);
		sim_run(sim_random(3));
		drv_free_done(dev);
	}
	sim_run(50);
	sim_seed(0);
	assert_int_equal(dev->done - before, requests);
	assert_int_equal(dev->wrong, 0);
	assert_int_equal(drv_pending(dev), 0);
	drv_free_done(dev);
}

static struct drv_dev *live(u8 type)
{
	struct drv_dev *dev = drv_find(type);

	assert_non_null(dev);
	return dev;
}

static void random_chains_wrap_around_a_ring_of_128(void **state)
{
	struct host_dev *d;

	(void)state;
	host_begin(X100_GEN_C2, false);
	d = host_add(VIRTIO_ID_BLOCK, 1, 0, 0, 36);
	host_boot();
	assert_int_equal(virtqueue_get_vring_size(live(VIRTIO_ID_BLOCK)->vq[0]), 128);
	/* The 16-bit indices wrap, too. */
	echo(live(VIRTIO_ID_BLOCK), 0, 3000, 1);
	assert_int_equal(d->served[0], 3000);
	assert_int_equal(host_info(d).fault, X100_FAULT_NONE);
	host_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_chains_wrap_around_a_ring_of_128),
	};

	return cmocka_run_group_tests_name("virtio-front/queues", tests, NULL, NULL);
}
