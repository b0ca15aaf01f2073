// SPDX-License-Identifier: BSD-3-Clause
/* State files, written beside the old one and renamed over it. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void state_free(struct state *state)
{
	free(state->page);
	json_object_put(state->devices);
	memset(state, 0, sizeof(*state));
}

bool state_path(const char *folder, const char *card, char *path, size_t size)
{
	return (size_t)snprintf(path, size, "%s/%s.json", folder, card) < size;
}

static int write_file(const char *path, const char *text, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int ret = 0;

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < size && !ret;) {
		ssize_t n = write(fd, text + done, size - done);

		if (n < 0 && errno != EINTR)
			ret = -errno;
		else if (n > 0)
			done += (size_t)n;
	}
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

int state_save(const char *path, const char *device, const struct state *state)
{
	json_object *root = json_object_new_object(), *steps = json_object_new_array();
	char other[4096];
	const char *text;
	size_t size;
	int ret;

	for (int i = 0; i < X100_PUSH_STEPS; i++)
		json_object_array_add(steps, json_object_new_uint64(state->times.realtime[i]));
	json_object_object_add(root, "version", json_object_new_int(1));
	json_object_object_add(root, "device", json_object_new_string(device));
	json_object_object_add(root, "last_push_ns", steps);
	if (state->devices)
		json_object_object_add(root, "devices", json_object_get(state->devices));
	if (state->page)
		json_object_object_add(root, "page", json_object_new_string(state->page));
	text = json_object_to_json_string_length(root, JSON_C_TO_STRING_PLAIN, &size);
	if (!text)
		ret = -ENOMEM;
	else if ((size_t)snprintf(other, sizeof(other), "%s.new", path) >= sizeof(other))
		ret = -ENAMETOOLONG;
	else
		ret = write_file(other, text, size);
	if (!ret && rename(other, path))
		ret = -errno;
	json_object_put(root);
	return ret;
}

/* Members of a file that is for @device; what is missing stays as it is. */
static int take(json_object *root, const char *device, struct state *state)
{
	json_object *member;

	if (!json_object_is_type(root, json_type_object) ||
	    !json_object_object_get_ex(root, "version", &member) ||
	    json_object_get_int(member) != 1)
		return -EINVAL;
	if (!json_object_object_get_ex(root, "device", &member) ||
	    !json_object_is_type(member, json_type_string) ||
	    strcmp(json_object_get_string(member), device))
		return -ENOENT;
	if (json_object_object_get_ex(root, "last_push_ns", &member) &&
	    json_object_is_type(member, json_type_array) &&
	    json_object_array_length(member) == X100_PUSH_STEPS)
		for (size_t i = 0; i < X100_PUSH_STEPS; i++)
			state->times.realtime[i] =
				json_object_get_uint64(json_object_array_get_idx(member, i));
	if (json_object_object_get_ex(root, "devices", &member) &&
	    json_object_is_type(member, json_type_array))
		state->devices = json_object_get(member);
	if (json_object_object_get_ex(root, "page", &member) &&
	    json_object_is_type(member, json_type_string)) {
		state->page = strdup(json_object_get_string(member));
		if (!state->page)
			return -ENOMEM;
	}
	return 0;
}

int state_load(const char *path, const char *device, struct state *state)
{
	json_object *root;
	int ret;

	memset(state, 0, sizeof(*state));
	if (access(path, F_OK))
		return -ENOENT;
	root = json_object_from_file(path);
	ret = take(root, device, state);
	json_object_put(root);
	return ret;
}
