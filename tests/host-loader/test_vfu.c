// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/vfu_client.c and vfu_proto.c. Faked: the server, a thread behind a real Unix socket
 * that answers as each test says.
 */
#include "fake.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vfu_client.h"
#include "vfu_proto.h"

#define DEADLINE_MS 200
#define PAGE        4096u
#define BAR0_SIZE   (16ull * PAGE)

/* What the server does other than a good one. */
enum misdeed {
	GOOD,
	SILENT, /* takes the connection, says nothing */
	CLOSES, /* at the greeting */
	BUSY,   /* EBUSY to the greeting */
	OTHER_VERSION,
	NO_JSON,  /* a greeting whose text is no JSON */
	BAD_SIZE, /* a header that says 3 bytes */
	HUGE_SIZE,
	WRONG_COMMAND,  /* a reply to something else */
	STALE_FIRST,    /* a reply nobody waits for, then the right one */
	ASKS_FIRST,     /* DMA_READ of its own before each answer */
	SHORT_READ,     /* fewer bytes than asked for */
	READ_ERROR,     /* EINVAL to reads */
	DIES_READING,   /* closes at the first read */
	HANGS_READING,  /* no answer to reads */
	FLOODS_READING, /* replies nobody waits for, without end */
	TRICKLES,       /* each answer one byte at a time */
	BAD_REGION,     /* areas outside the region */
	WHOLE_REGION,   /* mappable without areas */
	NO_FD,          /* mappable, but without a file */
	STALLS,         /* takes nothing more from its socket */
};

static struct {
	enum misdeed misdeed;
	int listener;
	int memory; /* memfd behind BAR0 */
	uint32_t reg;
	unsigned int irqs, irq_messages, dma_maps, refusals, posted;
	int irq_fd[16];
	pthread_t thread;
	char path[64];
	char folder[40];
} server;

