// SPDX-License-Identifier: BSD-3-Clause
/*
 * Entropy for the card: a virtio-entropy device (virtio 1.1, 5.4) that fills every chain from the host
 * kernel's generator.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backend.h"

#define RNG_TYPE      4
#define RNG_CHAIN_MAX 65536u        /* bytes given at once */
#define RNG_TURN_MAX  (1u << 20)    /* bytes given before others have their turn */
#define RNG_RETRY     1000000000ull /* ns, while the host itself has no entropy yet */
#define RNG_BUFFER    4096u

struct rng {
	struct x100_backend backend;
	const struct x100_backend_env *env;
	struct x100_vq *vq; /* NULL: not live */
	struct x100_chain *chain;
	struct x100_task task;
	struct x100_timer timer;
	uint64_t chains, bytes;
};

/* Fill as much of the chain as there is entropy for. Returns bytes. */
static uint32_t fill(const struct x100_chain *chain)
{
	uint8_t buffer[RNG_BUFFER];
	uint32_t want = chain->write_bytes < RNG_CHAIN_MAX ? (uint32_t)chain->write_bytes :
							     RNG_CHAIN_MAX;
	uint32_t given = 0;

	while (given < want) {
		uint32_t part = want - given < RNG_BUFFER ? want - given : RNG_BUFFER;
		ssize_t got = getrandom(buffer, part, GRND_NONBLOCK);
		size_t written;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		written = x100_chain_write(chain, given, buffer, (size_t)got);
		given += (uint32_t)written;
		if (written < (size_t)got)
			break;
	}
	explicit_bzero(buffer, sizeof(buffer));
	return given;
}

/* Serve the queue; what is too much for one turn goes on in the next. */
static void serve(void *arg)
{
	struct rng *rng = arg;
	uint64_t turn = 0;
	int got = 0;

	if (!rng->vq)
		return;
	x100_vq_notify_off(rng->vq);
	do {
		while (turn < RNG_TURN_MAX && (got = x100_vq_pop(rng->vq, rng->chain)) > 0) {
			uint32_t given = fill(rng->chain);

			if (!given && rng->chain->write_bytes) {
				x100_vq_unpop(rng->vq, 1);
				x100_vq_flush(rng->vq);
				x100_timer_set(rng->env->loop, &rng->timer, RNG_RETRY);
				return;
			}
			x100_vq_push(rng->vq, rng->chain, given);
			rng->chains++;
			rng->bytes += given;
			/* Chains of no bytes are work, too. */
			turn += given + RNG_BUFFER;
		}
		if (got < 0)
			return; /* stop() was called */
		x100_vq_flush(rng->vq);
		if (turn >= RNG_TURN_MAX) {
			x100_task_queue(rng->env->loop, &rng->task);
			return;
		}
	} while (x100_vq_notify_on(rng->vq));
}

static void rng_stop(void *arg, struct x100_vdev *dev)
{
	struct rng *rng = arg;

	(void)dev;
	x100_task_cancel(rng->env->loop, &rng->task);
	x100_timer_cancel(rng->env->loop, &rng->timer);
	x100_chain_free(rng->chain);
	rng->chain = NULL;
	rng->vq = NULL;
}

static void rng_start(void *arg, struct x100_vdev *dev, uint32_t features)
{
	struct rng *rng = arg;

	(void)features;
	rng->vq = x100_vdev_queue(dev, 0);
	rng->chain = x100_chain_new(rng->vq);
	if (!rng->chain) {
		rng->env->log(rng->env->log_arg, X100_LOG_ERR,
			      "rng: no memory, the device is dead");
		rng->vq = NULL;
		return;
	}
	serve(rng);
}

static void rng_kick(void *arg, struct x100_vdev *dev)
{
	(void)dev;
	serve(arg);
}

static const struct x100_backend_ops rng_ops = {
	.start = rng_start,
	.stop = rng_stop,
	.kick = rng_kick,
};

static int rng_check(const struct x100_spec *spec, struct x100_why *why)
{
	if (spec->count != 1 || strcmp(spec->word[0], "yes"))
		return x100_fail(why, X100_ERR_ARGUMENT, "'yes' is all that rng can be");
	return X100_OK;
}

static int rng_open(const struct x100_backend_env *env, const char *name, const char *spec,
		    struct x100_why *why, struct x100_backend **backend)
{
	struct x100_vdev_params params = {
		.type = RNG_TYPE,
		.queues = 1,
		.config = "",
		.name = name,
		.ops = &rng_ops,
	};
	struct rng *rng;
	int ret = x100_backend_check("rng", spec, why);

	if (ret)
		return ret;
	rng = calloc(1, sizeof(*rng));
	if (!rng)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for %s", name);
	rng->backend.class = &x100_rng_class;
	strncpy(rng->backend.name, name, sizeof(rng->backend.name) - 1);
	rng->env = env;
	rng->task = (struct x100_task){ .run = serve, .arg = rng };
	rng->timer = (struct x100_timer){ .expired = serve, .arg = rng };
	params.arg = rng;
	ret = x100_vpage_add(env->page, &params, &rng->backend.dev);
	if (ret) {
		free(rng);
		return x100_fail(why, ret, "%s: %s", name, x100_error_words(ret));
	}
	*backend = &rng->backend;
	return X100_OK;
}

static void rng_close(struct x100_backend *backend)
{
	free(backend);
}

static void rng_status(const struct x100_backend *backend, struct json_object *status)
{
	const struct rng *rng = (const struct rng *)backend;

	json_object_object_add(status, "chains_filled", json_object_new_uint64(rng->chains));
	json_object_object_add(status, "bytes", json_object_new_uint64(rng->bytes));
}

const struct x100_backend_class x100_rng_class = {
	.kind = "rng",
	.check = rng_check,
	.open = rng_open,
	.close = rng_close,
	.status = rng_status,
};
