// SPDX-License-Identifier: BSD-3-Clause
/*
 * Transport over vfio-user: one Unix socket to the model, one request at a time, each with a
 * deadline. What the server sends is judged in vfu_proto.c.
 */
#include "vfu_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <x100/range.h>

#include "vfu_proto.h"
#include "why.h"

struct vfu {
	int sock;
	int deadline_ms;
	uint16_t next_id;
	bool broken; /* the stream lost its framing or its peer: no request can work any more */
	struct x100_why *why;
	struct vfu_limits limits;
	struct vfu_region region[VFU_PCI_REGIONS];
	int region_fd[VFU_PCI_REGIONS];
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* Reply of the server: its body and the files that came along, which belong to the holder. */
struct reply {
	uint8_t *body;
	size_t size;
	int fds[VFU_MAX_FDS];
	unsigned int fd_count;
};

static void reply_release(struct reply *r)
{
	free(r->body);
	for (unsigned int i = 0; i < r->fd_count; i++)
		close(r->fds[i]);
	memset(r, 0, sizeof(*r));
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* An answer may still come, to a question nobody asks any more: the stream is of no use now. */
static int late(struct vfu *v)
{
	v->broken = true;
	return x100_fail(v->why, X100_ERR_NO_ANSWER, "%s: no answer within %d ms", v->path,
			 v->deadline_ms);
}

/* Wait until the socket is ready for @events or @deadline passes. */
static int wait_socket(struct vfu *v, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = v->sock, .events = events };
		int64_t left = deadline - now_ms();
		int n;

		if (left <= 0)
			return late(v);
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return X100_OK;
		if (n < 0 && errno != EINTR)
			return x100_fail(v->why, X100_ERR_SYSTEM, "poll: %s", strerror(errno));
	}
}

static int lost(struct vfu *v, const char *doing, int err)
{
	v->broken = true;
	return x100_fail(v->why, X100_ERR_GONE, "%s: the connection broke while %s%s%s", v->path,
			 doing, err ? ": " : "", err ? strerror(err) : "");
}

/* Send @iov in full; the files go with the first byte. */
static int send_all(struct vfu *v, struct iovec *iov, unsigned int iovs, const int *fds,
		    unsigned int fd_count, int64_t deadline)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * VFU_MAX_FDS)];
	} control;

	while (iovs) {
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = iovs };
		ssize_t n;
		int ret;

		if (fd_count) {
			struct cmsghdr *c;

			memset(&control, 0, sizeof(control));
			msg.msg_control = control.space;
			msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
			c = CMSG_FIRSTHDR(&msg);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
			memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
		}
		n = sendmsg(v->sock, &msg, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			ret = wait_socket(v, POLLOUT, deadline);
			if (ret) {
				v->broken = true;
				return ret;
			}
			continue;
		}
		if (n < 0)
			return lost(v, "sending", errno);
		fd_count = 0;
		while (iovs && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			iovs--;
		}
		if (iovs) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return X100_OK;
}

/* Take over the files of a received message; those that do not fit are closed. */
static void take_fds(struct msghdr *msg, struct reply *r)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (r->fd_count < VFU_MAX_FDS)
				r->fds[r->fd_count++] = fd;
			else
				close(fd);
		}
	}
}

static int recv_all(struct vfu *v, void *to, size_t size, struct reply *r, int64_t deadline)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * VFU_MAX_FDS)];
	} control;
	char *at = to;

	while (size) {
		struct iovec iov = { .iov_base = at, .iov_len = size };
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.space,
			.msg_controllen = sizeof(control.space),
		};
		ssize_t n = recvmsg(v->sock, &msg, MSG_CMSG_CLOEXEC);
		int ret;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			ret = wait_socket(v, POLLIN, deadline);
			if (ret) {
				v->broken = true;
				return ret;
			}
			continue;
		}
		if (n < 0)
			return lost(v, "waiting for an answer", errno);
		if (n == 0)
			return lost(v, "waiting for an answer", 0);
		take_fds(&msg, r);
		at += n;
		size -= (size_t)n;
	}
	return X100_OK;
}

/*
 * The server asks for something. All our memory travels as files, so it has no need to; it gets a
 * refusal, if it wants an answer at all.
 */