static bool get(int fd, void *to, size_t size, int *fds, unsigned int *fd_count)
{
	char control[CMSG_SPACE(sizeof(int) * 16)], *at = to;

	while (size) {
		struct iovec iov = { at, size };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, 0);

		if (n <= 0)
			return false;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			unsigned int count =
				(unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

			memcpy(fds + *fd_count, CMSG_DATA(c), count * sizeof(int));
			*fd_count += count;
		}
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static void put(int fd, const void *from, size_t size, int pass)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { (void *)from, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pass >= 0) {
		struct cmsghdr *c;

		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof(int));
	}
	if (server.misdeed == TRICKLES && pass < 0) {
		for (size_t i = 0; i < size; i++)
			send(fd, (const char *)from + i, 1, MSG_NOSIGNAL);
		return;
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void reply(int fd, const struct vfu_header *to, const void *body, size_t size, int pass,
		  uint32_t error)
{
	static char message[sizeof(struct vfu_header) + VFU_MAX_DATA + 64];
	struct vfu_header h = *to;

	h.flags = VFU_TYPE_REPLY | (error ? VFU_ERROR : 0);
	h.error = error;
	h.size = (uint32_t)(sizeof(h) + size);
	if (server.misdeed == WRONG_COMMAND && to->command != VFU_VERSION)
		h.command ^= 1;
	if (server.misdeed == BAD_SIZE)
		h.size = 3;
	if (server.misdeed == HUGE_SIZE)
		h.size = 0xFFFFFFF0;
	memcpy(message, &h, sizeof(h));
	if (size)
		memcpy(message + sizeof(h), body, size);
	if (server.misdeed == STALE_FIRST) {
		struct vfu_header stale = { .id = (uint16_t)(h.id + 77),
					    .command = h.command,
					    .size = sizeof(stale),
					    .flags = VFU_TYPE_REPLY };

		put(fd, &stale, sizeof(stale), -1);
	}
	put(fd, message, sizeof(h) + size, pass);
}

/* Ask the client for its memory; it has to refuse and go on. */
static bool ask(int fd)
{
	struct {
		struct vfu_header h;
		uint64_t address, count;
	} q = { { .id = 9, .command = VFU_DMA_READ, .size = sizeof(q) }, 0x1000, 8 };
	struct vfu_header answer;
	unsigned int none = 0;
	int fds[16];

	put(fd, &q, sizeof(q), -1);
	if (!get(fd, &answer, sizeof(answer), fds, &none))
		return false;
	if (answer.id == 9 && answer.flags == (VFU_TYPE_REPLY | VFU_ERROR) &&
	    answer.error == ENOTSUP && answer.size == sizeof(answer))
		server.refusals++;
	return true;
}

static void answer_region(int fd, const struct vfu_header *h, const uint8_t *body)
{
	struct {
		struct vfu_region_info info;
		struct vfu_sparse sparse;
		struct vfu_area area[2];
	} r = { 0 };
	struct vfu_region_info asked;
	size_t size = sizeof(r.info);
	int pass = -1;

	memcpy(&asked, body, sizeof(asked));
	r.info.index = asked.index;
	r.info.argsz = sizeof(r.info);
	r.info.flags = VFU_REGION_READABLE | VFU_REGION_WRITABLE;
	if (asked.index == X100_REGION_MMIO)
		r.info.size = 0x20000;
	if (asked.index == X100_REGION_CONFIG)
		r.info.size = 4096;
	if (asked.index == X100_REGION_APERTURE) {
		r.info.size = BAR0_SIZE;
		r.info.offset = PAGE; /* in the file */
		r.info.flags |= VFU_REGION_MMAP;
		if (server.misdeed != WHOLE_REGION) {
			r.info.argsz = sizeof(r);
			r.info.cap_offset = sizeof(r.info);
			r.sparse.cap.id = VFU_CAP_SPARSE_MMAP;
			r.sparse.cap.version = 1;
			r.sparse.areas = 2;
			r.area[0] = (struct vfu_area){ 0, 4 * PAGE };
			r.area[1] = (struct vfu_area){ 8 * PAGE, 8 * PAGE };
			if (server.misdeed == BAD_REGION)
				r.area[1].size++;
		}
		/* As libvfio-user: capabilities and file only when there is room for them. */
		if (asked.argsz >= r.info.argsz) {
			if (server.misdeed != WHOLE_REGION)
				r.info.flags |= VFU_REGION_CAPS;
			size = r.info.argsz;
			pass = server.misdeed == NO_FD ? -1 : server.memory;
		}
	}
	reply(fd, h, &r, size, pass, 0);
}

static bool answer(int fd, const struct vfu_header *h, const uint8_t *body, const int *fds,
		   unsigned int fd_count)
{
	static uint8_t data[sizeof(struct vfu_access) + VFU_MAX_DATA];
	struct vfu_device_info info = { .argsz = sizeof(info), .regions = 9, .irqs = 5 };
	struct vfu_access access;
	struct vfu_irq_set set;
	char text[128];
	int n;

	if (server.misdeed == ASKS_FIRST && !ask(fd))
		return false;
	switch (h->command) {
	case VFU_VERSION:
		if (server.misdeed == BUSY) {
			reply(fd, h, NULL, 0, -1, EBUSY);
			return false;
		}
		memset(text, 0, 4);
		if (server.misdeed == OTHER_VERSION)
			text[0] = 1;
		else
			text[2] = 1;
		n = snprintf(
			text + 4, sizeof(text) - 4, "%s",
			server.misdeed == NO_JSON ?
				"{nonsense" :
				"{\"capabilities\":{\"max_msg_fds\":4,\"max_data_xfer_size\":10000}}");
		reply(fd, h, text, 4 + (size_t)n + 1, -1, 0);
		return true;
	case VFU_GET_INFO:
		reply(fd, h, &info, sizeof(info), -1, 0);
		return true;
	case VFU_GET_REGION_INFO:
		answer_region(fd, h, body);
		return true;
	case VFU_REGION_READ:
		memcpy(&access, body, sizeof(access));
		if (server.misdeed == DIES_READING)
			return false;
		if (server.misdeed == HANGS_READING)
			return true;
		if (server.misdeed == FLOODS_READING) {
			struct vfu_header stale = { .id = (uint16_t)(h->id + 77),
						    .command = h->command,
						    .size = sizeof(stale),
						    .flags = VFU_TYPE_REPLY };

			while (send(fd, &stale, sizeof(stale), MSG_NOSIGNAL) > 0)
				;
			return false;
		}
		if (server.misdeed == READ_ERROR || access.count > 10000) {
			reply(fd, h, NULL, 0, -1, EINVAL);
			return true;
		}
		memcpy(data, &access, sizeof(access));
		memset(data + sizeof(access), 0, access.count);
		if (access.region == X100_REGION_APERTURE)
			n = (int)pread(server.memory, data + sizeof(access), access.count,
				       (off_t)(access.offset + PAGE));
		else
			memcpy(data + sizeof(access), &server.reg, 4);
		reply(fd, h, data, sizeof(access) + access.count - (server.misdeed == SHORT_READ),
		      -1, 0);
		return true;
	case VFU_REGION_WRITE:
		memcpy(&access, body, sizeof(access));
		if (access.region == X100_REGION_APERTURE)
			n = (int)pwrite(server.memory, body + sizeof(access), access.count,
					(off_t)(access.offset + PAGE));
		else
			memcpy(&server.reg, body + sizeof(access), 4);
		if (h->flags & VFU_NO_REPLY)
			server.posted++;
		else
			reply(fd, h, &access, sizeof(access), -1, 0);
		return true;
	case VFU_DMA_MAP:
		if (fd_count == 1)
			server.dma_maps++;
		reply(fd, h, NULL, 0, -1, 0);
		return true;
	case VFU_DMA_UNMAP:
		server.dma_maps--;
		reply(fd, h, body, sizeof(struct vfu_dma_unmap), -1, 0);
		return true;
	case VFU_SET_IRQS:
		memcpy(&set, body, sizeof(set));
		server.irq_messages++;
		if (fd_count > 4 || set.count != fd_count || set.index != VFU_PCI_MSIX ||
		    set.start + set.count > 16) {
			reply(fd, h, NULL, 0, -1, EINVAL);
			return true;
		}
		for (unsigned int i = 0; i < fd_count; i++)
			server.irq_fd[set.start + i] = dup(fds[i]);
		server.irqs += fd_count;
		reply(fd, h, NULL, 0, -1, 0);
		return true;
	default:
		reply(fd, h, NULL, 0, -1, ENOTSUP);
		return true;
	}
}

static void *serve(void *arg)
{
	int fd = accept(server.listener, NULL, NULL);

	(void)arg;
	for (;;) {
		static uint8_t body[VFU_MAX_MESSAGE];
		struct vfu_header h;
		unsigned int fd_count = 0;
		bool go_on;
		int fds[16];

		if (!get(fd, &h, sizeof(h), fds, &fd_count) || h.size > sizeof(body))
			break;
		if (h.size > sizeof(h) && !get(fd, body, h.size - sizeof(h), fds, &fd_count))
			break;
		if (server.misdeed == SILENT)
			continue;
		if (server.misdeed == STALLS) {
			struct pollfd end = { .fd = server.listener, .events = POLLIN };

			poll(&end, 1, 60000);
			break;
		}
		go_on = server.misdeed != CLOSES && answer(fd, &h, body, fds, fd_count);
		for (unsigned int i = 0; i < fd_count; i++)
			close(fds[i]);
		if (!go_on)
			break;
	}
	close(fd);
	return NULL;
}

static int start(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)state;
	memset(&server, 0, sizeof(server));
	strcpy(server.folder, "/tmp/x100-test-XXXXXX");
	if (!mkdtemp(server.folder))
		return -1;
	snprintf(server.path, sizeof(server.path), "%s/card.sock", server.folder);
	strcpy(at.sun_path, server.path);
	server.memory = memfd_create("test", 0);
	if (ftruncate(server.memory, (off_t)(BAR0_SIZE + PAGE)))
		return -1;
	server.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(server.listener, (struct sockaddr *)&at, sizeof(at)) || listen(server.listener, 1))
		return -1;
	return pthread_create(&server.thread, NULL, serve, NULL);
}

