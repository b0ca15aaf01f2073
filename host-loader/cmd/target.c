// SPDX-License-Identifier: BSD-3-Clause
/* The card a person means, reached through the x100d that serves it or opened by this command. */
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd.h"
#include "report.h"

/* An x100d that is there answers a plain question within this. */
#define QUESTION_SECONDS 30u

static struct x100_card *signal_card;
static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
	signalled = number;
	if (signal_card)
		x100_interrupt(signal_card);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool cmd_interrupted(void)
{
	return signalled;
}

/* ------------------------------------------------------------------ daemons */

static void set_deadline(int fd, unsigned int seconds)
{
	struct timeval t = { .tv_sec = (time_t)seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/*
 * Connect to an x100d. A socket at a place where anybody may put one has to be root's or our own; one
 * that was named is believed.
 */
static int connect_daemon(const char *path, bool named)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd, error;

	if (strlen(path) >= sizeof(to.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	set_deadline(fd, QUESTION_SECONDS);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size)) {
		error = errno;
	} else if (!named && peer.uid && peer.uid != geteuid()) {
		error = EPERM;
	} else {
		return fd;
	}
	close(fd);
	errno = error;
	return -1;
}

static void fail(struct target_ask *ask, int error, const char *why)
{
	snprintf(ask->error, sizeof(ask->error), "%s", message_error_name(error));
	ask->status = x100_error_exit_status(error);
	snprintf(ask->what, sizeof(ask->what), "%s", x100_error_words(error));
	snprintf(ask->why, sizeof(ask->why), "%s", why);
	snprintf(ask->hint, sizeof(ask->hint), "%s", x100_error_hint(error));
}

/* An answer that says no; its words go to a terminal. */
static void fail_as_told(struct target_ask *ask, json_object *answer)
{
	uint64_t status = answer_number(answer, "exit");

	snprintf(ask->error, sizeof(ask->error), "%s", answer_text(answer, "error"));
	ask->status = status && status < 256 ? (int)status : 1;
	snprintf(ask->what, sizeof(ask->what), "%s", answer_text(answer, "what"));
	snprintf(ask->why, sizeof(ask->why), "%s", answer_text(answer, "why"));
	snprintf(ask->hint, sizeof(ask->hint), "%s", answer_text(answer, "hint"));
	x100_text_clean(ask->what, strlen(ask->what));
	x100_text_clean(ask->why, strlen(ask->why));
	x100_text_clean(ask->hint, strlen(ask->hint));
}

/* The next object from an x100d. */
static json_object *next_object(int fd, struct message_reader *in, struct target_ask *ask)
{
	struct x100_why why = { "" };
	json_object *object;

	for (;;) {
		int ret = message_next(in, &object, &why);

		if (ret > 0)
			return object;
		if (ret < 0) {
			fail(ask, X100_ERR_PROTOCOL, why.text);
			return NULL;
		}
		ret = message_receive(in, fd);
		if (ret > 0 || (ret == -EINTR && !signalled))
			continue;
		if (ret == -EINTR)
			fail(ask, X100_ERR_INTERRUPTED, "x100d goes on with what it was told");
		else if (ret == -EAGAIN)
			fail(ask, X100_ERR_NO_ANSWER, "x100d is silent");
		else
			fail(ask, X100_ERR_GONE,
			     ret ? strerror(-ret) : "x100d ended the connection");
		return NULL;
	}
}

static bool ask_daemon(int fd, struct message_reader *in, json_object *request,
		       struct target_ask *ask, json_object **answer)
{
	int ret;

	set_deadline(fd, ask->seconds ? ask->seconds : QUESTION_SECONDS);
	ret = message_send(fd, request, ask->fd, ask->fds);
	/* What x100d said before it hung up says more than the broken pipe. */
	if (ret && ret != -EPIPE) {
		fail(ask, X100_ERR_GONE, strerror(-ret));
		return false;
	}
	while ((*answer = next_object(fd, in, ask))) {
		if (!answer_member(*answer, "event", json_type_string)) {
			if (answer_flag(*answer, "ok"))
				return true;
			fail_as_told(ask, *answer);
			json_object_put(*answer);
			*answer = NULL;
			return false;
		}
		if (ask->event)
			ask->event(ask->arg, *answer);
		json_object_put(*answer);
	}
	return false;
}

/* The cards of one daemon, behind the @count that are there. */
static unsigned int list_daemon(const char *path, bool named, struct cmd_served *served,
				unsigned int count)
{
	json_object *request, *answer = NULL, *cards;
	struct target_ask ask = { 0 };
	struct message_reader in;
	int fd = connect_daemon(path, named);

	if (fd < 0)
		return count;
	message_reader_init(&in, MESSAGE_ANSWER_MAX);
	request = json_object_new_object();
	json_object_object_add(request, "op", json_object_new_string("list"));
	if (!ask_daemon(fd, &in, request, &ask, &answer)) {
		fprintf(stderr, "x100: x100d at %s: %s: %s\n", path, ask.what, ask.why);
	} else if ((cards = answer_member(answer, "cards", json_type_array))) {
		for (size_t i = 0; i < json_object_array_length(cards) && count < CMD_SERVED_MAX;
		     i++) {
			json_object *card = json_object_array_get_idx(cards, i);
			struct cmd_served *s = &served[count++];

			snprintf(s->socket, sizeof(s->socket), "%s", path);
			snprintf(s->name, sizeof(s->name), "%s", answer_text(card, "name"));
			snprintf(s->device, sizeof(s->device), "%s", answer_text(card, "device"));
			snprintf(s->state, sizeof(s->state), "%s", answer_text(card, "state"));
		}
	}
	json_object_put(answer);
	json_object_put(request);
	message_reader_free(&in);
	close(fd);
	return count;
}

unsigned int cmd_list_served(struct cmd_served served[CMD_SERVED_MAX])
{
	const char *named = getenv("X100D_SOCKET");
	char path[MESSAGE_PATH];
	unsigned int count = 0;
	glob_t found;

	if (named && named[0])
		return list_daemon(named, true, served, 0);
	if (message_default_path(path))
		count = list_daemon(path, false, served, count);
	/* Those of the system: one for each instance of its unit. */
	if (!glob("/run/x100d/*/control", 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			count = list_daemon(found.gl_pathv[i], false, served, count);
		globfree(&found);
	}
	return count;
}

/* ------------------------------------------------------------------ choosing */

/* Two device names for one socket. */
static bool same_device(const char *a, const char *b)
{
	char *path_a, *path_b;
	bool same;

	if (!strcmp(a, b))
		return true;
	if (strncmp(a, "model:", 6) || strncmp(b, "model:", 6))
		return false;
	path_a = realpath(a + 6, NULL);
	path_b = realpath(b + 6, NULL);
	same = path_a && path_b && !strcmp(path_a, path_b);
	free(path_a);
	free(path_b);
	return same;
}

static void use_served(struct target *target, const struct cmd_served *served)
{
	strcpy(target->name, served->name);
	strcpy(target->device, served->device);
	strcpy(target->socket, served->socket);
}

/* Nothing was said: the only card there is, served or not. */
static int choose_only(struct target *target, const struct cmd_served *served, unsigned int count)
{
	struct x100_device_list list;
	char text[X100_WHY_SIZE] = "";
	const char *alone = NULL;
	size_t n = 0;
	unsigned int total = count;
	int ret = x100_discover(&list);

	if (ret)
		return cmd_error(ret, "the folder of the models' sockets cannot be read", NULL);
	for (unsigned int i = 0; i < count && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? ", " : "",
				      served[i].name);
	for (unsigned int i = 0; i < list.count; i++) {
		bool known = false;

		for (unsigned int k = 0; k < count && !known; k++)
			known = same_device(list.name[i], served[k].device);
		if (known)
			continue;
		total++;
		alone = list.name[i];
		if (n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, ", %s", list.name[i]);
	}
	if (total > 1) {
		ret = cmd_error(X100_ERR_AMBIGUOUS, text, NULL);
	} else if (alone) {
		strcpy(target->device, alone);
		strcpy(target->name, alone);
	} else {
		use_served(target, &served[0]);
	}
	x100_device_list_free(&list);
	return ret;
}

int target_choose(struct target *target)
{
	static struct cmd_served served[CMD_SERVED_MAX];
	const char *wanted = cmd_device;
	unsigned int count = cmd_list_served(served);
	struct x100_why why = { "" };
	int ret;

	memset(target, 0, sizeof(*target));
	target->daemon = -1;
	message_reader_init(&target->in, MESSAGE_ANSWER_MAX);
	if (!wanted || !wanted[0])
		wanted = getenv("X100_DEVICE");
	if (wanted && wanted[0]) {
		for (unsigned int i = 0; i < count; i++) {
			if (strcmp(served[i].name, wanted) &&
			    !same_device(served[i].device, wanted))
				continue;
			use_served(target, &served[i]);
			return 0;
		}
	} else if (count) {
		return choose_only(target, served, count);
	}
	ret = x100_choose(cmd_device, target->device, &why);
	if (ret)
		return cmd_error(ret, why.text, NULL);
	strcpy(target->name, target->device);
	return 0;
}

static int open_chosen(struct target *target)
{
	struct x100_why why = { "" };
	int ret;

	catch_signals();
	if (target->socket[0]) {
		target->daemon = connect_daemon(target->socket, true);
		if (target->daemon >= 0)
			return 0;
		snprintf(why.text, sizeof(why.text), "%s: %s", target->socket, strerror(errno));
		return cmd_error(X100_ERR_NO_DAEMON, why.text, NULL);
	}
	ret = x100_open(target->device, &target->card, &why);
	if (ret)
		return cmd_error(ret, why.text, NULL);
	signal_card = target->card;
	return 0;
}

int target_open(struct target *target)
{
	int status = target_choose(target);

	return status ? status : open_chosen(target);
}

int target_open_served(struct target *target)
{
	int status = target_choose(target);
	char hint[X100_NAME_SIZE + 64];

	if (status)
		return status;
	if (target->socket[0])
		return open_chosen(target);
	snprintf(hint, sizeof(hint), "start it, for example with: x100d --card mic0=%s",
		 target->device);
	return cmd_error(X100_ERR_NO_DAEMON, target->device, hint);
}

void target_close(struct target *target)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal_card = NULL;
	x100_close(target->card);
	target->card = NULL;
	if (target->daemon >= 0)
		close(target->daemon);
	target->daemon = -1;
	message_reader_free(&target->in);
}

/* ------------------------------------------------------------------ asking */

json_object *target_request(const struct target *target, const char *op)
{
	json_object *request = json_object_new_object();

	json_object_object_add(request, "op", json_object_new_string(op));
	if (target->daemon >= 0)
		json_object_object_add(request, "card", json_object_new_string(target->name));
	return request;
}

bool target_ask(struct target *target, json_object *request, struct target_ask *ask,
		json_object **answer)
{
	struct x100_push_times times;
	struct x100_why why = { "" };
	bool fine;
	int ret;

	*answer = NULL;
	if (target->daemon >= 0) {
		fine = ask_daemon(target->daemon, &target->in, request, ask, answer);
	} else {
		*answer = message_ok();
		ret = report_answer(target->card, answer_text(request, "op"), request,
				    cmd_stamps_load(target->device, &times) ? &times : NULL,
				    *answer, &why);
		fine = !ret;
		if (ret) {
			fail(ask, ret, why.text[0] ? why.text : x100_why(target->card));
			json_object_put(*answer);
			*answer = NULL;
		}
	}
	json_object_put(request);
	return fine;
}

int target_failed(const struct target_ask *ask)
{
	fprintf(stderr, "x100: %s%s%s\n", ask->what, ask->why[0] ? ": " : "", ask->why);
	if (ask->hint[0])
		fprintf(stderr, "      try: %s\n", ask->hint);
	return ask->status;
}

int target_question(struct target *target, json_object *request, json_object **answer)
{
	struct target_ask ask = { 0 };

	return target_ask(target, request, &ask, answer) ? 0 : target_failed(&ask);
}

/* ------------------------------------------------------------------ answers */

json_object *answer_member(json_object *answer, const char *name, enum json_type type)
{
	json_object *member;

	if (!json_object_is_type(answer, json_type_object) ||
	    !json_object_object_get_ex(answer, name, &member) || !json_object_is_type(member, type))
		return NULL;
	return member;
}

const char *answer_text(json_object *answer, const char *name)
{
	json_object *member = answer_member(answer, name, json_type_string);

	return member ? json_object_get_string(member) : "";
}

uint64_t answer_number(json_object *answer, const char *name)
{
	json_object *member = answer_member(answer, name, json_type_int);

	return member ? json_object_get_uint64(member) : 0;
}

bool answer_flag(json_object *answer, const char *name)
{
	json_object *member = answer_member(answer, name, json_type_boolean);

	return member && json_object_get_boolean(member);
}

void answer_print(json_object *answer)
{
	if (json_object_is_type(answer, json_type_object))
		json_object_object_del(answer, "ok");
	printf("%s\n", json_object_to_json_string_ext(
			       answer, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}