static int refuse_command(struct vfu *v, const struct vfu_header *asked, int64_t deadline)
{
	struct vfu_header h = {
		.id = asked->id,
		.command = asked->command,
		.size = sizeof(h),
		.flags = VFU_TYPE_REPLY | VFU_ERROR,
		.error = ENOTSUP,
	};
	struct iovec iov = { .iov_base = &h, .iov_len = sizeof(h) };

	if (asked->flags & VFU_NO_REPLY)
		return X100_OK;
	return send_all(v, &iov, 1, NULL, 0, deadline);
}

static const char *command_words(uint16_t command)
{
	switch (command) {
	case VFU_VERSION:
		return "the greeting";
	case VFU_DMA_MAP:
		return "to map host memory";
	case VFU_DMA_UNMAP:
		return "to unmap host memory";
	case VFU_GET_INFO:
		return "to describe the device";
	case VFU_GET_REGION_INFO:
		return "to describe a region";
	case VFU_SET_IRQS:
		return "to set up interrupts";
	case VFU_REGION_READ:
		return "a register read";
	case VFU_REGION_WRITE:
		return "a register write";
	default:
		return "a request";
	}
}

/* An error reply in terms of ours. */
static int refused(struct vfu *v, uint16_t command, uint32_t error)
{
	if (error == EBUSY && command == VFU_VERSION)
		return x100_fail(v->why, X100_ERR_BUSY, "%s: another program is connected",
				 v->path);
	return x100_fail(v->why, X100_ERR_PEER, "%s refused %s: %s", v->path,
			 command_words(command), error ? strerror((int)error) : "no cause given");
}

/*
 * Send one command, @body then @data, and wait for its reply.
 *
 * @r: filled on success; released by the caller
 */
static int request(struct vfu *v, uint16_t command, const void *body, size_t body_size,
		   const void *data, size_t data_size, const int *fds, unsigned int fd_count,
		   struct reply *r)
{
	int64_t deadline = now_ms() + v->deadline_ms;
	struct vfu_header h = {
		.id = v->next_id++,
		.command = command,
		.size = (uint32_t)(sizeof(h) + body_size + data_size),
		.flags = VFU_TYPE_COMMAND,
	};
	struct iovec iov[3] = {
		{ .iov_base = &h, .iov_len = sizeof(h) },
		{ .iov_base = (void *)body, .iov_len = body_size },
		{ .iov_base = (void *)data, .iov_len = data_size },
	};
	uint16_t id = h.id;
	int ret;

	memset(r, 0, sizeof(*r));
	if (v->broken)
		return x100_fail(v->why, X100_ERR_GONE, "%s: the connection is broken", v->path);
	ret = send_all(v, iov, 3, fds, fd_count, deadline);
	while (!ret) {
		enum vfu_kind kind;

		ret = recv_all(v, &h, sizeof(h), r, deadline);
		if (ret)
			break;
		kind = vfu_check_header(&h, id, command);
		if (kind == VFU_KIND_BROKEN) {
			v->broken = true;
			ret = x100_fail(v->why, X100_ERR_PROTOCOL,
					"%s: message %u of %u bytes makes no sense", v->path,
					h.command, h.size);
			break;
		}
		r->size = h.size - sizeof(h);
		/* One spare byte: a body of nothing still is an object. */
		r->body = malloc(r->size + 1);
		if (!r->body) {
			v->broken = true;
			ret = x100_fail(v->why, X100_ERR_MEMORY, "no memory for a message");
			break;
		}
		ret = recv_all(v, r->body, r->size, r, deadline);
		if (ret)
			break;
		if (kind == VFU_KIND_REPLY) {
			if (h.flags & VFU_ERROR)
				ret = refused(v, command, h.error);
			break;
		}
		if (kind == VFU_KIND_COMMAND)
			ret = refuse_command(v, &h, deadline);
		reply_release(r);
		/* A peer that always has something else to say never lets poll() look at the clock. */
		if (!ret && now_ms() >= deadline)
			ret = late(v);
	}
	if (ret)
		reply_release(r);
	return ret;
}

/* A request whose reply body does not matter. */
static int simple_request(struct vfu *v, uint16_t command, const void *body, size_t size,
			  const int *fds, unsigned int fd_count)
{
	struct reply r;
	int ret = request(v, command, body, size, NULL, 0, fds, fd_count, &r);

	if (!ret)
		reply_release(&r);
	return ret;
}

