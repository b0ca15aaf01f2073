// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-user transport: see vfu-server.h.
 *
 * Sockets are non-blocking and driven by QEMU's main loop under the big lock. Nothing here trusts
 * the client: a half message is kept until the rest comes or the client goes, and a client that
 * does not read its answers is not read from either, so the queues stay bounded.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qemu/notify.h"
#include "qemu/queue.h"
#include "qemu/sockets.h"
#include "qemu/timer.h"
#include "qapi/qmp/qdict.h"
#include "qapi/qmp/qjson.h"
#include "sysemu/sysemu.h"
#include "vfu-server.h"

#define VFU_MAJOR 0
#define VFU_MINOR 1

#define VFU_FLAG_TYPE     0xFu
#define VFU_TYPE_COMMAND  0u
#define VFU_TYPE_REPLY    1u
#define VFU_FLAG_NO_REPLY (1u << 4)
#define VFU_FLAG_ERROR    (1u << 5)

#define VFU_HELLO_MS        5000       /* from connect to a complete VERSION message */
#define VFU_MAX_HELLO       4096       /* bytes of a VERSION payload */
#define VFU_MAX_STRANGER    16         /* connections that are not attached */
#define VFU_FD_WEIGHT       4096       /* of a descriptor in a waiting command */
#define VFU_MAX_PENDING     (4u << 20) /* bytes of commands read while waiting for a DMA answer */
#define VFU_BURST           32         /* commands run before other main-loop work gets a turn */
#define VFU_ACCEPT_PAUSE_MS 500        /* after accept() failed for lack of resources */

typedef struct VfuHeader {
	uint16_t id;
	uint16_t cmd;
	uint32_t size; /* header included */
	uint32_t flags;
	uint32_t error;
} VfuHeader;

QEMU_BUILD_BUG_ON(sizeof(VfuHeader) != 16);

typedef struct VfuOut {
	GByteArray *data;
	size_t sent;
	int fds[X100_VFU_MAX_FDS];
	size_t nr_fds;
} VfuOut;

typedef struct VfuConn {
	X100VfuServer *srv;
	int fd;
	bool attached;
	bool closing; /* refused: close once the answer is out */
	bool broken;  /* close at the next safe point */
	bool deaf;    /* did not answer a DMA message in time */
	VfuHeader hdr;
	size_t got;      /* bytes of the current message, header included */
	X100VfuMsg *msg; /* current message once its header is complete */
	int fds[X100_VFU_MAX_FDS];
	size_t nr_fds;
	bool fds_lost;
	GQueue pending; /* X100VfuMsg */
	size_t pending_bytes;
	GQueue out; /* VfuOut */
	QEMUTimer *hello;
	unsigned int max_fds;
	size_t max_xfer;
	uint16_t next_id;
	QTAILQ_ENTRY(VfuConn) link;
} VfuConn;

struct X100VfuServer {
	const X100VfuOps *ops;
	void *opaque;
	char *path;
	char *lock_path;
	int lock_fd;
	int listen_fd;
	pid_t owner;
	QTAILQ_HEAD(, VfuConn) conns;
	unsigned int strangers;
	VfuConn *client;
	QEMUBH *bh;
	QEMUTimer *accept_again;
	Notifier exit;
};

static void conn_update(VfuConn *c);
static void conn_command(VfuConn *c, X100VfuMsg *msg);

