// SPDX-License-Identifier: BSD-3-Clause
/*
 * Times a push and memcpy() into the same mapping of the aperture, in turns, in one process.
 *
 * usage: push-rate DEVICE FILE ROUNDS; the card at DEVICE is ready, and refuses FILE when it has it.
 * Prints JSON: per round, the time the whole push took up to the boot interrupt, and the times that
 * each MiB took in the push and in memcpy(). All in nanoseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <libx100.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Rounds before the ones that count: page tables of both sides, page cache, clock of the processor. */
#define WARM_UP 2
/* What libx100 copies between two calls of the progress function. */
#define CHUNK (1u << 20)

/* The vfio-user transport, except that it tells where the aperture is mapped. */
static struct x100_transport_ops transport;
static uint8_t *window;
static uint64_t window_size;

/* Beginning of each chunk of the push that goes on, and its end. */
static uint64_t *stamp;
static uint64_t chunks;

static int map_and_tell(void *dev, unsigned int region, uint64_t offset, uint64_t size, void **at)
{
	int ret = x100_vfu_transport.map(dev, region, offset, size, at);

	if (!ret && region == X100_REGION_APERTURE && !offset) {
		window = *at;
		window_size = size;
	}
	return ret;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "push-rate: %s: %s\n", what, why);
	exit(1);
}

static uint64_t now(void)
{
	return x100_system_clock.monotonic(NULL);
}

static void on_progress(void *arg, enum x100_push_step step, uint64_t done, uint64_t all)
{
	(void)arg;
	(void)all;
	if (step == X100_PUSH_IMAGE)
		stamp[(done + CHUNK - 1) / CHUNK] = now();
}

/* The card judges, and refuses, after all has been copied and the boot interrupt sent. */
static void push(struct x100_card *card, const struct x100_blob *image, uint64_t *whole,
		 uint64_t *to)
{
	struct x100_push_result result;
	struct x100_push order = { .image = *image, .unchecked = true, .progress = on_progress };
	int ret = x100_push(card, &order, &result);

	if (ret != X100_ERR_REFUSED)
		die("the card did not refuse the image", ret ? x100_why(card) : "it was entered");
	*whole = result.times.realtime[X100_PUSH_GO] - result.times.realtime[X100_PUSH_CHECK];
	*to = result.placement.image;
}

static void copy(uint8_t *to, const uint8_t *from, uint64_t size)
{
	uint64_t at;

	for (at = 0; at < size; at += CHUNK) {
		stamp[at / CHUNK] = now();
		memcpy(to + at, from + at, size - at < CHUNK ? size - at : CHUNK);
	}
	stamp[at / CHUNK] = now();
}

static void print_chunks(const char *name)
{
	printf(", \"%s\": [", name);
	for (uint64_t i = 0; i < chunks; i++)
		printf("%s%llu", i ? ", " : "", (unsigned long long)(stamp[i + 1] - stamp[i]));
	printf("]");
}

int main(int argc, char **argv)
{
	struct x100_blob image = { 0 };
	struct x100_card *card;
	struct x100_why why;
	unsigned long rounds;
	uint8_t *prepared;
	struct stat st;

	if (argc != 4 || strncmp(argv[1], "model:", 6))
		die("usage", "push-rate model:SOCKET FILE ROUNDS");
	rounds = strtoul(argv[3], NULL, 10);
	image.fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (image.fd < 0 || fstat(image.fd, &st))
		die(argv[2], strerror(errno));
	image.size = (uint64_t)st.st_size;
	chunks = (image.size + CHUNK - 1) / CHUNK;
	prepared = malloc(image.size);
	stamp = calloc(chunks + 1, sizeof(*stamp));
	if (!prepared || !stamp)
		die(argv[2], "no memory for it");
	if (read(image.fd, prepared, image.size) != st.st_size)
		die(argv[2], "cannot be read in one piece");

	transport = x100_vfu_transport;
	transport.map = map_and_tell;
	if (x100_open_with(&transport, argv[1] + strlen("model:"), &x100_system_clock, &card, &why))
		die(argv[1], why.text);
	printf("{\"bytes\": %llu, \"rounds\": [", (unsigned long long)image.size);
	for (unsigned long i = 0; i < WARM_UP + rounds; i++) {
		uint64_t whole, to;

		push(card, &image, &whole, &to);
		if (!window || to > window_size || image.size > window_size - to)
			die(argv[1], "the aperture is not mapped where the image goes");
		if (i >= WARM_UP) {
			printf("%s\n{\"whole\": %llu", i > WARM_UP ? "," : "",
			       (unsigned long long)whole);
			print_chunks("push");
		}
		copy(window + to, prepared, image.size);
		if (i >= WARM_UP) {
			print_chunks("memcpy");
			printf("}");
		}
	}
	printf("]}\n");
	x100_close(card);
	free(stamp);
	free(prepared);
	return 0;
}
