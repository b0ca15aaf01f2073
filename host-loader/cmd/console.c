// SPDX-License-Identifier: BSD-3-Clause
/* x100 console: this terminal on the card's console, or on its serial line. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "backend.h"
#include "cmd.h"
#include "frame.h"

#define LEAVE 0x1D /* Ctrl-] */
/* After the end of piped input: leave once the line was quiet for this long. */
#define QUIET_MS 2000

static struct termios saved;
static bool raw;
static volatile sig_atomic_t ended, resized = 1;

static void restore(void)
{
	if (raw)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
	raw = false;
}

static void on_signal(int number)
{
	if (number == SIGWINCH)
		resized = 1;
	else
		ended = number;
}

/* Raw, so that every key but Ctrl-] reaches the card, those typed ahead included. */
static void make_raw(void)
{
	struct termios t;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
		return;
	t = saved;
	cfmakeraw(&t);
	raw = true;
	atexit(restore);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &t);
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

static bool write_all(int fd, const void *data, size_t size)
{
	for (const char *at = data; size;) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR && !ended)
			continue;
		if (n <= 0)
			return false;
		at += n;
		size -= (size_t)n;
	}
	return true;
}

/* The line to the card, and what is on its way. */
struct line {
	int fd;
	bool framed; /* x100d's stream of frames (frame.h), not bare bytes */
	bool view;   /* only look: keys are not sent */
	bool told;   /* x100d said whether this one writes; until then piped keys wait */
	bool writes;
	/* To the card, which may not be reading. */
	uint8_t out[4096];
	size_t out_used;
	/* From x100d: a frame that is not complete. */
	uint8_t in[FRAME_HEAD + FRAME_MAX];
	size_t in_used;
};

/* Room for keys. */
static size_t room(const struct line *line)
{
	size_t need = line->out_used + FRAME_HEAD;

	return need < sizeof(line->out) ? sizeof(line->out) - need : 0;
}

static void put(struct line *line, enum frame_type type, const void *data, size_t size)
{
	if (line->framed) {
		frame_head(line->out + line->out_used, type, size);
		line->out_used += FRAME_HEAD;
	}
	memcpy(line->out + line->out_used, data, size);
	line->out_used += size;
}

/*
 * Keys from the person. With no room left those of a terminal are dropped, so that Ctrl-] is always
 * seen; a pipe is not read then. Returns false when the person wants to leave.
 */
static bool from_person(struct line *line, bool *open)
{
	char data[256], *leave;
	size_t space = room(line);
	ssize_t n = read(STDIN_FILENO, data, raw || space > sizeof(data) ? sizeof(data) : space);

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0) {
		*open = false;
		return true;
	}
	leave = raw ? memchr(data, LEAVE, (size_t)n) : NULL;
	if (leave)
		n = leave - data;
	if ((size_t)n < space)
		space = (size_t)n;
	if (space && !line->view)
		put(line, FRAME_DATA, data, space);
	return !leave;
}

/* As much as the line takes now; false when it is gone. */
static bool to_line(struct line *line)
{
	ssize_t n = send(line->fd, line->out, line->out_used, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
	line->out_used -= (size_t)n;
	memmove(line->out, line->out + n, line->out_used);
	return true;
}

/* Tell the card how large the terminal is, if there is room to say it. */
static void send_size(struct line *line)
{
	struct winsize w;
	uint8_t size[4];

	if (!line->framed || line->view || !raw || room(line) < sizeof(size))
		return;
	resized = 0;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &w))
		return;
	size[0] = (uint8_t)w.ws_col;
	size[1] = (uint8_t)(w.ws_col >> 8);
	size[2] = (uint8_t)w.ws_row;
	size[3] = (uint8_t)(w.ws_row >> 8);
	put(line, FRAME_SIZE, size, sizeof(size));
}

/* Say something beside the console's output. */
static void note(const char *text)
{
	fprintf(stderr, "%s[%s]%s", raw ? "\r\n" : "", text, raw ? "\r\n" : "\n");
}

enum went {
	WENT_ON,
	WENT_OUT, /* the output takes no more */
	WENT_AWAY /* the console ended; @why says why */
};

static enum went take_frame(struct line *line, size_t size, char why[FRAME_MAX + 1])
{
	const uint8_t *payload = line->in + FRAME_HEAD;

	switch (line->in[0]) {
	case FRAME_DATA:
		return write_all(STDOUT_FILENO, payload, size) ? WENT_ON : WENT_OUT;
	case FRAME_WRITER:
		if (size == 1 && line->writes != payload[0] && !line->view && raw)
			note(payload[0] ? "your keys reach the card now" :
					  "somebody else writes to this console; you only see it");
		line->writes = size == 1 && payload[0];
		line->told = true;
		resized = 1;
		return WENT_ON;
	case FRAME_GOODBYE:
		memcpy(why, payload, size);
		why[size] = '\0';
		x100_text_clean(why, size);
		return WENT_AWAY;
	default:
		return WENT_ON;
	}
}

/* What stands in the buffer of a framed line. */
static enum went take_frames(struct line *line, char why[FRAME_MAX + 1])
{
	while (line->in_used >= FRAME_HEAD) {
		size_t size = frame_size(line->in);
		enum went went;

		if (size > FRAME_MAX) {
			strcpy(why, "x100d sent what is no frame");
			return WENT_AWAY;
		}
		if (line->in_used < FRAME_HEAD + size)
			break;
		went = take_frame(line, size, why);
		if (went != WENT_ON)
			return went;
		line->in_used -= FRAME_HEAD + size;
		memmove(line->in, line->in + FRAME_HEAD + size, line->in_used);
	}
	return WENT_ON;
}