static void close_fds(int *fds, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static void msg_free(X100VfuMsg *msg)
{
	if (!msg)
		return;
	close_fds(msg->fds, msg->nr_fds);
	g_free(msg->data);
	g_free(msg);
}

static size_t msg_weight(const X100VfuMsg *msg)
{
	return sizeof(*msg) + msg->len + msg->nr_fds * VFU_FD_WEIGHT;
}

static X100VfuMsg *pending_pop(VfuConn *c)
{
	X100VfuMsg *msg = g_queue_pop_head(&c->pending);

	if (msg)
		c->pending_bytes -= msg_weight(msg);
	return msg;
}

static void out_free(VfuOut *out)
{
	g_byte_array_unref(out->data);
	g_free(out);
}

static void conn_close(VfuConn *c)
{
	X100VfuServer *srv = c->srv;

	qemu_set_fd_handler(c->fd, NULL, NULL, NULL);
	QTAILQ_REMOVE(&srv->conns, c, link);
	if (c->attached) {
		srv->client = NULL;
		srv->ops->detached(srv->opaque);
	} else {
		srv->strangers--;
	}
	close(c->fd);
	close_fds(c->fds, c->nr_fds);
	msg_free(c->msg);
	g_queue_clear_full(&c->pending, (GDestroyNotify)msg_free);
	g_queue_clear_full(&c->out, (GDestroyNotify)out_free);
	timer_free(c->hello);
	g_free(c);
}

/*
 * Takes what the socket has for the current message, never a byte of the next one, so that
 * descriptors stay with their message. Returns 1 with @msg set (the caller frees it), 0 if more has
 * to come, -errno if the connection cannot go on.
 */
static int conn_read(VfuConn *c, X100VfuMsg **msg)
{
	char control[CMSG_SPACE(sizeof(int) * X100_VFU_MAX_FDS)];

	for (;;) {
		struct iovec iov;
		struct msghdr mh = { .msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = control,
				     .msg_controllen = sizeof(control) };
		ssize_t n;

		if (c->msg && c->got == c->hdr.size) {
			memcpy(c->msg->fds, c->fds, sizeof(c->fds));
			c->msg->nr_fds = c->nr_fds;
			c->msg->fds_lost = c->fds_lost;
			*msg = c->msg;
			c->msg = NULL;
			c->got = 0;
			c->nr_fds = 0;
			c->fds_lost = false;
			return 1;
		}
		if (c->got < sizeof(c->hdr)) {
			iov.iov_base = (uint8_t *)&c->hdr + c->got;
			iov.iov_len = sizeof(c->hdr) - c->got;
		} else {
			iov.iov_base = c->msg->data + c->got - sizeof(c->hdr);
			iov.iov_len = c->hdr.size - c->got;
		}
		TFR(n = recvmsg(c->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
		for (struct cmsghdr *cm = CMSG_FIRSTHDR(&mh); cm; cm = CMSG_NXTHDR(&mh, cm)) {
			size_t nr = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			int fd;

			if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
				continue;
			for (size_t i = 0; i < nr; i++) {
				memcpy(&fd, CMSG_DATA(cm) + i * sizeof(fd), sizeof(fd));
				if (c->nr_fds < X100_VFU_MAX_FDS) {
					c->fds[c->nr_fds++] = fd;
				} else {
					close(fd);
					c->fds_lost = true;
				}
			}
		}
		if (mh.msg_flags & MSG_CTRUNC)
			c->fds_lost = true;
		if (n == 0)
			return -ECONNRESET;
		c->got += n;
		if (c->got == sizeof(c->hdr)) {
			size_t max = c->attached ? X100_VFU_MAX_PAYLOAD : VFU_MAX_HELLO;
			X100VfuMsg *m;

			if (c->hdr.size < sizeof(c->hdr) || c->hdr.size - sizeof(c->hdr) > max)
				return -EMSGSIZE;
			m = c->msg = g_new0(X100VfuMsg, 1);
			m->id = c->hdr.id;
			m->cmd = c->hdr.cmd;
			m->is_reply = (c->hdr.flags & VFU_FLAG_TYPE) == VFU_TYPE_REPLY;
			m->no_reply = c->hdr.flags & VFU_FLAG_NO_REPLY;
			if (m->is_reply && c->hdr.flags & VFU_FLAG_ERROR)
				m->error = c->hdr.error > 0 && c->hdr.error < 4096 ? c->hdr.error :
										     EIO;
			m->len = c->hdr.size - sizeof(c->hdr);
			m->data = g_malloc(m->len);
		}
	}
}

/* Sends as much as the socket takes. Returns 0 or -errno; what is left stays queued. */
static int conn_flush(VfuConn *c)
{
	VfuOut *out;

	while ((out = g_queue_peek_head(&c->out))) {
		char control[CMSG_SPACE(sizeof(int) * X100_VFU_MAX_FDS)] = { 0 };
		struct iovec iov = { .iov_base = out->data->data + out->sent,
				     .iov_len = out->data->len - out->sent };
		struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (!out->sent && out->nr_fds) {
			struct cmsghdr *cm;

			mh.msg_control = control;
			mh.msg_controllen = CMSG_SPACE(sizeof(int) * out->nr_fds);
			cm = CMSG_FIRSTHDR(&mh);
			cm->cmsg_level = SOL_SOCKET;
			cm->cmsg_type = SCM_RIGHTS;
			cm->cmsg_len = CMSG_LEN(sizeof(int) * out->nr_fds);
			memcpy(CMSG_DATA(cm), out->fds, sizeof(int) * out->nr_fds);
		}
		TFR(n = sendmsg(c->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL));
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
		out->sent += n;
		if (out->sent == out->data->len)
			out_free(g_queue_pop_head(&c->out));
	}
	return 0;
}

static void conn_send(VfuConn *c, uint16_t id, uint16_t cmd, uint32_t flags, uint32_t error,
		      const void *data, size_t len, const int *fds, size_t nr_fds)
{
	VfuHeader hdr = {
		.id = id, .cmd = cmd, .size = sizeof(hdr) + len, .flags = flags, .error = error
	};
	VfuOut *out = g_new0(VfuOut, 1);

	out->data = g_byte_array_sized_new(hdr.size);
	g_byte_array_append(out->data, (uint8_t *)&hdr, sizeof(hdr));
	if (len)
		g_byte_array_append(out->data, data, len);
	if (nr_fds)
		memcpy(out->fds, fds, nr_fds * sizeof(*fds));
	out->nr_fds = nr_fds;
	g_queue_push_tail(&c->out, out);
	if (conn_flush(c) < 0)
		c->broken = true;
}

static void conn_reply_error(VfuConn *c, const X100VfuMsg *msg, int error)
{
	conn_send(c, msg->id, msg->cmd, VFU_TYPE_REPLY | VFU_FLAG_ERROR, error, NULL, 0, NULL, 0);
}

/* Reads the client's capabilities out of the JSON text. Returns 0 or a positive errno. */
static int hello_parse(VfuConn *c, const X100VfuMsg *msg)
{
	QDict *dict, *caps;
	QObject *obj;
	uint16_t major;
	int64_t v;

	if (msg->is_reply || msg->cmd != X100_VFU_VERSION || msg->len < 4 || msg->nr_fds ||
	    msg->fds_lost)
		return EINVAL;
	memcpy(&major, msg->data, sizeof(major));
	if (major != VFU_MAJOR)
		return EINVAL;
	c->max_fds = 1;
	c->max_xfer = X100_VFU_MAX_XFER;
	if (msg->len == 4)
		return 0;
	if (msg->data[msg->len - 1])
		return EINVAL;
	obj = qobject_from_json((char *)msg->data + 4, NULL);
	dict = qobject_to(QDict, obj);
	if (!dict) {
		qobject_unref(obj);
		return EINVAL;
	}
	caps = qdict_get_qdict(dict, "capabilities");
	if (caps) {
		v = qdict_get_try_int(caps, "max_msg_fds", 1);
		c->max_fds = MAX(0, MIN(v, X100_VFU_MAX_FDS));
		v = qdict_get_try_int(caps, "max_data_xfer_size", X100_VFU_MAX_XFER);
		c->max_xfer = MAX(0, MIN(v, X100_VFU_MAX_XFER));
	}
	qobject_unref(dict);
	return 0;
}

/*
 * True if the attached client is gone. Its end may be waiting in the socket behind its last messages,
 * while its successor's first one is here already: those are run, then it is closed.
 */
static bool client_left(X100VfuServer *srv)
{
	VfuConn *c = srv->client;
	struct pollfd pfd = { .fd = c->fd, .events = POLLRDHUP };
	X100VfuMsg *msg;

	if (!c->broken && poll(&pfd, 1, 0) <= 0)
		return false;
	while (!c->broken) {
		msg = pending_pop(c);
		if (!msg && conn_read(c, &msg) <= 0)
			break;
		conn_command(c, msg);
		msg_free(msg);
	}
	conn_close(c);
	return true;
}

/* First message of a connection: attach it, or say why not and close. */
static void conn_hello(VfuConn *c, X100VfuMsg *msg)
{
	X100VfuServer *srv = c->srv;
	g_autofree char *json = NULL;
	g_autofree uint8_t *reply = NULL;
	int err = hello_parse(c, msg);
	uint16_t minor;
	size_t len;

	if (!err && srv->client && !client_left(srv)) {
		srv->ops->refused(srv->opaque);
		err = EBUSY;
	}
	if (err) {
		c->closing = true;
		conn_reply_error(c, msg, err);
		return;
	}
	timer_del(c->hello);
	c->attached = true;
	srv->client = c;
	srv->strangers--;
	srv->ops->attached(srv->opaque);

	json = g_strdup_printf("{\"capabilities\":{\"max_msg_fds\":%d,\"max_data_xfer_size\":%u}}",
			       X100_VFU_MAX_FDS, X100_VFU_MAX_XFER);
	len = 4 + strlen(json) + 1;
	reply = g_malloc0(len);
	memcpy(&minor, msg->data + 2, sizeof(minor));
	minor = MIN(minor, VFU_MINOR);
	memcpy(reply + 2, &minor, sizeof(minor));
	memcpy(reply + 4, json, strlen(json));
	conn_send(c, msg->id, msg->cmd, VFU_TYPE_REPLY, 0, reply, len, NULL, 0);
}

static void conn_command(VfuConn *c, X100VfuMsg *msg)
{
	X100VfuReply reply = { .data = NULL };
	bool no_reply = msg->no_reply;
	int err;

	if (msg->is_reply) {
		/* Late answer to a DMA message that was given up: the client listens again. */
		c->deaf = false;
		return;
	}
	reply.data = g_byte_array_new();
	err = msg->fds_lost ? E2BIG : c->srv->ops->command(c->srv->opaque, msg, &reply);
	if (no_reply && err)
		c->srv->ops->unanswered(c->srv->opaque, msg, err);
	else if (err)
		conn_reply_error(c, msg, err);
	else if (!no_reply)
		conn_send(c, msg->id, msg->cmd, VFU_TYPE_REPLY, 0, reply.data->data,
			  reply.data->len, reply.fds, reply.nr_fds);
	g_byte_array_unref(reply.data);
}

/* Runs what can be run and closes the connection if it is over; @c may be gone afterwards. */
static void conn_run(VfuConn *c)
{
	for (int i = 0; i < VFU_BURST && !c->broken && !c->closing && !c->out.length; i++) {
		X100VfuMsg *msg = pending_pop(c);
		int ret = 1;

		if (!msg)
			ret = conn_read(c, &msg);
		if (ret == 0)
			break;
		if (ret < 0) {
			c->broken = true;
			break;
		}
		if (!c->attached)
			conn_hello(c, msg);
		else
			conn_command(c, msg);
		msg_free(msg);
	}
	if (c->broken || (c->closing && !c->out.length))
		conn_close(c);
	else
		conn_update(c);
}

static void conn_readable(void *opaque)
{
	conn_run(opaque);
}

static void conn_writable(void *opaque)
{
	VfuConn *c = opaque;

	if (conn_flush(c) < 0)
		c->broken = true;
	conn_run(c);
}

static void conn_update(VfuConn *c)
{
	bool out = c->out.length;

	qemu_set_fd_handler(c->fd, out ? NULL : conn_readable, out ? conn_writable : NULL, c);
	if (!out && c->pending.length)
		qemu_bh_schedule(c->srv->bh);
}

/* Picks up what a DMA wait left behind: commands that came meanwhile, a connection that broke. */
static void server_bh(void *opaque)
{
	X100VfuServer *srv = opaque;

	if (srv->client)
		conn_run(srv->client);
}

static void conn_hello_late(void *opaque)
{
	conn_close(opaque);
}

static void server_accept(void *opaque)
{
	X100VfuServer *srv = opaque;
	VfuConn *c;
	int fd;

	fd = accept4(srv->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			/* The socket stays readable: step back instead of spinning. */
			qemu_set_fd_handler(srv->listen_fd, NULL, NULL, NULL);
			timer_mod(srv->accept_again,
				  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + VFU_ACCEPT_PAUSE_MS);
		}
		return;
	}
	if (srv->strangers >= VFU_MAX_STRANGER) {
		close(fd);
		return;
	}
	c = g_new0(VfuConn, 1);
	c->srv = srv;
	c->fd = fd;
	g_queue_init(&c->pending);
	g_queue_init(&c->out);
	c->hello = timer_new_ms(QEMU_CLOCK_REALTIME, conn_hello_late, c);
	timer_mod(c->hello, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + VFU_HELLO_MS);
	QTAILQ_INSERT_TAIL(&srv->conns, c, link);
	srv->strangers++;
	conn_update(c);
}

static void server_listen_on(void *opaque)
{
	X100VfuServer *srv = opaque;

	qemu_set_fd_handler(srv->listen_fd, server_accept, NULL, srv);
}

static void server_exit(Notifier *n, void *data)
{
	X100VfuServer *srv = container_of(n, X100VfuServer, exit);

	/* A forked child that exits must not take the socket away from its parent. */
	if (srv->owner != getpid())
		return;
	unlink(srv->path);
	unlink(srv->lock_path);
	close(srv->lock_fd);
}

/*
 * Makes the lock ours. Two models that start at once must not both find the socket dead; the lock
 * dies with its process. Returns the descriptor, or -1 with @errp set.
 */
static int server_lock(const char *lock_path, const char *path, Error **errp)
{
	for (int tries = 0; tries < 8; tries++) {
		int fd = qemu_open_old(lock_path, O_RDWR | O_CREAT, 0600);
		struct stat ours, named;

		if (fd < 0) {
			error_setg_errno(errp, errno, "cannot create %s", lock_path);
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			error_setg(errp, "another model is running on %s", path);
			close(fd);
			return -1;
		}
		/* The previous owner may have removed the file between our open and our lock. */
		if (!fstat(fd, &ours) && !stat(lock_path, &named) && ours.st_ino == named.st_ino &&
		    ours.st_dev == named.st_dev)
			return fd;
		close(fd);
	}
	error_setg(errp, "cannot lock %s", lock_path);
	return -1;
}

/* Removes a socket nobody listens on. Returns false with @errp set if the path is taken. */
static bool server_clear_path(const struct sockaddr_un *addr, Error **errp)
{
	struct stat st;
	int fd, ret;

	if (lstat(addr->sun_path, &st) < 0)
		return true;
	if (!S_ISSOCK(st.st_mode)) {
		error_setg(errp, "%s exists and is not a socket", addr->sun_path);
		return false;
	}
	fd = qemu_socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0) {
		error_setg_errno(errp, errno, "socket");
		return false;
	}
	ret = fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!ret)
		ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	if (ret == 0 || errno == EAGAIN) {
		error_setg(errp, "another program is listening on %s", addr->sun_path);
		close(fd);
		return false;
	}
	close(fd);
	unlink(addr->sun_path);
	return true;
}