/* The client has closed by now, so the server ends by itself; wake one that nobody connected to. */
static int stop(void **state)
{
	(void)state;
	shutdown(server.listener, SHUT_RDWR);
	close(server.listener);
	pthread_join(server.thread, NULL);
	close(server.memory);
	for (unsigned int i = 0; i < server.irqs; i++)
		close(server.irq_fd[i]);
	unlink(server.path);
	rmdir(server.folder);
	return 0;
}

static const struct x100_transport_ops *const ops = &x100_vfu_transport;
static struct x100_why why;

static void *open_ok(void)
{
	void *dev;
	int ret = x100_vfu_open(server.path, DEADLINE_MS, &why, &dev);

	if (ret)
		fail_msg("error %d: %s", ret, why.text);
	return dev;
}

static void open_fails(enum misdeed misdeed, int error)
{
	void *dev;
	int ret;

	why.text[0] = '\0';
	server.misdeed = misdeed;
	ret = x100_vfu_open(server.path, DEADLINE_MS, &why, &dev);
	if (ret != error)
		fail_msg("misdeed %d: error %d, not %d: %s", misdeed, ret, error, why.text);
	assert_null(dev);
	assert_non_null(strstr(why.text, server.path));
}

static void registers_are_read_and_written(void **state)
{
	void *dev = open_ok();
	uint32_t value;

	(void)state;
	assert_int_equal(ops->write32(dev, X100_REGION_MMIO, 0x14010, 0x12345678), X100_OK);
	assert_int_equal(ops->read32(dev, X100_REGION_MMIO, 0x14010, &value), X100_OK);
	assert_int_equal(value, 0x12345678);
	ops->close(dev);
}

