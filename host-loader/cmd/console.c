// SPDX-License-Identifier: BSD-3-Clause
/* x100 console: this terminal on the card's serial line. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"

#define LEAVE 0x1D /* Ctrl-] */
/* After the end of piped input: leave once the line was quiet for this long. */
#define QUIET_MS 2000

static struct termios saved;
static bool raw;
static volatile sig_atomic_t ended;

static void restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	raw = false;
}

static void on_signal(int number)
{
	ended = number;
}

/* Raw, so that every key but Ctrl-] reaches the card. */
static void make_raw(void)
{
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return;
	t = saved;
	cfmakeraw(&t);
	raw = true;
	atexit(restore);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &t);
}

/* Connect to the serial line of a model. Returns -1 with a message printed. */
static int connect_serial(const char *name, int *status)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char text[X100_WHY_SIZE];
	int fd, n;

	if (strncmp(name, "model:", 6)) {
		*status = cmd_error(X100_ERR_NAME, name, NULL);
		return -1;
	}
	n = snprintf(to.sun_path, sizeof(to.sun_path), "%s.serial", name + 6);
	if (n < 0 || (size_t)n >= sizeof(to.sun_path)) {
		*status = cmd_error(X100_ERR_NAME, "the path is too long for a socket", NULL);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return fd;
	snprintf(text, sizeof(text), "%s: %s", to.sun_path, strerror(errno));
	*status = cmd_error(errno == ENOENT       ? X100_ERR_NO_DEVICE :
			    errno == ECONNREFUSED ? X100_ERR_NOBODY :
			    errno == EACCES       ? X100_ERR_PERMISSION :
						    X100_ERR_SYSTEM,
			    text, NULL);
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR && !ended)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

/* Keys on their way to the card, which may not be reading. */
struct keys {
	char data[4096];
	size_t used;
};

/*
 * Keys from the person. With no room left those of a terminal are dropped, so that Ctrl-] is always
 * seen; a pipe is not read then. Returns false when the person wants to leave.
 */
static bool from_person(struct keys *keys, bool *open)
{
	char data[256];
	size_t room = sizeof(keys->data) - keys->used;
	ssize_t n = read(STDIN_FILENO, data, raw || room > sizeof(data) ? sizeof(data) : room);
	char *leave;

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		*open = false;
		return true;
	}
	leave = raw ? memchr(data, LEAVE, (size_t)n) : NULL;
	if (leave)
		n = leave - data;
	if ((size_t)n < room)
		room = (size_t)n;
	memcpy(keys->data + keys->used, data, room);
	keys->used += room;
	return !leave;
}

/* As many of the keys as the line takes now; false when it is gone. */
static bool to_line(int line, struct keys *keys)
{
	ssize_t n = send(line, keys->data, keys->used, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
	keys->used -= (size_t)n;
	memmove(keys->data, keys->data + n, keys->used);
	return true;
}

/* Between the terminal and the line until one of them ends. Returns an exit status. */
static int talk(int line)
{
	static struct keys keys;
	bool open = true;
	char data[4096];

	while (!ended) {
		bool listen = open && (raw || keys.used < sizeof(keys.data));
		struct pollfd p[2] = {
			{ .fd = line, .events = (short)(POLLIN | (keys.used ? POLLOUT : 0)) },
			{ .fd = listen ? STDIN_FILENO : -1, .events = POLLIN },
		};
		int ready = poll(p, 2, open ? -1 : QUIET_MS);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready ? x100_error_exit_status(X100_ERR_SYSTEM) : 0;
		if (p[0].revents & ~POLLOUT) {
			ssize_t n = read(line, data, sizeof(data));

			if (n <= 0) {
				restore();
				return cmd_error(X100_ERR_GONE, "the serial line ended", NULL);
			}
			if (!write_all(STDOUT_FILENO, data, (size_t)n))
				return 0;
		}
		if (p[1].revents && !from_person(&keys, &open)) {
			to_line(line, &keys);
			return 0;
		}
		if (keys.used && !to_line(line, &keys)) {
			restore();
			return cmd_error(X100_ERR_GONE, "the serial line ended", NULL);
		}
	}
	return x100_error_exit_status(X100_ERR_INTERRUPTED);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "serial", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct sigaction action = { .sa_handler = on_signal };
	char name[X100_NAME_SIZE];
	bool serial = false;
	int c, line, status;

	while ((c = getopt_long(argc, argv, "d:sh", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cmd_device = optarg;
			break;
		case 's':
			serial = true;
			break;
		case 'h':
			cmd_help(&command_console, stdout);
			return 0;
		default:
			return cmd_usage(&command_console, NULL);
		}
	}
	if (optind != argc)
		return cmd_usage(&command_console, "console takes no arguments");
	if (!serial)
		return cmd_usage(&command_console, "the only console there is now is --serial");
	status = cmd_name(name);
	if (status)
		return status;
	line = connect_serial(name, &status);
	if (line < 0)
		return status;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "[%s; leave with Ctrl-]]\n", name);
	make_raw();
	status = talk(line);
	restore();
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "\n");
	close(line);
	return status;
}

const struct command command_console = {
	.name = "console",
	.usage = "--serial",
	.help = "Put this terminal on the card's serial line. Ctrl-] leaves. Input that is no terminal is\n"
		"sent as it is; after its end the command leaves when the line was quiet for 2 s.\n\n"
		"  -s, --serial    the serial line, the only console yet\n",
	.run = run,
};
