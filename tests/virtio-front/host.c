// SPDX-License-Identifier: BSD-3-Clause
/* The real host code over a transport that is the machine itself. */
#include "host.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <x100/irq.h>
#include <x100/post.h>
#include <x100/regs.h>

#include <card.h>

#define FOR_EVER (1 << 30)

struct host host;
static struct x100_transport_ops ops;
static bool idle;

/* ------------------------------------------------------------------ interrupts both ways */

static u32 sicr, sice;

static void deliver(u32 causes)
{
	u32 cleared = 0;

	for (unsigned int v = 0; v < fake.irqs && causes; v++) {
		u32 mxar = fake_sbox(X100_SBOX_MXAR(v));

		if (!(mxar & causes))
			continue;
		eventfd_write(fake.irq_fd[v], 1);
		cleared |= mxar & fake_sbox(X100_SBOX_SIAC0);
	}
	sicr &= ~cleared;
}

/* The card stored into a register. */
static void from_card(u32 offset, u32 value)
{
	for (unsigned int n = 0; n < X100_HOST_DOORBELLS; n++) {
		u32 cause = X100_SRC_DOORBELL(n);

		if (offset != X100_MMIO_SBOX + X100_SBOX_SDBIC(n) || !(value & X100_SDBIC_REQUEST))
			continue;
		fake_set_sbox(X100_SBOX_SDBIC(n), value & ~X100_SDBIC_REQUEST);
		if (sicr & cause)
			continue;
		sicr |= cause;
		deliver(cause & sice);
	}
}

/* The host stored into one. */
static void from_host(u64 offset, u32 value)
{
	offset -= X100_MMIO_SBOX;
	if (offset == X100_SBOX_SICE0) {
		sice |= value;
		deliver(sicr & value);
	}
	for (unsigned int n = 0; n < X100_ICRS; n++)
		if ((offset == X100_SBOX_APICICR_LO(n) && (value & X100_ICR_SEND)) ||
		    offset == X100_SBOX_RDMASR(n))
			sim_ring_card(offset == X100_SBOX_RDMASR(n) ? n + X100_ICRS : n);
}

static int op_read32(void *dev, unsigned int region, uint64_t offset, uint32_t *value)
{
	if (host.gone)
		return X100_ERR_GONE;
	return fake_ops.read32(dev, region, offset, value);
}

static int op_write32(void *dev, unsigned int region, uint64_t offset, uint32_t value)
{
	int ret = host.gone ? X100_ERR_GONE : fake_ops.write32(dev, region, offset, value);

	if (!ret && region == X100_REGION_MMIO)
		from_host(offset, value);
	return ret;
}

static int op_dma_map(void *dev, const struct x100_dma *dma)
{
	int ret = host.gone ? X100_ERR_GONE : fake_ops.dma_map(dev, dma);

	if (!ret)
		sim_host_map(dma->iova, dma->size, dma->fd, 0);
	return ret;
}

static int op_dma_unmap(void *dev, const struct x100_dma *dma)
{
	/* Who is gone has unmapped it by going. */
	if (!host.gone)
		sim_host_unmap(dma->iova, dma->size);
	return fake_ops.dma_unmap(dev, dma);
}

/* ------------------------------------------------------------------ time */

static uint64_t monotonic(void *arg)
{
	(void)arg;
	return sim_now;
}

static void wait_instead(void *arg, uint64_t ns)
{
	(void)arg;
	idle = true;
	if (ns < FOR_EVER * SIM_MS)
		sim_host_wants(sim_now + ns);
}

static const struct x100_clock the_clock = {
	.monotonic = monotonic,
	.realtime = monotonic,
	.sleep = wait_instead,
};

static bool turn(void)
{
	if (!host.loop)
		return false;
	idle = false;
	x100_loop_turn(host.loop, FOR_EVER);
	return !idle;
}

static void note(void *arg, int level, const struct x100_vdev *dev, const char *text)
{
	(void)arg;
	(void)dev;
	if (level <= X100_LOG_WARNING)
		host.complaints++;
	if (getenv("SIM_VERBOSE"))
		fprintf(stderr, "[%10.6f] host: %s\n", (double)(sim_now % (1000 * SIM_S)) / SIM_S,
			text);
}

/* ------------------------------------------------------------------ the back-end */

static void started(void *arg, struct x100_vdev *dev, uint32_t features)
{
	struct host_dev *d = arg;

	d->dev = dev;
	d->live = true;
	d->features = features;
	d->starts++;
}

static void stopped(void *arg, struct x100_vdev *dev)
{
	struct host_dev *d = arg;

	(void)dev;
	x100_task_cancel(d->loop, &d->more);
	d->live = false;
	d->stops++;
}

static void answer(struct x100_vq *vq, const struct x100_chain *chain)
{
	static u8 out[1 << 20], in[1 << 20];
	u32 n = (u32)x100_chain_read(chain, 0, out, sizeof(out));
	u32 size = chain->write_bytes < sizeof(in) ? (u32)chain->write_bytes : sizeof(in);

	if (n != chain->read_bytes)
		sim_bug("the host read %u of %llu bytes", n, (u64)chain->read_bytes);
	for (u32 i = 0; i < size; i++)
		in[i] = echo_byte(out, n, i);
	size = (u32)x100_chain_write(chain, 0, in, size);
	x100_vq_push(vq, chain, size);
}