static void posted_writes_arrive_in_order_without_answers(void **state)
{
	void *dev = open_ok();
	uint32_t value;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(ops->post32(dev, X100_REGION_MMIO, 0x1B180, i), X100_OK);
	assert_int_equal(ops->read32(dev, X100_REGION_MMIO, 0x1B180, &value), X100_OK);
	assert_int_equal(value, 999);
	assert_int_equal(server.posted, 1000);
	ops->close(dev);
}

static void posting_to_a_server_that_stalls_has_a_deadline(void **state)
{
	void *dev = open_ok();
	int ret;

	(void)state;
	server.misdeed = STALLS;
	do
		ret = ops->post32(dev, X100_REGION_MMIO, 0x1B180, 0);
	while (!ret);
	assert_int_equal(ret, X100_ERR_NO_ANSWER);
	assert_int_equal(ops->post32(dev, X100_REGION_MMIO, 0x1B180, 0), X100_ERR_GONE);
	ops->close(dev);
}

static void a_server_that_goes_hangs_up(void **state)
{
	void *dev = open_ok();
	struct pollfd p = { .fd = ops->hangup_fd(dev), .events = POLLRDHUP };
	uint32_t value;

	(void)state;
	assert_int_equal(poll(&p, 1, 0), 0);
	server.misdeed = DIES_READING;
	assert_int_equal(ops->read32(dev, X100_REGION_MMIO, 0, &value), X100_ERR_GONE);
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_true(p.revents & POLLRDHUP);
	assert_int_equal(ops->post32(dev, X100_REGION_MMIO, 0, 0), X100_ERR_GONE);
	ops->close(dev);
}

static void the_aperture_is_mapped_where_it_may_be(void **state)
{
	struct x100_region info;
	void *dev = open_ok(), *at;
	char text[8] = { 0 };

	(void)state;
	assert_int_equal(ops->region(dev, X100_REGION_APERTURE, &info), X100_OK);
	assert_int_equal(info.size, BAR0_SIZE);
	assert_int_equal(info.mappable[0].offset, 0);
	assert_int_equal(info.mappable[0].size, 4 * PAGE);
	assert_int_equal(info.mappable[1].offset, 8 * PAGE);
	assert_int_equal(info.mappable[2].size, 0);
	assert_int_equal(ops->map(dev, X100_REGION_APERTURE, 0, 4 * PAGE, &at), X100_OK);
	memcpy(at, "hello", 6);
	assert_int_equal(ops->read(dev, X100_REGION_APERTURE, 0, text, 6), X100_OK);
	assert_string_equal(text, "hello");
	ops->unmap(dev, at, 4 * PAGE);
	assert_int_equal(ops->map(dev, X100_REGION_MMIO, 0, PAGE, &at), X100_ERR_ARGUMENT);
	assert_int_equal(ops->region(dev, 5, &info), X100_ERR_NOT_X100);
	assert_int_equal(ops->region(dev, 4000, &info), X100_ERR_NOT_X100);
	ops->close(dev);
}

static void a_region_without_areas_may_be_mapped_whole(void **state)
{
	struct x100_region info;
	void *dev;

	(void)state;
	server.misdeed = WHOLE_REGION;
	dev = open_ok();
	assert_int_equal(ops->region(dev, X100_REGION_APERTURE, &info), X100_OK);
	assert_int_equal(info.mappable[0].size, BAR0_SIZE);
	ops->close(dev);
}