static enum went from_line(struct line *line, char why[FRAME_MAX + 1])
{
	ssize_t n = read(line->fd, line->in + line->in_used, sizeof(line->in) - line->in_used);

	if (n < 0 && errno == EINTR)
		return WENT_ON;
	if (n <= 0) {
		strcpy(why, line->framed ? "x100d ended the connection" : "the serial line ended");
		return WENT_AWAY;
	}
	if (!line->framed)
		return write_all(STDOUT_FILENO, line->in, (size_t)n) ? WENT_ON : WENT_OUT;
	line->in_used += (size_t)n;
	return take_frames(line, why);
}

/* Between the terminal and the line until one of them ends. Returns an exit status. */
static int talk(struct line *line)
{
	char why[FRAME_MAX + 1];
	enum went went = take_frames(line, why);
	bool open = true, leave = false;
	sigset_t none;

	sigemptyset(&none);
	while (!ended && went == WENT_ON && !leave) {
		struct pollfd p[2] = { { .fd = line->fd }, { .fd = -1, .events = POLLIN } };
		struct timespec quiet = { QUIET_MS / 1000, QUIET_MS % 1000 * 1000000l };
		int ready;

		/* Piped keys must not get lost because another terminal is writing. */
		if (open && line->told && !raw && !line->view && !line->writes)
			return cmd_error(X100_ERR_BUSY, "another one writes to the console",
					 "leave it there, or look with --view");
		if (resized)
			send_size(line);
		p[0].events = (short)(POLLIN | (line->out_used ? POLLOUT : 0));
		if (open && (raw || (room(line) && (!line->framed || line->told))))
			p[1].fd = STDIN_FILENO;
		/* The signals are let in only here, so that none is missed. */
		ready = ppoll(p, 2, open || line->view ? NULL : &quiet, &none);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready ? x100_error_exit_status(X100_ERR_SYSTEM) : 0;
		if (p[0].revents & ~POLLOUT)
			went = from_line(line, why);
		if (went == WENT_ON && p[1].revents)
			leave = !from_person(line, &open);
		if (went == WENT_ON && line->out_used && !to_line(line)) {
			strcpy(why, "the line ended");
			went = WENT_AWAY;
		}
	}
	if (went == WENT_AWAY) {
		restore();
		return cmd_error(X100_ERR_GONE, why, NULL);
	}
	return ended ? x100_error_exit_status(X100_ERR_INTERRUPTED) : 0;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH };
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&set, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Returns an exit status. */
static int attach(struct line *line, const char *name)
{
	int status;

	catch_signals();
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "[%s; leave with Ctrl-]]\n", name);
	make_raw();
	status = talk(line);
	restore();
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "\n");
	return status;
}

static int serial_console(void)
{
	struct line line = { 0 };
	struct target target;
	int status = target_choose(&target);

	if (status)
		return status;
	line.fd = connect_serial(target.device, &status);
	if (line.fd < 0)
		return status;
	status = attach(&line, target.device);
	close(line.fd);
	return status;
}

static int virtio_console(bool view, uint64_t scrollback)
{
	/* Until x100d says otherwise. */
	struct line line = { .framed = true, .view = view, .writes = true };
	json_object *request, *answer;
	struct target target;
	int status = target_open_served(&target);

	if (!status) {
		request = target_request(&target, "console");
		json_object_object_add(request, "view", json_object_new_boolean(view));
		json_object_object_add(request, "scrollback", json_object_new_uint64(scrollback));
		status = target_question(&target, request, &answer);
	}
	if (!status) {
		json_object_put(answer);
		line.fd = target.daemon;
		/* What came behind the answer are frames already; the reader takes no more than fits. */
		line.in_used = target.in.used < sizeof(line.in) ? target.in.used : sizeof(line.in);
		if (line.in_used)
			memcpy(line.in, target.in.data, line.in_used);
		status = attach(&line, target.name);
	}
	target_close(&target);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "serial", no_argument, NULL, 's' },
		{ "view", no_argument, NULL, 'v' },
		{ "scrollback", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	uint64_t scrollback = UINT32_MAX;
	bool serial = false, view = false, other = false;
	int c;

	while ((c = getopt_long(argc, argv, "d:sh", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			cmd_device = optarg;
			break;
		case 's':
			serial = true;
			break;
		case 'v':
			view = other = true;
			break;
		case 'n':
			if (!x100_spec_size(optarg, &scrollback) || scrollback > UINT32_MAX)
				return cmd_usage(&command_console,
						 "--scrollback takes bytes, as in 4096, 64K or 1M");
			other = true;
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
	if (serial && other)
		return cmd_usage(&command_console, "the serial line has no --view or --scrollback");
	return serial ? serial_console() : virtio_console(view, scrollback);
}

const struct command command_console = {
	.name = "console",
	.usage = "[--view] [--scrollback BYTES] | --serial",
	.help = "Put this terminal on the card's console, which x100d keeps, or on its serial line. What was\n"
		"said before is shown first. Ctrl-] leaves. Input that is no terminal is sent as it is;\n"
		"after its end the command leaves when the line was quiet for 2 s.\n\n"
		"      --view          only look; the end of the input does not end it\n"
		"      --scrollback N  show at most the last N bytes of what was said before; 64K and 1M\n"
		"                      work, too\n"
		"  -s, --serial        the serial line; needs no x100d\n",
	.run = run,
};