static int greet(struct vfu *v)
{
	static const char caps[] =
		"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}";
	struct vfu_version version = { .major = VFU_MAJOR, .minor = VFU_MINOR };
	struct reply r;
	int ret =
		request(v, VFU_VERSION, &version, sizeof(version), caps, sizeof(caps), NULL, 0, &r);

	if (ret == X100_ERR_NO_ANSWER)
		return x100_fail(
			v->why, ret,
			"%s takes connections but does not greet within %d ms: another program "
			"may hold the card, or the model hangs",
			v->path, v->deadline_ms);
	if (ret == X100_ERR_GONE)
		return x100_fail(v->why, ret, "%s: closed the connection instead of greeting",
				 v->path);
	if (ret)
		return ret;
	ret = vfu_parse_version(r.body, r.size, &v->limits);
	reply_release(&r);
	if (ret == -EPROTONOSUPPORT)
		return x100_fail(v->why, X100_ERR_PROTOCOL, "%s speaks another vfio-user version",
				 v->path);
	if (ret)
		return x100_fail(v->why, X100_ERR_PROTOCOL,
				 "%s greets in a way that makes no sense", v->path);
	return X100_OK;
}

static int query_region(struct vfu *v, uint32_t index)
{
	struct vfu_region_info ask = { .argsz = sizeof(ask), .index = index };
	struct reply r;
	int ret, more;

	/* Twice at most: the first answer tells how long the whole one is. */
	for (int tries = 0; tries < 2; tries++) {
		ret = request(v, VFU_GET_REGION_INFO, &ask, sizeof(ask), NULL, 0, NULL, 0, &r);
		if (ret)
			return ret;
		more = vfu_parse_region(r.body, r.size, index, &v->region[index]);
		if (!more) {
			if (r.fd_count) {
				v->region_fd[index] = r.fds[0];
				r.fds[0] = r.fds[--r.fd_count];
			} else {
				v->region[index].areas = 0;
			}
		}
		reply_release(&r);
		if (!more)
			return X100_OK;
		if (more < 0)
			break;
		ask.argsz = (uint32_t)more;
	}
	return x100_fail(v->why, X100_ERR_PROTOCOL,
			 "%s describes region %u in a way that makes no sense", v->path, index);
}

static void vfu_close(void *dev)
{
	struct vfu *v = dev;

	for (unsigned int i = 0; i < VFU_PCI_REGIONS; i++)
		if (v->region_fd[i] >= 0)
			close(v->region_fd[i]);
	if (v->sock >= 0)
		close(v->sock);
	free(v);
}

static int connect_socket(struct vfu *v)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int err;

	memcpy(to.sun_path, v->path, sizeof(to.sun_path));
	v->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (v->sock < 0)
		return x100_fail(v->why, X100_ERR_SYSTEM, "socket: %s", strerror(errno));
	if (!connect(v->sock, (struct sockaddr *)&to, sizeof(to)))
		return X100_OK;
	err = errno;
	switch (err) {
	case ENOENT:
	case ENOTDIR:
		return x100_fail(v->why, X100_ERR_NO_DEVICE, "there is no socket %s", v->path);
	case ECONNREFUSED:
	case ENOTSOCK:
		return x100_fail(v->why, X100_ERR_NOBODY, "nobody listens at %s", v->path);
	case EACCES:
	case EPERM:
		return x100_fail(v->why, X100_ERR_PERMISSION, "%s: %s", v->path, strerror(err));
	case EAGAIN:
		return x100_fail(v->why, X100_ERR_BUSY, "%s: others wait for it already", v->path);
	default:
		return x100_fail(v->why, X100_ERR_SYSTEM, "%s: %s", v->path, strerror(err));
	}
}

static int query_device(struct vfu *v)
{
	static const uint32_t wanted[] = { X100_REGION_APERTURE, X100_REGION_MMIO, VFU_PCI_CONFIG };
	struct vfu_device_info info = { .argsz = sizeof(info) };
	struct reply r;
	int ret;

	ret = request(v, VFU_GET_INFO, &info, sizeof(info), NULL, 0, NULL, 0, &r);
	if (ret)
		return ret;
	if (r.size >= sizeof(info))
		memcpy(&info, r.body, sizeof(info));
	else
		info.regions = 0;
	reply_release(&r);
	if (info.regions <= VFU_PCI_CONFIG)
		return x100_fail(v->why, X100_ERR_NOT_X100, "%s is not a PCI device", v->path);
	for (unsigned int i = 0; i < sizeof(wanted) / sizeof(wanted[0]) && !ret; i++)
		ret = query_region(v, wanted[i]);
	return ret;
}