static void without_a_file_nothing_is_mapped(void **state)
{
	struct x100_region info;
	void *dev;

	(void)state;
	server.misdeed = NO_FD;
	dev = open_ok();
	assert_int_equal(ops->region(dev, X100_REGION_APERTURE, &info), X100_OK);
	assert_int_equal(info.mappable[0].size, 0);
	ops->close(dev);
}

static void a_file_shorter_than_its_region_is_not_mapped(void **state)
{
	void *dev = open_ok(), *at = NULL;

	(void)state;
	assert_int_equal(ftruncate(server.memory, 4 * PAGE), 0);
	assert_int_equal(ops->map(dev, X100_REGION_APERTURE, 0, 4 * PAGE, &at), X100_ERR_PROTOCOL);
	assert_null(at);
	assert_int_equal(ops->map(dev, X100_REGION_APERTURE, 0, 3 * PAGE, &at), X100_OK);
	ops->unmap(dev, at, 3 * PAGE);
	assert_int_equal(ops->map(dev, X100_REGION_APERTURE, UINT64_MAX - PAGE + 1, PAGE, &at),
			 X100_ERR_PROTOCOL);
	ops->close(dev);
}

static void bulk_data_is_cut_to_what_the_server_takes(void **state)
{
	static uint8_t out[BAR0_SIZE], in[BAR0_SIZE];
	void *dev = open_ok();

	(void)state;
	/* The fake takes 10000 bytes at a time and refuses more. */
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 31 + (i >> 8));
	assert_int_equal(ops->write(dev, X100_REGION_APERTURE, 0, out, sizeof(out)), X100_OK);
	assert_int_equal(ops->read(dev, X100_REGION_APERTURE, 0, in, sizeof(in)), X100_OK);
	assert_memory_equal(in, out, sizeof(in));
	ops->close(dev);
}

static void more_interrupts_than_files_per_message_come_in_parts(void **state)
{
	void *dev = open_ok();
	int fds[9];

	(void)state;
	for (int i = 0; i < 9; i++)
		fds[i] = eventfd(0, 0);
	assert_int_equal(ops->set_irqs(dev, fds, 9), X100_OK);
	assert_int_equal(server.irqs, 9);
	assert_int_equal(server.irq_messages, 3);
	/* Each went to its own vector. */
	for (int i = 0; i < 9; i++) {
		uint64_t value = (uint64_t)i + 1, got;

		assert_int_equal(write(server.irq_fd[i], &value, 8), 8);
		assert_int_equal(read(fds[i], &got, 8), 8);
		assert_int_equal(got, value);
		close(fds[i]);
	}
	ops->close(dev);
}

static void host_memory_travels_as_a_file(void **state)
{
	struct x100_dma dma = { .size = PAGE, .iova = 1ull << 32, .fd = memfd_create("d", 0) };
	void *dev = open_ok();

	(void)state;
	assert_int_equal(ops->dma_map(dev, &dma), X100_OK);
	assert_int_equal(server.dma_maps, 1);
	assert_int_equal(ops->dma_unmap(dev, &dma), X100_OK);
	assert_int_equal(server.dma_maps, 0);
	close(dma.fd);
	ops->close(dev);
}

static void a_missing_socket_is_no_device(void **state)
{
	struct x100_card *card;

	(void)state;
	assert_int_equal(x100_open("model:/nonexistent/card.sock", &card, &why),
			 X100_ERR_NO_DEVICE);
	assert_int_equal(x100_open("model:/tmp/x100-no-such.sock", &card, &why),
			 X100_ERR_NO_DEVICE);
}