X100VfuServer *x100_vfu_listen(const char *path, const X100VfuOps *ops, void *opaque, Error **errp)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX }, early = addr;
	g_autofree char *dir = g_path_get_dirname(path);
	g_autofree char *name = g_path_get_basename(path);
	g_autofree char *real = NULL;
	g_autofree char *full = NULL;
	g_autofree char *lock = NULL;
	X100VfuServer *srv;
	int fd, lock_fd;
	mode_t mask;

	if (g_mkdir_with_parents(dir, 0700) < 0) {
		error_setg_errno(errp, errno, "cannot create directory %s", dir);
		return NULL;
	}
	real = realpath(dir, NULL);
	if (!real) {
		error_setg_errno(errp, errno, "%s", dir);
		return NULL;
	}
	full = g_build_filename(real, name, NULL);
	if (strlen(full) + 1 >= sizeof(addr.sun_path)) {
		error_setg(errp, "socket path too long (at most %zu bytes): %s",
			   sizeof(addr.sun_path) - 2, full);
		return NULL;
	}
	pstrcpy(addr.sun_path, sizeof(addr.sun_path), full);
	snprintf(early.sun_path, sizeof(early.sun_path), "%s~", full);
	lock = g_strconcat(full, ".lock", NULL);
	lock_fd = server_lock(lock, full, errp);
	if (lock_fd < 0)
		return NULL;
	if (!server_clear_path(&addr, errp) || !server_clear_path(&early, errp))
		goto fail;
	fd = qemu_socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0) {
		error_setg_errno(errp, errno, "socket");
		goto fail;
	}
	/* It takes its name when it listens: whoever sees the name can connect. */
	mask = umask(0177);
	if (bind(fd, (struct sockaddr *)&early, sizeof(early)) < 0) {
		umask(mask);
		error_setg_errno(errp, errno, "cannot bind %s", full);
		goto fail_socket;
	}
	umask(mask);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || listen(fd, VFU_MAX_STRANGER) < 0 ||
	    rename(early.sun_path, full) < 0) {
		error_setg_errno(errp, errno, "cannot listen on %s", full);
		unlink(early.sun_path);
		goto fail_socket;
	}

	srv = g_new0(X100VfuServer, 1);
	srv->ops = ops;
	srv->opaque = opaque;
	srv->path = g_steal_pointer(&full);
	srv->lock_path = g_steal_pointer(&lock);
	srv->lock_fd = lock_fd;
	srv->listen_fd = fd;
	srv->owner = getpid();
	QTAILQ_INIT(&srv->conns);
	srv->bh = qemu_bh_new(server_bh, srv);
	srv->accept_again = timer_new_ms(QEMU_CLOCK_REALTIME, server_listen_on, srv);
	srv->exit.notify = server_exit;
	qemu_add_exit_notifier(&srv->exit);
	server_listen_on(srv);
	return srv;