int x100_vfu_open(const char *path, int deadline_ms, struct x100_why *why, void **dev)
{
	struct vfu *v;
	int ret;

	*dev = NULL;
	if (!path[0] || strlen(path) >= sizeof(v->path))
		return x100_fail(why, X100_ERR_NAME, "a socket path has 1 to %zu characters",
				 sizeof(v->path) - 1);
	v = calloc(1, sizeof(*v));
	if (!v)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for a connection");
	v->sock = -1;
	for (unsigned int i = 0; i < VFU_PCI_REGIONS; i++)
		v->region_fd[i] = -1;
	v->deadline_ms = deadline_ms;
	v->why = why;
	strcpy(v->path, path);
	ret = connect_socket(v);
	if (!ret)
		ret = greet(v);
	if (!ret)
		ret = query_device(v);
	if (ret) {
		vfu_close(v);
		return ret;
	}
	*dev = v;
	return X100_OK;
}

static int vfu_open(const char *where, struct x100_why *why, void **dev)
{
	return x100_vfu_open(where, X100_VFU_DEADLINE_MS, why, dev);
}

/* The region, or NULL when it is none that was asked about at open. */
static const struct vfu_region *known_region(const struct vfu *v, unsigned int region)
{
	if (region >= VFU_PCI_REGIONS || !v->region[region].size)
		return NULL;
	return &v->region[region];
}

static int vfu_region(void *dev, unsigned int region, struct x100_region *info)
{
	struct vfu *v = dev;
	const struct vfu_region *r = known_region(v, region);

	memset(info, 0, sizeof(*info));
	if (!r)
		return x100_fail(v->why, X100_ERR_NOT_X100, "%s has no region %u", v->path, region);
	info->size = r->size;
	_Static_assert(VFU_MAX_AREAS == sizeof(info->mappable) / sizeof(info->mappable[0]),
		       "areas fit");
	for (unsigned int i = 0; i < r->areas; i++) {
		info->mappable[i].offset = r->area[i].offset;
		info->mappable[i].size = r->area[i].size;
	}
	return X100_OK;
}

static int vfu_read(void *dev, unsigned int region, uint64_t offset, void *to, size_t size)
{
	struct vfu *v = dev;
	uint8_t *at = to;

	while (size) {
		uint32_t part = size > v->limits.data ? v->limits.data : (uint32_t)size;
		struct vfu_access ask = { .offset = offset, .region = region, .count = part };
		struct vfu_access got = { 0 };
		struct reply r;
		int ret;

		ret = request(v, VFU_REGION_READ, &ask, sizeof(ask), NULL, 0, NULL, 0, &r);
		if (ret)
			return ret;
		if (r.size >= sizeof(got))
			memcpy(&got, r.body, sizeof(got));
		if (r.size != sizeof(got) + part || got.count != part) {
			reply_release(&r);
			return x100_fail(v->why, X100_ERR_PROTOCOL,
					 "%s answered a read of %u bytes with %zu", v->path, part,
					 r.size);
		}
		memcpy(at, r.body + sizeof(got), part);
		reply_release(&r);
		at += part;
		offset += part;
		size -= part;
	}
	return X100_OK;
}

static int vfu_write(void *dev, unsigned int region, uint64_t offset, const void *from, size_t size)
{
	struct vfu *v = dev;
	const uint8_t *at = from;

	while (size) {
		uint32_t part = size > v->limits.data ? v->limits.data : (uint32_t)size;
		struct vfu_access ask = { .offset = offset, .region = region, .count = part };
		struct reply r;
		int ret;

		ret = request(v, VFU_REGION_WRITE, &ask, sizeof(ask), at, part, NULL, 0, &r);
		if (ret)
			return ret;
		reply_release(&r);
		at += part;
		offset += part;
		size -= part;
	}
	return X100_OK;
}

static int vfu_read32(void *dev, unsigned int region, uint64_t offset, uint32_t *value)
{
	return vfu_read(dev, region, offset, value, sizeof(*value));
}

static int vfu_write32(void *dev, unsigned int region, uint64_t offset, uint32_t value)
{
	return vfu_write(dev, region, offset, &value, sizeof(value));
}

