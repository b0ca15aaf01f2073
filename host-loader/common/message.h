/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What x100 and x100d say to each other over the control socket: JSON objects, one per line, file
 * descriptors travelling with the line that needs them (x100d(8) "Control protocol").
 */
#ifndef X100_MESSAGE_H
#define X100_MESSAGE_H

#include <json-c/json.h>
#include <libx100.h>

#define MESSAGE_REQUEST_MAX (64u << 10) /* bytes of a line to x100d */
#define MESSAGE_ANSWER_MAX  (1u << 20)  /* bytes of a line from x100d */
#define MESSAGE_FDS         4           /* descriptors that may wait for their line */

/* The receiving end: bytes and descriptors that came and were not taken yet. */
struct message_reader {
	char *data;
	size_t used, room;
	size_t limit; /* bytes of a line, its end included */
	int fd[MESSAGE_FDS];
	unsigned int fds;
};

void message_reader_init(struct message_reader *reader, size_t limit);
/* Frees the bytes and closes the descriptors. */
void message_reader_free(struct message_reader *reader);

/*
 * Receive once from a socket; waits only if the socket does.
 *
 * Returns the number of bytes, 0 at the end of the stream, or -errno; -EMSGSIZE when a line is longer
 * than the limit or more descriptors came than fit: the connection is to be ended.
 */
int message_receive(struct message_reader *reader, int socket);

/*
 * Take the next line. Empty lines are skipped.
 *
 * @object: for the caller to put
 *
 * Returns 1 with an object, 0 when no whole line is there, X100_ERR_ARGUMENT for a line that is no
 * JSON object; that line is gone then.
 */
int message_next(struct message_reader *reader, json_object **object, struct x100_why *why);

/* Take the oldest descriptor; the caller closes it. -1: none. */
int message_take_fd(struct message_reader *reader);

/*
 * Send an object and descriptors, waiting for as long as the socket does. Returns 0 or -errno.
 */
int message_send(int socket, json_object *object, const int *fd, unsigned int fds);

/*
 * Members of an object. What is not there gives the default, what is there and is something else
 * X100_ERR_ARGUMENT.
 */
int message_string(json_object *object, const char *name, const char **value, struct x100_why *why);
int message_number(json_object *object, const char *name, uint64_t most, uint64_t *value,
		   struct x100_why *why);
int message_flag(json_object *object, const char *name, bool *value, struct x100_why *why);

/* "ARGUMENT" and so on; "UNKNOWN" for a number that is no error. */
const char *message_error_name(int error);
/* {"ok": true}. */
json_object *message_ok(void);
/* {"ok": false, ...}; @hint NULL: the one of @error. */
json_object *message_error(int error, const char *why, const char *hint);

#define MESSAGE_PATH 104 /* bytes of a socket's path, NUL included */

/*
 * Where x100d has its socket if nothing else is said: $RUNTIME_DIRECTORY/control as systemd gives it,
 * else ${XDG_RUNTIME_DIR:-/tmp/x100-UID}/x100d/control. False when it is too long for a socket.
 */
bool message_default_path(char path[MESSAGE_PATH]);

#endif
