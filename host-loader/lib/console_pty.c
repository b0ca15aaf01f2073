// SPDX-License-Identifier: BSD-3-Clause
/* The pseudo-terminal of a console. */
#include "console_pty.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>

#include "console.h"

struct console_pty {
	struct x100_backend *console;
	struct x100_loop *loop;
	struct x100_viewer viewer;
	struct x100_watch watch; /* of the master */
	uint32_t events;
	int slave; /* kept open: without it the master would hang up with each reader that leaves */
	char name[64];
	char link[PATH_MAX];
};

static void set_events(struct console_pty *p, uint32_t events)
{
	if (p->events == events)
		return;
	p->events = events;
	x100_loop_change(p->loop, &p->watch, events);
}

static size_t output(void *arg, const void *bytes, size_t size)
{
	struct console_pty *p = arg;
	ssize_t n = write(p->watch.fd, bytes, size);

	if (n > 0)
		return (size_t)n;
	/* Nobody reads, or not fast enough: the scrollback keeps it. */
	set_events(p, p->events | EPOLLOUT);
	return 0;
}

static void ready(void *arg, uint32_t events)
{
	struct console_pty *p = arg;
	uint8_t keys[1024];
	size_t room;
	ssize_t n;

	if (events & EPOLLOUT) {
		set_events(p, p->events & ~(uint32_t)EPOLLOUT);
		x100_console_ready(p->console, &p->viewer);
	}
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	room = x100_console_room(p->console);
	if (!room) {
		set_events(p, p->events & ~(uint32_t)EPOLLIN);
		return;
	}
	n = read(p->watch.fd, keys, room < sizeof(keys) ? room : sizeof(keys));
	if (n > 0)
		console_keys(p->console, keys, (size_t)n);
}

void console_pty_room(struct console_pty *p)
{
	set_events(p, p->events | EPOLLIN);
}

const char *console_pty_name(const struct console_pty *p)
{
	return p->name;
}

/* Put the link in place of whatever an earlier process left there. */
static int make_link(const struct console_pty *p)
{
	char temporary[PATH_MAX + 8];

	snprintf(temporary, sizeof(temporary), "%s.new", p->link);
	unlink(temporary);
	if (symlink(p->name, temporary))
		return -1;
	return rename(temporary, p->link);
}

int console_pty_open(struct x100_backend *console, struct x100_loop *loop, const char *link,
		     struct x100_why *why, struct console_pty **pty)
{
	struct console_pty *p = calloc(1, sizeof(*p));
	struct termios raw;
	int ret;

	*pty = NULL;
	if (!p)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for a pseudo-terminal");
	p->console = console;
	p->loop = loop;
	p->slave = -1;
	p->viewer.output = output;
	p->viewer.arg = p;
	p->watch.ready = ready;
	p->watch.arg = p;
	p->watch.fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->watch.fd < 0 || grantpt(p->watch.fd) || unlockpt(p->watch.fd) ||
	    ptsname_r(p->watch.fd, p->name, sizeof(p->name)))
		goto fail;
	p->slave = open(p->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->slave < 0 || tcgetattr(p->slave, &raw))
		goto fail;
	/* No echo above all: the card would get its own output as input. */
	cfmakeraw(&raw);
	if (tcsetattr(p->slave, TCSANOW, &raw))
		goto fail;
	if (snprintf(p->link, sizeof(p->link), "%s", link) >= (int)sizeof(p->link)) {
		p->link[0] = '\0';
		errno = ENAMETOOLONG;
		goto fail;
	}
	if (make_link(p))
		goto fail;
	p->events = EPOLLIN;
	ret = x100_loop_add(loop, &p->watch, p->events);
	if (ret) {
		errno = -ret;
		goto fail;
	}
	x100_console_attach(console, &p->viewer, false, 0);
	*pty = p;
	return X100_OK;
fail:
	ret = x100_fail(why, X100_ERR_SYSTEM, "no pseudo-terminal for %s: %s", console->name,
			strerror(errno));
	console_pty_close(p);
	return ret;
}

void console_pty_close(struct console_pty *p)
{
	char target[sizeof(p->name)];
	ssize_t n;

	if (!p)
		return;
	if (p->watch.watched) {
		x100_console_detach(p->console, &p->viewer);
		x100_loop_remove(p->loop, &p->watch);
	}
	/* Unless it is another process's by now. */
	n = readlink(p->link, target, sizeof(target) - 1);
	if (n > 0 && p->name[0]) {
		target[n] = '\0';
		if (!strcmp(target, p->name))
			unlink(p->link);
	}
	if (p->slave >= 0)
		close(p->slave);
	if (p->watch.fd >= 0)
		close(p->watch.fd);
	free(p);
}