static void a_socket_nobody_listens_at_says_so(void **state)
{
	char path[80];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	void *dev;

	(void)state;
	snprintf(path, sizeof(path), "%s/dead.sock", server.folder);
	strcpy(at.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	close(fd);
	assert_int_equal(x100_vfu_open(path, DEADLINE_MS, &why, &dev), X100_ERR_NOBODY);
	unlink(path);
}

static void a_path_too_long_for_a_socket_is_refused(void **state)
{
	char path[300];
	void *dev;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(x100_vfu_open(path, DEADLINE_MS, &why, &dev), X100_ERR_NAME);
}

static int64_t ms_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void a_silent_server_is_given_up_on_in_time(void **state)
{
	int64_t began = ms_now();

	(void)state;
	open_fails(SILENT, X100_ERR_NO_ANSWER);
	assert_in_range(ms_now() - began, DEADLINE_MS - 1, 20 * DEADLINE_MS);
}

#define OPEN_FAILS(name, misdeed, error)                                                           \
	static void name(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		open_fails(misdeed, error);                                                        \
	}

OPEN_FAILS(a_second_client_is_told_that_the_card_is_busy, BUSY, X100_ERR_BUSY)
OPEN_FAILS(a_server_that_closes_is_gone, CLOSES, X100_ERR_GONE)
OPEN_FAILS(another_version_is_refused, OTHER_VERSION, X100_ERR_PROTOCOL)
OPEN_FAILS(a_greeting_that_is_no_json_is_refused, NO_JSON, X100_ERR_PROTOCOL)
OPEN_FAILS(a_message_shorter_than_its_header_is_refused, BAD_SIZE, X100_ERR_PROTOCOL)
OPEN_FAILS(a_message_of_4_gib_is_refused, HUGE_SIZE, X100_ERR_PROTOCOL)
OPEN_FAILS(a_reply_to_something_else_is_refused, WRONG_COMMAND, X100_ERR_PROTOCOL)
OPEN_FAILS(areas_outside_their_region_are_refused, BAD_REGION, X100_ERR_PROTOCOL)

static void one_read_fails(enum misdeed misdeed, int error, int next)
{
	void *dev = open_ok();
	uint32_t value;
	int ret;

	server.misdeed = misdeed;
	ret = ops->read32(dev, X100_REGION_MMIO, 0, &value);
	if (ret != error)
		fail_msg("error %d, not %d: %s", ret, error, why.text);
	/* What the next request meets. */
	server.misdeed = GOOD;
	assert_int_equal(ops->read32(dev, X100_REGION_MMIO, 0, &value), next);
	ops->close(dev);
}

static void an_answer_of_the_wrong_length_is_refused(void **state)
{
	(void)state;
	one_read_fails(SHORT_READ, X100_ERR_PROTOCOL, X100_OK);
}

static void a_refused_access_is_told_and_the_next_one_works(void **state)
{
	(void)state;
	one_read_fails(READ_ERROR, X100_ERR_PEER, X100_OK);
}

static void a_server_that_dies_stays_gone(void **state)
{
	(void)state;
	one_read_fails(DIES_READING, X100_ERR_GONE, X100_ERR_GONE);
}

/* Its answer may still come, to a question nobody asks any more. */
static void after_a_late_answer_the_connection_is_not_used_again(void **state)
{
	(void)state;
	one_read_fails(HANGS_READING, X100_ERR_NO_ANSWER, X100_ERR_GONE);
}

static void a_server_that_talks_without_end_is_given_up_on_in_time(void **state)
{
	int64_t began = ms_now();

	(void)state;
	one_read_fails(FLOODS_READING, X100_ERR_NO_ANSWER, X100_ERR_GONE);
	assert_in_range(ms_now() - began, DEADLINE_MS - 1, 20 * DEADLINE_MS);
}

static void works_in_spite_of(enum misdeed misdeed)
{
	void *dev;
	uint32_t value;

	server.misdeed = misdeed;
	dev = open_ok();
	assert_int_equal(ops->write32(dev, X100_REGION_MMIO, 0, 42), X100_OK);
	assert_int_equal(ops->read32(dev, X100_REGION_MMIO, 0, &value), X100_OK);
	assert_int_equal(value, 42);
	ops->close(dev);
}

static void replies_nobody_waits_for_are_dropped(void **state)
{
	(void)state;
	works_in_spite_of(STALE_FIRST);
}

static void requests_of_the_server_are_refused_and_it_goes_on(void **state)
{
	(void)state;
	works_in_spite_of(ASKS_FIRST);
	assert_in_range(server.refusals, 6, 12);
}

static void messages_in_pieces_are_put_together(void **state)
{
	(void)state;
	works_in_spite_of(TRICKLES);
}

/* ------------------------------------------------------------------ the parser alone */

static void a_chain_of_capabilities_that_runs_in_a_circle_ends(void **state)
{
	struct {
		struct vfu_region_info info;
		struct vfu_cap cap[2];
	} r = {
		.info = { .argsz = sizeof(r),
			  .flags = VFU_REGION_MMAP | VFU_REGION_CAPS,
			  .cap_offset = 32,
			  .size = PAGE },
		.cap = { { .id = 9, .next = 40 }, { .id = 9, .next = 32 } },
	};
	struct vfu_region region;

	(void)state;
	assert_int_equal(vfu_parse_region((uint8_t *)&r, sizeof(r), 0, &region), -EPROTO);
	r.cap[1].next = 0;
	assert_int_equal(vfu_parse_region((uint8_t *)&r, sizeof(r), 0, &region), 0);
	r.cap[1].next = 41; /* leaves the body */
	assert_int_equal(vfu_parse_region((uint8_t *)&r, sizeof(r), 0, &region), -EPROTO);
}

static void limits_of_the_server_are_kept_in_bounds(void **state)
{
	static const struct {
		const char *json;
		uint32_t fds, data;
	} cases[] = {
		{ "{}", 1, VFU_MAX_DATA },
		{ "{\"capabilities\":{}}", 1, VFU_MAX_DATA },
		{ "{\"capabilities\":7}", 1, VFU_MAX_DATA },
		{ "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":4096}}", 8, 4096 },
		{ "{\"capabilities\":{\"max_msg_fds\":-1,\"max_data_xfer_size\":0}}", 1, 1 },
		{ "{\"capabilities\":{\"max_msg_fds\":9999999999,\"max_data_xfer_size\":1e99}}", 16,
		  VFU_MAX_DATA },
		{ "{\"capabilities\":{\"max_msg_fds\":\"x\"}}", 1, VFU_MAX_DATA },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t body[256] = { 0, 0, 1, 0 };
		struct vfu_limits limits;

		strcpy((char *)body + 4, cases[i].json);
		assert_int_equal(vfu_parse_version(body, 4 + strlen(cases[i].json) + 1, &limits),
				 0);
		assert_int_equal(limits.fds, cases[i].fds);
		assert_int_equal(limits.data, cases[i].data);
		/* Without the end of the text it is refused. */
		assert_int_equal(vfu_parse_version(body, 4 + strlen(cases[i].json), &limits),
				 -EPROTO);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	static const struct CMUnitTest tests[] = {
		T(registers_are_read_and_written),
		T(posted_writes_arrive_in_order_without_answers),
		T(posting_to_a_server_that_stalls_has_a_deadline),
		T(a_server_that_goes_hangs_up),
		T(the_aperture_is_mapped_where_it_may_be),
		T(a_region_without_areas_may_be_mapped_whole),
		T(without_a_file_nothing_is_mapped),
		T(a_file_shorter_than_its_region_is_not_mapped),
		T(bulk_data_is_cut_to_what_the_server_takes),
		T(more_interrupts_than_files_per_message_come_in_parts),
		T(host_memory_travels_as_a_file),
		cmocka_unit_test(a_missing_socket_is_no_device),
		T(a_socket_nobody_listens_at_says_so),
		cmocka_unit_test(a_path_too_long_for_a_socket_is_refused),
		T(a_silent_server_is_given_up_on_in_time),
		T(a_second_client_is_told_that_the_card_is_busy),
		T(a_server_that_closes_is_gone),
		T(another_version_is_refused),
		T(a_greeting_that_is_no_json_is_refused),
		T(a_message_shorter_than_its_header_is_refused),
		T(a_message_of_4_gib_is_refused),
		T(a_reply_to_something_else_is_refused),
		T(areas_outside_their_region_are_refused),
		T(an_answer_of_the_wrong_length_is_refused),
		T(a_refused_access_is_told_and_the_next_one_works),
		T(a_server_that_dies_stays_gone),
		T(after_a_late_answer_the_connection_is_not_used_again),
		T(a_server_that_talks_without_end_is_given_up_on_in_time),
		T(replies_nobody_waits_for_are_dropped),
		T(requests_of_the_server_are_refused_and_it_goes_on),
		T(messages_in_pieces_are_put_together),
		cmocka_unit_test(a_chain_of_capabilities_that_runs_in_a_circle_ends),
		cmocka_unit_test(limits_of_the_server_are_kept_in_bounds),
	};

	return cmocka_run_group_tests_name("vfu", tests, NULL, NULL);
}
