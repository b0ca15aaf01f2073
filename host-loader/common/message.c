// SPDX-License-Identifier: BSD-3-Clause
/* Lines of JSON and descriptors over a Unix socket. */
#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "why.h"

/* Received at a time. */
#define PART 4096
/* A request needs two levels; deeper ones are somebody's joke. */
#define DEPTH 8

void message_reader_init(struct message_reader *reader, size_t limit)
{
	memset(reader, 0, sizeof(*reader));
	reader->limit = limit;
}

void message_reader_free(struct message_reader *reader)
{
	int fd;

	while ((fd = message_take_fd(reader)) >= 0)
		close(fd);
	free(reader->data);
	message_reader_init(reader, reader->limit);
}

/* Keep the descriptors of a control message; false when there are too many. */
static bool keep_fds(struct message_reader *reader, struct msghdr *message)
{
	bool fit = !(message->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (reader->fds < MESSAGE_FDS) {
				reader->fd[reader->fds++] = fd;
			} else {
				close(fd);
				fit = false;
			}
		}
	}
	return fit;
}

/* Room for another part. */
static int make_room(struct message_reader *reader)
{
	size_t room = reader->room ? reader->room * 2 : PART;
	char *more;

	if (reader->room - reader->used >= PART / 2)
		return 0;
	if (reader->used >= reader->limit)
		return -EMSGSIZE;
	more = realloc(reader->data, room);
	if (!more)
		return -ENOMEM;
	reader->data = more;
	reader->room = room;
	return 0;
}

int message_receive(struct message_reader *reader, int socket)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
		struct cmsghdr align;
	} control;
	struct msghdr message = { .msg_iovlen = 1 };
	struct iovec part;
	ssize_t n;
	int ret = make_room(reader);

	if (ret)
		return ret;
	part.iov_base = reader->data + reader->used;
	part.iov_len = reader->room - reader->used;
	message.msg_iov = &part;
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	if (!keep_fds(reader, &message))
		return -EMSGSIZE;
	reader->used += (size_t)n;
	return (int)n;
}

static void drop(struct message_reader *reader, size_t size)
{
	reader->used -= size;
	memmove(reader->data, reader->data + size, reader->used);
}

static int parse(const char *line, size_t size, json_object **object, struct x100_why *why)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH);
	enum json_tokener_error error;

	if (!tokener)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for a message");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	while (size && strchr(" \t\r", line[size - 1]))
		size--;
	*object = json_tokener_parse_ex(tokener, line, (int)size);
	error = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (error == json_tokener_continue || error == json_tokener_success) {
		if (json_object_is_type(*object, json_type_object))
			return 1;
		json_object_put(*object);
		*object = NULL;
		return x100_fail(why, X100_ERR_ARGUMENT, "a line is not one JSON object");
	}
	return x100_fail(why, X100_ERR_ARGUMENT, "a line is no JSON: %s",
			 json_tokener_error_desc(error));
}

int message_next(struct message_reader *reader, json_object **object, struct x100_why *why)
{
	*object = NULL;
	while (reader->used) {
		const char *end = memchr(reader->data, '\n', reader->used);
		size_t size = end ? (size_t)(end - reader->data) : 0;
		int ret;

		if (!end)
			return 0;
		if (!size) {
			drop(reader, 1);
			continue;
		}
		ret = parse(reader->data, size, object, why);
		drop(reader, size + 1);
		return ret;
	}
	return 0;
}

int message_take_fd(struct message_reader *reader)
{
	int fd;

	if (!reader->fds)
		return -1;
	fd = reader->fd[0];
	reader->fds--;
	memmove(reader->fd, reader->fd + 1, reader->fds * sizeof(int));
	return fd;
}

