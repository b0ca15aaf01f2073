// SPDX-License-Identifier: BSD-3-Clause
/* x100 push */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <x100/reason.h>

#include "cmd.h"

enum {
	OPT_AT = 256,
	OPT_DECLARE
};

/* The longest silence of x100d: a reset, the boot until the image is entered, and until the login. */
#define ANSWER_SECONDS                                                                             \
	((unsigned int)((X100_RESET_DEADLINE + X100_TAKE_DEADLINE + X100_RUN_DEADLINE) /           \
			X100_NS_PER_SEC) +                                                         \
	 60)

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

static void on_event(void *arg, json_object *event)
{
	static const struct {
		const char *name;
		enum x100_push_step step;
	} steps[] = { { "reset", X100_PUSH_RESET },
		      { "image", X100_PUSH_IMAGE },
		      { "ramdisk", X100_PUSH_RAMDISK } };

	if (answer_member(event, "post", json_type_int)) {
		on_post(arg, (uint32_t)answer_number(event, "post"));
		return;
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (!strcmp(answer_text(event, "step"), steps[i].name))
			on_progress(arg, steps[i].step, answer_number(event, "done"),
				    answer_number(event, "all"));
}

static void print_done(const struct x100_push *push, uint64_t bytes, uint64_t ns)
{
	char text[32];

	printf("pushed %s, %.0f MB/s, %s\n", cmd_bytes(bytes, text),
	       ns ? (double)bytes * 1e3 / (double)ns : 0.0,
	       push->wait == X100_WAIT_RUNNING ? "the card OS is running" :
						 "the image was entered");
}

/* Through x100d: without an image it takes the last one again. */
static int ask_daemon(struct target *target, const struct x100_push *push, struct bar *bar)
{
	int fd[2] = { push->image.fd, push->ramdisk.fd };
	struct target_ask ask = {
		.fd = fd,
		.fds = (push->image.fd >= 0) + (push->ramdisk.fd >= 0),
		.seconds = ANSWER_SECONDS,
		.event = on_event,
		.arg = bar,
	};
	json_object *request = target_request(target, "push"), *answer;
	bool fine;

	json_object_object_add(request, "image", json_object_new_boolean(push->image.fd >= 0));
	json_object_object_add(request, "ramdisk", json_object_new_boolean(push->ramdisk.fd >= 0));
	json_object_object_add(request, "wait_running",
			       json_object_new_boolean(push->wait == X100_WAIT_RUNNING));
	json_object_object_add(request, "unchecked", json_object_new_boolean(push->unchecked));
	json_object_object_add(request, "ramdisk_at", json_object_new_uint64(push->ramdisk_at));
	json_object_object_add(request, "declare_size", json_object_new_int64(push->declare_size));
	if (push->cmdline)
		json_object_object_add(request, "cmdline", json_object_new_string(push->cmdline));
	fine = target_ask(target, request, &ask, &answer);
	bar_end(bar);
	if (!fine)
		return target_failed(&ask);
	print_done(push, answer_number(answer, "bytes"), answer_number(answer, "copy_ns"));
	json_object_put(answer);
	return 0;
}

static int push_here(struct target *target, struct x100_push *push, struct bar *bar,
		     const char *image, const char *ramdisk)
{
	struct x100_push_result result;
	char why[2 * X100_WHY_SIZE];
	int ret;

	push->progress = on_progress;
	push->post = on_post;
	push->arg = bar;
	ret = x100_push(target->card, push, &result);
	bar_end(bar);
	cmd_stamps_save(target->device, &result.times);
	if (ret) {
		snprintf(why, sizeof(why), "%s: %s", ret == X100_ERR_RAMDISK ? ramdisk : image,
			 x100_why(target->card));
		return cmd_error(ret, why, result.reason ? x100_reason_hint(result.reason) : NULL);
	}
	print_done(push, result.placement.image_size + result.placement.ramdisk_size,
		   result.copy_ns);
	return 0;
}

static int do_push(const char *image, const char *ramdisk, struct x100_push *push)
{
	struct bar bar = { 0 };
	struct target target;
	int status = 0;

	if (image)
		status = open_blob(image, &push->image);
	if (!status && ramdisk)
		status = open_blob(ramdisk, &push->ramdisk);
	if (!status && ramdisk && !push->ramdisk.size)
		status = cmd_error(X100_ERR_RAMDISK, "the file is empty", NULL);
	if (status)
		return status;
	status = target_open(&target);
	if (!status && target.daemon >= 0)
		status = ask_daemon(&target, push, &bar);
	else if (!status && !image)
		status = cmd_error(X100_ERR_NO_DAEMON,
				   "only x100d remembers an image, so IMAGE has to be given", NULL);
	else if (!status)
		status = push_here(&target, push, &bar, image, ramdisk);
	target_close(&target);
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
	if (optind + 1 < argc || (optind == argc && (ramdisk || push.cmdline)))
		return cmd_usage(&command_push, "push takes one image");
	status = do_push(optind < argc ? argv[optind] : NULL, ramdisk, &push);
	if (push.image.fd >= 0)
		close(push.image.fd);
	if (push.ramdisk.fd >= 0)
		close(push.ramdisk.fd);
	return status;
}

const struct command command_push = {
	.name = "push",
	.usage = "[IMAGE] [--initrd FILE] [--cmdline TEXT] [--wait ready|running] [--force]",
	.help = "Copy a bzImage into card memory and start it. A card that is starting is waited for; one\n"
		"that does anything else is reset first. Without IMAGE, x100d takes what was pushed last, or what\n"
		"its configuration names.\n\n"
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