/* False when the device broke the rules. */
static bool serve(struct host_dev *d, unsigned int q)
{
	struct x100_vq *vq = x100_vdev_queue(d->dev, q);
	struct x100_chain *chain = x100_chain_new(vq);
	unsigned int n = 0;
	int ret;

	do {
		x100_vq_notify_off(vq);
		while ((ret = x100_vq_pop(vq, chain)) > 0) {
			answer(vq, chain);
			d->served[q]++;
			if (++n == d->at_once)
				break;
		}
		if (ret < 0)
			break;
		x100_vq_flush(vq);
		if (ret > 0) {
			x100_task_queue(d->loop, &d->more);
			break;
		}
	} while (!d->polls && x100_vq_notify_on(vq));
	x100_chain_free(chain);
	return ret >= 0;
}

static void kicked(void *arg, struct x100_vdev *dev)
{
	struct host_dev *d = arg;

	(void)dev;
	d->kicks++;
	for (unsigned int q = 0; q < d->params.queues && d->live && !d->hold; q++)
		if (!serve(d, q))
			break;
}

static void go_on(void *arg)
{
	struct host_dev *d = arg;

	kicked(d, d->dev);
}

static const struct x100_backend_ops backend = {
	.start = started,
	.stop = stopped,
	.kick = kicked,
};

static int attach(struct host_dev *d)
{
	d->loop = host.loop;
	d->live = false;
	d->more = (struct x100_task){ .run = go_on, .arg = d };
	return x100_vpage_add(host.page, &d->params, &d->dev);
}

struct host_dev *host_add(u8 type, unsigned int queues, u16 entries, u32 features, u8 config_size)
{
	struct host_dev *d = &host.dev[host.devs];

	memset(d, 0, sizeof(*d));
	snprintf(d->name, sizeof(d->name), "dev%u", host.devs++);
	for (unsigned int i = 0; i < sizeof(d->config); i++)
		d->config[i] = (u8)(i + 1);
	d->params = (struct x100_vdev_params){
		.type = type,
		.queues = queues,
		.entries = entries,
		.features = features,
		.config = d->config,
		.config_size = config_size,
		.name = d->name,
		.ops = &backend,
		.arg = d,
	};
	assert_int_equal(attach(d), X100_OK);
	return d;
}

static void removed(void *arg, int error)
{
	*(int *)arg = error;
}

static bool changed(void *arg)
{
	return *(int *)arg != 1;
}

int host_remove(struct host_dev *d)
{
	static int result;

	result = 1;
	x100_vdev_remove(d->dev, removed, &result);
	if (!sim_until(changed, &result, 20000))
		sim_bug("a removal has no end");
	d->dev = NULL;
	return result;
}

struct x100_vdev_info host_info(const struct host_dev *d)
{
	struct x100_vdev_info info;

	x100_vdev_info(d->dev, &info);
	return info;
}

/* ------------------------------------------------------------------ life */

static void open_card(void)
{
	host.gone = false;
	host.loop = x100_loop_new();
	assert_non_null(host.loop);
	x100_loop_set_clock(host.loop, &the_clock);
	assert_int_equal(x100_open_with(&ops, "here", &the_clock, &host.card, NULL), X100_OK);
}

static void close_card(void)
{
	x100_vpage_free(host.page);
	host.page = NULL;
	x100_close(host.card);
	host.card = NULL;
	x100_loop_free(host.loop);
	host.loop = NULL;
}

void host_begin(enum x100_generation generation, bool legacy_features)
{
	if (host.loop || sim_host_turn)
		host_end(); /* of a test that failed */
	sim_begin();
	drv_begin();
	memset(&host, 0, sizeof(host));
	sicr = sice = 0;
	ops = fake_ops;
	ops.read32 = op_read32;
	ops.write32 = op_write32;
	ops.post32 = NULL;
	ops.dma_map = op_dma_map;
	ops.dma_unmap = op_dma_unmap;
	sim_on_mmio = from_card;
	sim_host_turn = turn;
	open_card();
	host.params = (struct x100_vpage_params){
		.generation = generation,
		.legacy_features = legacy_features,
		.log = note,
	};
	assert_int_equal(x100_vpage_new(host.card, host.loop, &host.params, &host.page), X100_OK);
}

void host_power_on(void)
{
	struct x100_record *record = fake_record();

	assert_int_equal(card_smpt_restore(host.card), X100_OK);
	assert_int_equal(card_irq_restore(host.card), X100_OK);
	assert_int_equal(card_devpage_prepare(host.card), X100_OK);
	record->run[record->current_run].pushes++;
	fake_set_post(X100_POST_K_UP);
}

void host_boot(void)
{
	host_power_on();
	sim_boot();
	drv_load();
	sim_run(500);
}

void host_end(void)
{
	close_card();
	sim_end();
}

char *host_kill(void)
{
	char *state = x100_vpage_state(host.page);

	assert_non_null(state);
	for (unsigned int i = 0; i < host.devs; i++)
		x100_task_cancel(host.loop, &host.dev[i].more);
	sim_host_forget();
	host.gone = true;
	close_card();
	fake.irqs = 0;
	return state;
}

int host_resume(const char *state)
{
	int ret;

	open_card();
	ret = x100_vpage_resume(host.card, host.loop, &host.params, state, &host.page);
	for (unsigned int i = 0; i < host.devs && !ret; i++)
		if (host.dev[i].dev)
			ret = attach(&host.dev[i]);
	return ret ? ret : x100_vpage_resume_go(host.page);
}