int message_send(int socket, json_object *object, const int *fd, unsigned int fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec part[2];
	struct msghdr message = { .msg_iov = part, .msg_iovlen = 2 };
	size_t size;

	part[0].iov_base = (void *)(uintptr_t)json_object_to_json_string_length(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
	part[0].iov_len = size;
	part[1].iov_base = (void *)(uintptr_t) "\n";
	part[1].iov_len = 1;
	if (fds) {
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fd, fds * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
	}
	while (message.msg_iovlen) {
		ssize_t n = sendmsg(socket, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		message.msg_control = NULL;
		message.msg_controllen = 0;
		while (message.msg_iovlen && (size_t)n >= message.msg_iov->iov_len) {
			n -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen) {
			message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + n;
			message.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

int message_string(json_object *object, const char *name, const char **value, struct x100_why *why)
{
	json_object *member;

	if (!json_object_object_get_ex(object, name, &member))
		return X100_OK;
	if (!json_object_is_type(member, json_type_string) ||
	    strlen(json_object_get_string(member)) != (size_t)json_object_get_string_len(member))
		return x100_fail(why, X100_ERR_ARGUMENT, "\"%s\" is not a text", name);
	*value = json_object_get_string(member);
	return X100_OK;
}

int message_number(json_object *object, const char *name, uint64_t most, uint64_t *value,
		   struct x100_why *why)
{
	json_object *member;

	if (!json_object_object_get_ex(object, name, &member))
		return X100_OK;
	/* Of a negative number the unsigned one is 0, so that has to be ruled out by itself. */
	if (!json_object_is_type(member, json_type_int) || json_object_get_int64(member) < 0 ||
	    json_object_get_uint64(member) > most)
		return x100_fail(why, X100_ERR_ARGUMENT, "\"%s\" is not a number from 0 to %llu",
				 name, (unsigned long long)most);
	*value = json_object_get_uint64(member);
	return X100_OK;
}

int message_flag(json_object *object, const char *name, bool *value, struct x100_why *why)
{
	json_object *member;

	if (!json_object_object_get_ex(object, name, &member))
		return X100_OK;
	if (!json_object_is_type(member, json_type_boolean))
		return x100_fail(why, X100_ERR_ARGUMENT, "\"%s\" is neither true nor false", name);
	*value = json_object_get_boolean(member);
	return X100_OK;
}

json_object *message_ok(void)
{
	json_object *answer = json_object_new_object();

	json_object_object_add(answer, "ok", json_object_new_boolean(true));
	return answer;
}

const char *message_error_name(int error)
{
	switch (error) {
#define NAME(symbol, number, status, what, try_this)                                               \
	case number:                                                                               \
		return #symbol;
		X100_ERROR_LIST(NAME)
#undef NAME
	default:
		return "UNKNOWN";
	}
}

json_object *message_error(int error, const char *why, const char *hint)
{
	json_object *answer = json_object_new_object();

	json_object_object_add(answer, "ok", json_object_new_boolean(false));
	json_object_object_add(answer, "error", json_object_new_string(message_error_name(error)));
	json_object_object_add(answer, "exit", json_object_new_int(x100_error_exit_status(error)));
	json_object_object_add(answer, "what", json_object_new_string(x100_error_words(error)));
	json_object_object_add(answer, "why", json_object_new_string(why));
	json_object_object_add(answer, "hint",
			       json_object_new_string(hint ? hint : x100_error_hint(error)));
	return answer;
}

bool message_default_path(char path[MESSAGE_PATH])
{
	const char *systemd = getenv("RUNTIME_DIRECTORY"), *runtime = getenv("XDG_RUNTIME_DIR");
	int n;

	if (systemd && systemd[0])
		n = snprintf(path, MESSAGE_PATH, "%s/control", systemd);
	else if (runtime && runtime[0])
		n = snprintf(path, MESSAGE_PATH, "%s/x100d/control", runtime);
	else
		n = snprintf(path, MESSAGE_PATH, "/tmp/x100-%u/x100d/control",
			     (unsigned int)geteuid());
	return n < MESSAGE_PATH;
}
