// SPDX-License-Identifier: BSD-3-Clause
/* x100 push */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <x100/reason.h>

#include "cmd.h"

enum {
	OPT_AT = 256,
	OPT_DECLARE
};

/* What the progress bar remembers between two calls. */
struct bar {
	uint64_t start; /* ns, when the step began */
	uint64_t drawn; /* ns, when it was drawn last */
	bool open;      /* a line without its end stands on the terminal */
};

static uint64_t now_ns(void)
{
	return x100_system_clock.monotonic(NULL);
}

static void bar_end(struct bar *bar)
{
	if (bar->open)
		fputc('\n', stderr);
	bar->open = false;
}

static void draw(struct bar *bar, const char *what, uint64_t done, uint64_t all)
{
	static const char marks[] = "##############################";
	char text[32];
	uint64_t now = now_ns();
	unsigned int filled = all ? (unsigned int)(done * 30 / all) : 30;

	if (!done)
		bar->start = now;
	/* Drawing costs more than copying: ten times a second is enough. */
	if (done && done < all && now - bar->drawn < X100_NS_PER_SEC / 10)
		return;
	bar->drawn = now;
	fprintf(stderr, "\r  %-8s [%-30.*s] %s", what, (int)filled, marks, cmd_bytes(done, text));
	if (now > bar->start)
		fprintf(stderr, "  %.0f MB/s ", (double)done * 1e3 / (double)(now - bar->start));
	fflush(stderr);
	bar->open = true;
	if (done == all)
		bar_end(bar);
}

static void on_progress(void *arg, enum x100_push_step step, uint64_t done, uint64_t all)
{
	struct bar *bar = arg;

	if (!cmd_terminal())
		return;
	switch (step) {
	case X100_PUSH_IMAGE:
		draw(bar, "image", done, all);
		break;
	case X100_PUSH_RAMDISK:
		draw(bar, "ramdisk", done, all);
		break;
	case X100_PUSH_RESET:
		fprintf(stderr, "  the card is not ready: waiting for its bootstrap\n");
		break;
	default:
		break;
	}
}

static void on_post(void *arg, uint32_t post)
{
	bar_end(arg);
	cmd_show_post(NULL, post);
}

/* Open a file to push. Returns an exit status. */
static int open_blob(const char *path, struct x100_blob *blob)
{
	char text[X100_WHY_SIZE];
	struct stat st;

	blob->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (blob->fd < 0 || fstat(blob->fd, &st)) {
		snprintf(text, sizeof(text), "%s: %s", path, strerror(errno));
		return cmd_error(X100_ERR_FILE, text, NULL);
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(text, sizeof(text), "%s is not a regular file", path);
		return cmd_error(X100_ERR_FILE, text, NULL);
	}
	blob->size = (uint64_t)st.st_size;
	return 0;
}

static int do_push(const char *image, const char *ramdisk, struct x100_push *push, struct bar *bar)
{
	struct x100_push_result result;
	char name[X100_NAME_SIZE], why[2 * X100_WHY_SIZE], text[32];
	struct x100_card *card;
	uint64_t bytes;
	int ret, status;

	status = open_blob(image, &push->image);
	if (!status && ramdisk)
		status = open_blob(ramdisk, &push->ramdisk);
	if (!status && ramdisk && !push->ramdisk.size)
		status = cmd_error(X100_ERR_RAMDISK, "the file is empty", NULL);
	if (!status)
		status = cmd_name(name);
	if (status)
		return status;
	card = cmd_open(&status);
	if (!card)
		return status;

	push->progress = on_progress;
	push->post = on_post;
	push->arg = bar;
	ret = x100_push(card, push, &result);
	bar_end(bar);
	cmd_stamps_save(name, &result.times);
	bytes = result.placement.image_size + result.placement.ramdisk_size;
	if (ret) {
		snprintf(why, sizeof(why), "%s: %s", ret == X100_ERR_RAMDISK ? ramdisk : image,
			 x100_why(card));
		status =
			cmd_error(ret, why, result.reason ? x100_reason_hint(result.reason) : NULL);
	} else {
		printf("pushed %s, %.0f MB/s, ", cmd_bytes(bytes, text),
		       result.copy_ns ? (double)bytes * 1e3 / (double)result.copy_ns : 0.0);
		printf("%s\n", push->wait == X100_WAIT_RUNNING ? "the card OS is running" :
								 "the image was entered");
	}
	cmd_close(card);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "initrd", required_argument, NULL, 'i' },
		{ "cmdline", required_argument, NULL, 'c' },
		{ "wait", required_argument, NULL, 'w' },
		{ "force", no_argument, NULL, 'f' },
		{ "initrd-at", required_argument, NULL, OPT_AT },
		{ "declare-size", required_argument, NULL, OPT_DECLARE },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct x100_push push = { .image.fd = -1, .ramdisk.fd = -1 };
	struct bar bar = { 0 };
	const char *ramdisk = NULL;
	uint64_t value;
	int c, status;

	while ((c = getopt_long(argc, argv, "d:i:c:w:fh", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cmd_device = optarg;
			break;
		case 'i':
			ramdisk = optarg;
			break;
		case 'c':
			push.cmdline = optarg;
			break;
		case 'w':
			if (!strcmp(optarg, "running"))
				push.wait = X100_WAIT_RUNNING;
			else if (!strcmp(optarg, "ready"))
				push.wait = X100_WAIT_TAKEN;
			else
				return cmd_usage(&command_push, "--wait takes ready or running");
			break;
		case 'f':
			push.unchecked = true;
			break;
		case OPT_AT:
			if (!cmd_number(optarg, UINT32_MAX, &push.ramdisk_at) || !push.ramdisk_at)
				return cmd_usage(&command_push,
						 "--initrd-at takes a 32-bit address, not 0");
			break;
		case OPT_DECLARE:
			if (!cmd_number(optarg, UINT32_MAX, &value) || !value)
				return cmd_usage(&command_push,
						 "--declare-size takes a 32-bit number, not 0");
			push.declare_size = (uint32_t)value;
			break;
		case 'h':
			cmd_help(&command_push, stdout);
			return 0;
		default:
			return cmd_usage(&command_push, NULL);
		}
	}
	if (optind + 1 != argc)
		return cmd_usage(&command_push, "push takes one image");
	status = do_push(argv[optind], ramdisk, &push, &bar);
	if (push.image.fd >= 0)
		close(push.image.fd);
	if (push.ramdisk.fd >= 0)
		close(push.ramdisk.fd);
	return status;
}

const struct command command_push = {
	.name = "push",
	.usage = "IMAGE [--initrd FILE] [--cmdline TEXT] [--wait ready|running] [--force]",
	.help = "Copy a bzImage into card memory and start it. A card that is starting is waited for; one\n"
		"that does anything else is reset first.\n\n"
		"  -i, --initrd FILE       ramdisk\n"
		"  -c, --cmdline TEXT      added to the kernel command line\n"
		"  -w, --wait ready        return when the bootstrap entered the image (default)\n"
		"  -w, --wait running      return when the card OS offers a login (POST up)\n"
		"      --initrd-at ADDRESS put the ramdisk there instead of at twice the download address\n"
		"  -f, --force             let the card judge image and placement, not this command\n"
		"      --declare-size N    say N bytes to the card instead of the size of IMAGE; with\n"
		"                          --force, for tests of the card\n",
	.run = run,
};
