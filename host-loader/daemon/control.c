// SPDX-License-Identifier: BSD-3-Clause
/* Listening, permission, and the first request of a connection, which names its card. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A connection says what it wants within this. */
#define FIRST_DEADLINE (10 * X100_NS_PER_SEC)
/* After descriptors or memory ran out. */
#define AGAIN_NS (X100_NS_PER_SEC / 2)
/* Groups of one user that are looked at. */
#define GROUPS_MAX 256

/* A client that has not named a card yet. */
struct waiting {
	struct control *control;
	struct client *client;
	struct x100_timer deadline;
	struct waiting *next;
};

/* ------------------------------------------------------------------ permission */

static bool in_groups(const struct config *config, gid_t gid)
{
	for (unsigned int i = 0; i < config->groups; i++)
		if (config->group[i] == gid)
			return true;
	return false;
}

/* Root, the daemon's own user, and those the configuration names. */
static bool may_connect(const struct config *config, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	gid_t group[GROUPS_MAX];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return false;
	if (!peer.uid || peer.uid == geteuid() || in_groups(config, peer.gid))
		return true;
	for (unsigned int i = 0; i < config->users; i++)
		if (config->user[i] == peer.uid)
			return true;
	size = sizeof(group);
	if (!config->groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, group, &size))
		return false;
	for (size_t i = 0; i < size / sizeof(gid_t); i++)
		if (in_groups(config, group[i]))
			return true;
	return false;
}

/* ------------------------------------------------------------------ first request */

static void forget(struct waiting *w)
{
	for (struct waiting **at = &w->control->waiting; *at; at = &(*at)->next) {
		if (*at != w)
			continue;
		*at = w->next;
		break;
	}
	x100_timer_cancel(w->control->loop, &w->deadline);
	free(w);
}

static void on_gone(struct client *client)
{
	forget(client->arg);
	client_free(client);
}

static void on_late(void *arg)
{
	struct waiting *w = arg;

	on_gone(w->client);
}

static json_object *list(struct control *control)
{
	json_object *answer = message_ok(), *all = json_object_new_array();

	for (unsigned int i = 0; i < control->config->cards; i++) {
		const struct config_card *card = control->config->card[i];
		json_object *o = json_object_new_object();
		char words[32];

		served_words(&control->cards[i], words);
		json_object_object_add(o, "name", json_object_new_string(card->name));
		json_object_object_add(o, "device", json_object_new_string(card->device));
		json_object_object_add(o, "state", json_object_new_string(words));
		json_object_array_add(all, o);
	}
	json_object_object_add(answer, "cards", all);
	return answer;
}

/* The card called @name, by its own name or its device's; the only one when nothing is said. */
static struct served *find_card(struct control *control, const char *name, struct x100_why *why)
{
	if (!name && control->config->cards == 1)
		return &control->cards[0];
	for (unsigned int i = 0; name && i < control->config->cards; i++)
		if (!strcmp(control->config->card[i]->name, name))
			return &control->cards[i];
	x100_fail(why, X100_ERR_NO_DAEMON, name ? "x100d has no card \"%.40s\"" : "which card?",
		  name);
	return NULL;
}

static void on_request(struct client *client, json_object *request)
{
	struct waiting *w = client->arg;
	struct control *control = w->control;
	struct x100_why why = { "" };
	const char *op = NULL, *name = NULL;
	struct served *card;
	int ret = message_string(request, "op", &op, &why);

	if (!ret)
		ret = message_string(request, "card", &name, &why);
	if (ret || (op && !strcmp(op, "list"))) {
		client_answer(client,
			      ret ? message_error(ret, why.text, "see x100d(8)") : list(control));
		json_object_put(request);
		return;
	}
	card = find_card(control, name, &why);
	if (!card) {
		client_answer(client, message_error(X100_ERR_NO_DAEMON, why.text, NULL));
		json_object_put(request);
		return;
	}
	client_release(client);
	forget(w);
	served_hand(card, client, request);
}

/* ------------------------------------------------------------------ connections */

/* Say one thing to a connection that is not taken, and close it. */
static void turn_away(int fd, int error, const char *why, const char *hint)
{
	json_object *answer = message_error(error, why, hint);

	/* It does not block, and what does not fit is not worth more. */
	message_send(fd, answer, NULL, 0);
	json_object_put(answer);
	close(fd);
}