fail_socket:
	close(fd);
fail:
	unlink(lock);
	close(lock_fd);
	return NULL;
}

bool x100_vfu_is_attached(const X100VfuServer *srv)
{
	return srv->client && !srv->client->broken;
}

unsigned int x100_vfu_client_max_fds(const X100VfuServer *srv)
{
	return srv->client ? srv->client->max_fds : 0;
}

/* Waits until the answer to @id is there. Returns 0 with @reply set, or -errno. */
static int dma_wait(VfuConn *c, uint16_t id, X100VfuMsg **reply, int64_t end)
{
	for (;;) {
		struct pollfd pfd = { .fd = c->fd, .events = POLLIN };
		X100VfuMsg *msg = NULL;
		int64_t left;
		int ret;

		ret = conn_flush(c);
		if (ret == 0)
			ret = conn_read(c, &msg);
		if (ret < 0) {
			c->broken = true;
			return -ENOTCONN;
		}
		if (msg && msg->is_reply && msg->id == id) {
			*reply = msg;
			return 0;
		}
		if (msg && msg->is_reply) {
			msg_free(msg);
			continue;
		}
		if (msg) {
			if (msg_weight(msg) > VFU_MAX_PENDING - c->pending_bytes) {
				msg_free(msg);
				c->broken = true;
				return -ENOTCONN;
			}
			c->pending_bytes += msg_weight(msg);
			g_queue_push_tail(&c->pending, msg);
			continue;
		}
		left = end - g_get_monotonic_time();
		if (left <= 0)
			return -ETIMEDOUT;
		if (c->out.length)
			pfd.events |= POLLOUT;
		/* A signal only makes the loop look at the clock again. */
		if (poll(&pfd, 1, (left + 999) / 1000) < 0 && errno != EINTR) {
			c->broken = true;
			return -ENOTCONN;
		}
	}
}

