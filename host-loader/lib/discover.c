// SPDX-License-Identifier: BSD-3-Clause
/* Which cards there are, and which one a person means. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "why.h"

/* Where models put their sockets. */
static void socket_folder(char *path, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime && runtime[0])
		snprintf(path, size, "%s/x100", runtime);
	else
		snprintf(path, size, "/tmp/x100-%u/x100", (unsigned int)getuid());
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Append one name. The list takes what it needs; a name too long for any use is left out. */
static int add(struct x100_device_list *list, const char *folder, const char *file)
{
	char(*more)[X100_NAME_SIZE];
	char path[X100_NAME_SIZE - 8];
	struct stat st;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, file) >= sizeof(path))
		return X100_OK;
	if (stat(path, &st) || !S_ISSOCK(st.st_mode))
		return X100_OK;
	more = realloc(list->name, (list->count + 1) * sizeof(*more));
	if (!more)
		return X100_ERR_MEMORY;
	list->name = more;
	snprintf(list->name[list->count++], X100_NAME_SIZE, "model:%s", path);
	return X100_OK;
}

int x100_discover(struct x100_device_list *list)
{
	char folder[X100_NAME_SIZE];
	struct dirent *entry;
	int ret = X100_OK;
	DIR *dir;

	memset(list, 0, sizeof(*list));
	socket_folder(folder, sizeof(folder));
	dir = opendir(folder);
	if (!dir)
		return errno == ENOENT || errno == ENOTDIR ? X100_OK :
		       errno == EACCES                     ? X100_ERR_PERMISSION :
							     X100_ERR_SYSTEM;
	while (!ret && (entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (n > 5 && !strcmp(entry->d_name + n - 5, ".sock"))
			ret = add(list, folder, entry->d_name);
	}
	closedir(dir);
	if (ret) {
		x100_device_list_free(list);
		return ret;
	}
	if (list->count)
		qsort(list->name, list->count, sizeof(*list->name), by_name);
	return X100_OK;
}

void x100_device_list_free(struct x100_device_list *list)
{
	free(list->name);
	memset(list, 0, sizeof(*list));
}

int x100_choose(const char *wanted, char *name, struct x100_why *why)
{
	struct x100_device_list list;
	int ret;

	if (!wanted || !wanted[0])
		wanted = getenv("X100_DEVICE");
	if (wanted && wanted[0]) {
		if (strlen(wanted) >= X100_NAME_SIZE)
			return x100_fail(why, X100_ERR_NAME, "it is too long");
		strcpy(name, wanted);
		return X100_OK;
	}
	ret = x100_discover(&list);
	if (ret)
		return x100_fail(why, ret, "the folder of the models' sockets cannot be read");
	if (!list.count) {
		char folder[X100_NAME_SIZE];

		socket_folder(folder, sizeof(folder));
		ret = x100_fail(why, X100_ERR_NO_DEVICE, "no model has a socket in %s", folder);
	} else if (list.count > 1) {
		char text[X100_WHY_SIZE] = "";
		size_t n = 0;

		for (unsigned int i = 0; i < list.count && n < sizeof(text); i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
					      list.name[i]);
		ret = x100_fail(why, X100_ERR_AMBIGUOUS, "%s", text);
	} else {
		strcpy(name, list.name[0]);
	}
	x100_device_list_free(&list);
	return ret;
}