/* No answer is asked for; what the write does to the card shows later, or never. */
static int vfu_post32(void *dev, unsigned int region, uint64_t offset, uint32_t value)
{
	struct vfu *v = dev;
	struct {
		struct vfu_header h;
		struct vfu_access access;
		uint32_t value;
	} __attribute__((packed)) message = {
		.h = { .id = v->next_id++,
		       .command = VFU_REGION_WRITE,
		       .size = sizeof(message),
		       .flags = VFU_TYPE_COMMAND | VFU_NO_REPLY },
		.access = { .offset = offset, .region = region, .count = sizeof(value) },
		.value = value,
	};
	struct iovec iov = { .iov_base = &message, .iov_len = sizeof(message) };

	if (v->broken)
		return x100_fail(v->why, X100_ERR_GONE, "%s: the connection is broken", v->path);
	return send_all(v, &iov, 1, NULL, 0, now_ms() + v->deadline_ms);
}

static int vfu_hangup_fd(void *dev)
{
	struct vfu *v = dev;

	return v->sock;
}

static int vfu_map(void *dev, unsigned int region, uint64_t offset, uint64_t size, void **at)
{
	struct vfu *v = dev;
	const struct vfu_region *r = known_region(v, region);
	struct x100_range file = { 0, 0 };
	struct stat st;
	void *p;

	if (!r || v->region_fd[region] < 0)
		return x100_fail(v->why, X100_ERR_ARGUMENT, "region %u cannot be mapped", region);
	/* Touching what lies behind the end of the file would end this program with SIGBUS. */
	if (!fstat(v->region_fd[region], &st) && st.st_size > 0)
		file.size = (uint64_t)st.st_size;
	if (!x100_range_valid(r->file_offset, offset) ||
	    !x100_range_inside(file, r->file_offset + offset, size))
		return x100_fail(v->why, X100_ERR_PROTOCOL,
				 "%s: the file behind region %u is shorter than it says", v->path,
				 region);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->region_fd[region],
		 (off_t)(r->file_offset + offset));
	if (p == MAP_FAILED)
		return x100_fail(v->why, X100_ERR_SYSTEM, "mapping region %u: %s", region,
				 strerror(errno));
	*at = p;
	return X100_OK;
}

static void vfu_unmap(void *dev, void *at, uint64_t size)
{
	(void)dev;
	munmap(at, size);
}

static int vfu_dma_map(void *dev, const struct x100_dma *dma)
{
	struct vfu_dma_map map = {
		.argsz = sizeof(map),
		.flags = 3,
		.address = dma->iova,
		.size = dma->size,
	};

	return simple_request(dev, VFU_DMA_MAP, &map, sizeof(map), &dma->fd, 1);
}

static int vfu_dma_unmap(void *dev, const struct x100_dma *dma)
{
	struct vfu_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.address = dma->iova,
		.size = dma->size,
	};

	return simple_request(dev, VFU_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0);
}

static int vfu_set_irqs(void *dev, const int *fds, unsigned int count)
{
	struct vfu *v = dev;
	struct vfu_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFU_IRQ_TRIGGER | VFU_IRQ_DATA_NONE,
		.index = VFU_PCI_MSIX,
	};
	unsigned int done = 0;
	int ret;

	if (!count)
		return simple_request(v, VFU_SET_IRQS, &set, sizeof(set), NULL, 0);

	/* The server says how many files it takes at once; 8 in libvfio-user. */
	set.flags = VFU_IRQ_TRIGGER | VFU_IRQ_DATA_EVENTFD;
	while (done < count) {
		unsigned int part = count - done;

		if (part > v->limits.fds)
			part = v->limits.fds;
		set.start = done;
		set.count = part;
		ret = simple_request(v, VFU_SET_IRQS, &set, sizeof(set), fds + done, part);
		if (ret)
			return ret;
		done += part;
	}
	return X100_OK;
}

static void vfu_describe(void *dev, char *text, size_t size)
{
	struct vfu *v = dev;

	snprintf(text, size, "model at %s", v->path);
}

const struct x100_transport_ops x100_vfu_transport = {
	.scheme = "model",
	.open = vfu_open,
	.close = vfu_close,
	.region = vfu_region,
	.read32 = vfu_read32,
	.write32 = vfu_write32,
	.post32 = vfu_post32,
	.read = vfu_read,
	.write = vfu_write,
	.map = vfu_map,
	.unmap = vfu_unmap,
	.dma_map = vfu_dma_map,
	.dma_unmap = vfu_dma_unmap,
	.set_irqs = vfu_set_irqs,
	.hangup_fd = vfu_hangup_fd,
	.describe = vfu_describe,
	.memory_backed = true,
};
