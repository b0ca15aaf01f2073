/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket: who may connect, and which card a connection is for. */
#ifndef X100D_CONTROL_H
#define X100D_CONTROL_H

#include "served.h"

struct control {
	struct x100_loop *loop;
	const struct config *config;
	struct served *cards; /* config->cards of them */
	struct log_source *log;
	char path[MESSAGE_PATH];
	int lock; /* held as long as the socket is ours */
	struct x100_watch watch;
	struct x100_timer again; /* accept again after descriptors had run out */
	struct waiting *waiting; /* clients that have not said what they want */
};

/*
 * Make the socket and listen; @path NULL: the default one. The other members were filled in. Returns
 * an enum x100_error.
 */
int control_open(struct control *control, const char *path, struct x100_why *why);
void control_close(struct control *control);

/* Make a folder and those above it, private to this user. Returns 0 or -errno. */
int control_make_folder(const char *path, unsigned int mode);

#endif
