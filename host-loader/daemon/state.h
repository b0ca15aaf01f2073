/* SPDX-License-Identifier: BSD-3-Clause */
/* What x100d remembers about a card over a restart: one small file per card. */
#ifndef X100D_STATE_H
#define X100D_STATE_H

#include <json-c/json.h>
#include <libx100.h>

struct state {
	char *page; /* as x100_vpage_state() gave it; NULL: none */
	struct x100_push_times times;
	json_object *devices; /* array of {"name", "spec"}: those added at run time; NULL: none */
};

void state_free(struct state *state);

/* Path of a card's file; false when it is too long. */
bool state_path(const char *folder, const char *card, char *path, size_t size);

/* Write atomically: whoever reads finds the old or the new. Returns 0 or -errno. */
int state_save(const char *path, const char *device, const struct state *state);

/*
 * Read what was written for @device; state_free() frees it. Returns 0; -ENOENT when there is nothing, also of another device;
 * -EINVAL when the file makes no sense.
 */
int state_load(const char *path, const char *device, struct state *state);

#endif