static void take(struct control *control, int fd)
{
	struct waiting *w;

	if (!may_connect(control->config, fd)) {
		log_line(control->log, X100_LOG_WARNING, "a user without permission was refused");
		turn_away(fd, X100_ERR_PERMISSION, "x100d does not let this user control its cards",
			  "ask for allow-users or allow-groups in x100d.conf");
		return;
	}
	if (client_count() >= CLIENTS_MAX) {
		log_line(control->log, X100_LOG_WARNING, "more than %u clients", CLIENTS_MAX);
		turn_away(fd, X100_ERR_BUSY, "x100d has as many clients as it takes",
			  "end some of them");
		return;
	}
	w = calloc(1, sizeof(*w));
	if (w)
		w->client = client_new(fd);
	if (!w || !w->client) {
		free(w);
		close(fd);
		return;
	}
	w->control = control;
	w->client->request = on_request;
	w->client->gone = on_gone;
	w->client->arg = w;
	w->deadline = (struct x100_timer){ .expired = on_late, .arg = w };
	w->next = control->waiting;
	control->waiting = w;
	x100_timer_set(control->loop, &w->deadline, FIRST_DEADLINE);
	if (client_serve(w->client, control->loop))
		on_gone(w->client);
}

static void on_connection(void *arg, uint32_t events)
{
	struct control *control = arg;
	int fd = accept4(control->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0) {
		take(control, fd);
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
		return;
	/* The connection stays in the queue and would be told again at once. */
	log_line(control->log, X100_LOG_ERR, "a client has to wait: %s", strerror(errno));
	x100_loop_remove(control->loop, &control->watch);
	x100_timer_set(control->loop, &control->again, AGAIN_NS);
}

static void on_again(void *arg)
{
	struct control *control = arg;

	if (x100_loop_add(control->loop, &control->watch, EPOLLIN))
		x100_timer_set(control->loop, &control->again, AGAIN_NS);
}

/* ------------------------------------------------------------------ the socket */

int control_make_folder(const char *path, unsigned int mode)
{
	char part[4096];
	size_t n = (size_t)snprintf(part, sizeof(part), "%s", path);

	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i])
			continue;
		part[i] = '\0';
		if (mkdir(part, mode) && errno != EEXIST)
			return -errno;
		part[i] = path[i];
	}
	return 0;
}

/* The socket's folder; where others may write, it has to be ours. */
static int make_place(const struct control *control, unsigned int mode, struct x100_why *why)
{
	char folder[MESSAGE_PATH];
	char *slash;
	struct stat st;
	int ret;

	strcpy(folder, control->path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return X100_OK;
	*slash = '\0';
	ret = control_make_folder(folder, mode);
	if (ret || stat(folder, &st))
		return x100_fail(why, X100_ERR_SYSTEM, "%s: %s", folder,
				 strerror(ret ? -ret : errno));
	if (st.st_uid != geteuid() && st.st_uid)
		return x100_fail(why, X100_ERR_PERMISSION, "%s belongs to another user", folder);
	return X100_OK;
}

/* The right to the path: two daemons must not take it from each other. */
static int take_lock(struct control *control, struct x100_why *why)
{
	char path[MESSAGE_PATH + 8];

	snprintf(path, sizeof(path), "%s.lock", control->path);
	control->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (control->lock < 0)
		return x100_fail(why, X100_ERR_SYSTEM, "%s: %s", path, strerror(errno));
	if (flock(control->lock, LOCK_EX | LOCK_NB))
		return x100_fail(why, X100_ERR_BUSY, "another x100d has %s", control->path);
	return X100_OK;
}

int control_open(struct control *control, const char *path, struct x100_why *why)
{
	bool open_to_others = control->config->users || control->config->groups;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd, ret;

	control->lock = -1;
	control->watch = (struct x100_watch){ .fd = -1, .ready = on_connection, .arg = control };
	control->again = (struct x100_timer){ .expired = on_again, .arg = control };
	if (path ? (size_t)snprintf(control->path, sizeof(control->path), "%s", path) >=
			    sizeof(control->path) :
		   !message_default_path(control->path))
		return x100_fail(why, X100_ERR_ARGUMENT, "the path is too long for a socket");
	ret = make_place(control, open_to_others ? 0755 : 0700, why);
	if (!ret)
		ret = take_lock(control, why);
	if (ret)
		return ret;
	strcpy(at.sun_path, control->path);
	unlink(at.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	control->watch.fd = fd;
	/* With others allowed in, each connection is looked at; the mode lets all of them knock. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    chmod(at.sun_path, open_to_others ? 0666 : 0600) || listen(fd, SOMAXCONN))
		return x100_fail(why, X100_ERR_SYSTEM, "%s: %s", control->path, strerror(errno));
	ret = x100_loop_add(control->loop, &control->watch, EPOLLIN);
	return ret ? x100_fail(why, X100_ERR_SYSTEM, "%s", strerror(-ret)) : X100_OK;
}

void control_close(struct control *control)
{
	while (control->waiting)
		on_gone(control->waiting->client);
	x100_timer_cancel(control->loop, &control->again);
	if (control->watch.fd >= 0) {
		x100_loop_remove(control->loop, &control->watch);
		close(control->watch.fd);
		unlink(control->path);
	}
	if (control->lock >= 0)
		close(control->lock);
}