static int dma_chunk(VfuConn *c, uint64_t addr, uint8_t *buf, size_t len, bool is_write,
		     int64_t end)
{
	uint16_t cmd = is_write ? X100_VFU_DMA_WRITE : X100_VFU_DMA_READ;
	size_t out_len = 16 + (is_write ? len : 0);
	g_autofree uint8_t *req = g_malloc(out_len);
	uint64_t count = len;
	X100VfuMsg *reply = NULL;
	uint16_t id = c->next_id++;
	uint64_t got[2] = { 0 };
	int ret;

	memcpy(req, &addr, 8);
	memcpy(req + 8, &count, 8);
	if (is_write)
		memcpy(req + 16, buf, len);
	conn_send(c, id, cmd, VFU_TYPE_COMMAND, 0, req, out_len, NULL, 0);
	ret = c->broken ? -ENOTCONN : dma_wait(c, id, &reply, end);
	if (ret < 0) {
		if (ret == -ETIMEDOUT)
			c->deaf = true;
		return ret;
	}
	if (reply->len)
		memcpy(got, reply->data, MIN(reply->len, sizeof(got)));
	if (reply->error)
		ret = -reply->error;
	else if (reply->cmd != cmd || got[0] != addr || (uint32_t)got[1] != (uint32_t)count ||
		 reply->len < (is_write ? 12 : 16 + len)) /* a short count field is allowed */
		ret = -EPROTO;
	else if (!is_write)
		memcpy(buf, reply->data + 16, len);
	msg_free(reply);
	return ret;
}

int x100_vfu_dma(X100VfuServer *srv, uint64_t addr, void *buf, size_t len, bool is_write,
		 int timeout_ms)
{
	int64_t end = g_get_monotonic_time() + timeout_ms * (int64_t)1000;
	VfuConn *c = srv->client;
	size_t done = 0;
	int ret = 0;

	if (!c || c->broken)
		return -ENOTCONN;
	if (c->deaf || !c->max_xfer)
		return -ETIMEDOUT;
	while (!ret && done < len) {
		size_t n = MIN(len - done, c->max_xfer);

		ret = dma_chunk(c, addr + done, (uint8_t *)buf + done, n, is_write, end);
		done += n;
	}
	/* Commands read meanwhile, unsent bytes and a broken connection are the main loop's. */
	conn_update(c);
	if (c->broken)
		qemu_bh_schedule(srv->bh);
	return ret;
}
