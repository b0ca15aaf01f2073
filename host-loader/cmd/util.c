// SPDX-License-Identifier: BSD-3-Clause
/* Saying what went wrong, options that commands share, and small things for printing. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

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

int cmd_plain_options(const struct command *command, int argc, char **argv, bool *json)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 },
	};
	char text[64];
	int c;

	while ((c = getopt_long(argc, argv, "d:hj", options, NULL)) != -1) {
		if (c == 'd') {
			cmd_device = optarg;
		} else if (c == 'h') {
			cmd_help(command, stdout);
			return 0;
		} else if (c == 'j' && json) {
			*json = true;
		} else {
			return cmd_usage(command, NULL);
		}
	}
	if (optind == argc)
		return -1;
	snprintf(text, sizeof(text), "%s takes no arguments", command->name);
	return cmd_usage(command, text);
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
