// SPDX-License-Identifier: BSD-3-Clause
/* Opening the card a person means, saying what went wrong, and small things for printing. */
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

static struct x100_card *signal_card;
static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
	signalled = number;
	if (signal_card)
		x100_interrupt(signal_card);
}

void cmd_help(const struct command *command, FILE *to)
{
	fprintf(to, "usage: x100 [-d DEVICE] %s %s\n\n%s", command->name, command->usage,
		command->help);
}

int cmd_usage(const struct command *command, const char *what)
{
	if (what)
		fprintf(stderr, "x100: %s\n", what);
	fprintf(stderr, "      try: x100 %s --help\n", command->name);
	return CMD_USAGE;
}

int cmd_error(int error, const char *particulars, const char *hint)
{
	fprintf(stderr, "x100: %s%s%s\n", x100_error_words(error), particulars[0] ? ": " : "",
		particulars);
	if (!hint)
		hint = x100_error_hint(error);
	if (hint[0])
		fprintf(stderr, "      try: %s\n", hint);
	return x100_error_exit_status(error);
}

int cmd_name(char *name)
{
	struct x100_why why = { "" };
	int ret = x100_choose(cmd_device, name, &why);

	return ret ? cmd_error(ret, why.text, NULL) : 0;
}

struct x100_card *cmd_open(int *status)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct x100_why why = { "" };
	char name[X100_NAME_SIZE];
	struct x100_card *card;
	int ret;

	*status = cmd_name(name);
	if (*status)
		return NULL;
	ret = x100_open(name, &card, &why);
	if (ret) {
		*status = cmd_error(ret, why.text, NULL);
		return NULL;
	}
	signal_card = card;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	return card;
}

void cmd_close(struct x100_card *card)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal_card = NULL;
	x100_close(card);
}

bool cmd_interrupted(void)
{
	return signalled;
}

bool cmd_number(const char *text, uint64_t most, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && end != text && !*end && *value <= most && text[0] != '-';
}

bool cmd_terminal(void)
{
	return isatty(STDERR_FILENO);
}

const char *cmd_bytes(uint64_t bytes, char text[32])
{
	if (bytes < 10240)
		snprintf(text, 32, "%llu B", (unsigned long long)bytes);
	else if (bytes < 10240 * 1024)
		snprintf(text, 32, "%.1f KiB", (double)bytes / 1024);
	else
		snprintf(text, 32, "%.1f MiB", (double)bytes / (1024 * 1024));
	return text;
}

void cmd_show_post(void *arg, uint32_t post)
{
	char text[8];

	(void)arg;
	if (cmd_terminal())
		fprintf(stderr, "  card %s: %s\n", x100_post_text(post, text),
			x100_post_words(post));
}

const char *cmd_step_name(enum x100_push_step step)
{
	static const char *const names[X100_PUSH_STEPS] = {
		[X100_PUSH_CHECK] = "push begins",
		[X100_PUSH_RESET] = "reset or wait for the bootstrap",
		[X100_PUSH_IMAGE] = "copying the image",
		[X100_PUSH_RAMDISK] = "copying the ramdisk",
		[X100_PUSH_PREPARE] = "preparing mailbox and interrupts",
		[X100_PUSH_GO] = "boot interrupt",
		[X100_PUSH_TAKEN] = "saw the image entered",
		[X100_PUSH_RUNNING] = "saw the card OS running",
	};

	return names[step];
}

/* Path of the state file of a device; false when there is no home for it. */
static bool stamps_path(const char *device, char *path, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	size_t n;

	if (state && state[0])
		n = (size_t)snprintf(path, size, "%s/x100/", state);
	else if (home && home[0])
		n = (size_t)snprintf(path, size, "%s/.local/state/x100/", home);
	else
		return false;
	/* Each folder on the way; those that are there already do not matter. */
	for (size_t i = 1; i < n && i < size; i++) {
		if (path[i] != '/')
			continue;
		path[i] = '\0';
		mkdir(path, 0700);
		path[i] = '/';
	}
	for (; *device && n + 6 < size; device++)
		path[n++] = *device == '/' ? '%' : *device;
	if (n + 6 >= size)
		return false;
	strcpy(path + n, ".json");
	return true;
}

bool cmd_stamps_save(const char *device, const struct x100_push_times *times)
{
	json_object *root, *steps;
	char path[1024];
	bool ok;

	if (!stamps_path(device, path, sizeof(path)))
		return false;
	root = json_object_new_object();
	steps = json_object_new_array();
	for (int i = 0; i < X100_PUSH_STEPS; i++)
		json_object_array_add(steps, json_object_new_int64((int64_t)times->realtime[i]));
	json_object_object_add(root, "device", json_object_new_string(device));
	json_object_object_add(root, "last_push_ns", steps);
	ok = !json_object_to_file(path, root);
	json_object_put(root);
	return ok;
}

bool cmd_stamps_load(const char *device, struct x100_push_times *times)
{
	json_object *root, *steps;
	char path[1024];
	bool ok = false;

	memset(times, 0, sizeof(*times));
	if (!stamps_path(device, path, sizeof(path)) || access(path, R_OK))
		return false;
	root = json_object_from_file(path);
	if (root && json_object_object_get_ex(root, "last_push_ns", &steps) &&
	    json_object_is_type(steps, json_type_array) &&
	    json_object_array_length(steps) == X100_PUSH_STEPS) {
		for (int i = 0; i < X100_PUSH_STEPS; i++)
			times->realtime[i] = (uint64_t)json_object_get_int64(
				json_object_array_get_idx(steps, (size_t)i));
		ok = true;
	}
	json_object_put(root);
	return ok;
}
