// SPDX-License-Identifier: BSD-3-Clause
/* x100d: lends cards their devices and serves those who ask about them. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

#define VERSION "0.2"

#define EXIT_USAGE  2
#define EXIT_CONFIG 3

struct daemon {
	struct config config;
	struct log_source log;
	struct x100_loop *loop;
	struct control control;
	struct served *cards;
	unsigned int started;
	char state[4096];
	struct x100_watch signals;
};

static const char help[] =
	"usage: x100d [--config FILE] [--socket PATH] [--state FOLDER] [--card NAME=DEVICE]...\n"
	"       x100d --check --config FILE\n\n"
	"Lends X100 cards a console, networks and disks over virtio, and boots them. Stays in the\n"
	"foreground. x100d(8) and x100d.conf(5) say more.\n\n"
	"  -c, --config FILE        the configuration\n"
	"  -C, --card NAME=DEVICE   serve this card, too: with a console, a network and random numbers;\n"
	"                           for a card of the configuration: the device it is\n"
	"  -s, --socket PATH        the control socket\n"
	"  -S, --state FOLDER       where to remember what a restart needs\n"
	"      --check              read the configuration, tell its mistakes, and end\n"
	"  -h, --help\n"
	"  -V, --version\n";

static void print_mistake(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "x100d: %s\n", text);
}

/* ------------------------------------------------------------------ systemd */

/* Tell the service manager; see sd_notify(3). Without one nothing happens. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (!n || n >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, n);
	/* An abstract address. */
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

/* ------------------------------------------------------------------ signals */

static void on_signal(void *arg, uint32_t events)
{
	struct daemon *d = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(d->signals.fd, &info, sizeof(info)) != sizeof(info))
		return;
	log_line(&d->log, X100_LOG_INFO, "ending: %s", strsignal((int)info.ssi_signo));
	x100_loop_stop(d->loop);
}

/* Signals that end programs come by a descriptor; blocked before any thread is made. */
static int watch_signals(struct daemon *d)
{
	sigset_t set;
	int ret;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	ret = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (ret)
		return -ret;
	d->signals = (struct x100_watch){ .ready = on_signal, .arg = d };
	d->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signals.fd < 0)
		return -errno;
	return x100_loop_add(d->loop, &d->signals, EPOLLIN);
}

/* ------------------------------------------------------------------ start */

/* Where to remember things: as told, as systemd says, or at home. */
static bool choose_state(struct daemon *d)
{
	const char *systemd = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int n;

	if (d->config.state)
		n = snprintf(d->state, sizeof(d->state), "%s", d->config.state);
	else if (systemd && systemd[0])
		n = snprintf(d->state, sizeof(d->state), "%s", systemd);
	else if (xdg && xdg[0])
		n = snprintf(d->state, sizeof(d->state), "%s/x100d", xdg);
	else if (home && home[0])
		n = snprintf(d->state, sizeof(d->state), "%s/.local/state/x100d", home);
	else
		return false;
	return (size_t)n < sizeof(d->state);
}

/* Each device of each card costs some descriptors. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int fail(struct daemon *d, int error, const char *why)
{
	log_line(&d->log, X100_LOG_ERR, "%s: %s; %s", x100_error_words(error), why,
		 x100_error_hint(error));
	return x100_error_exit_status(error);
}

static int start(struct daemon *d)
{
	struct x100_why why = { "" };
	int ret;

	raise_limits();
	if (!choose_state(d))
		return fail(d, X100_ERR_ARGUMENT, "there is no folder for the state; use --state");
	ret = control_make_folder(d->state, 0700);
	if (ret) {
		x100_fail(&why, ret, "%.400s: %s", d->state, strerror(-ret));
		return fail(d, X100_ERR_SYSTEM, why.text);
	}
	d->loop = x100_loop_new();
	if (!d->loop || watch_signals(d))
		return fail(d, X100_ERR_SYSTEM, strerror(errno));
	d->cards = calloc(d->config.cards, sizeof(*d->cards));
	if (!d->cards)
		return fail(d, X100_ERR_MEMORY, "no memory for the cards");
	d->control = (struct control){
		.loop = d->loop, .config = &d->config, .cards = d->cards, .log = &d->log
	};
	ret = control_open(&d->control, d->config.socket, &why);
	if (ret)
		return fail(d, ret, why.text);
	for (; d->started < d->config.cards; d->started++) {
		ret = served_start(&d->cards[d->started], d->config.card[d->started], d->started,
				   d->state);
		if (ret)
			return fail(d, X100_ERR_SYSTEM, strerror(-ret));
	}
	return 0;
}

static void end(struct daemon *d)
{
	if (d->control.loop)
		control_close(&d->control);
	for (unsigned int i = 0; i < d->started; i++)
		served_stop(&d->cards[i]);
	for (unsigned int i = 0; i < d->started; i++)
		served_join(&d->cards[i]);
	free(d->cards);
	if (d->signals.fd > 0)
		close(d->signals.fd);
	x100_loop_free(d->loop);
}

static int serve(struct daemon *d)
{
	int status;

	log_open(d->config.log_level);
	status = start(d);
	if (!status) {
		log_line(&d->log, X100_LOG_INFO, "ready: %u card%s, control socket %s",
			 d->config.cards, d->config.cards == 1 ? "" : "s", d->control.path);
		notify("READY=1");
		x100_loop_run(d->loop);
		notify("STOPPING=1");
	}
	end(d);
	return status;
}

int main(int argc, char **argv)
{
	enum {
		OPT_CHECK = 256
	};
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "card", required_argument, NULL, 'C' },
		{ "socket", required_argument, NULL, 's' },
		{ "state", required_argument, NULL, 'S' },
		{ "check", no_argument, NULL, OPT_CHECK },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	static struct daemon d;
	const char *file = NULL, *socket_path = NULL, *state = NULL, *cards[CONFIG_CARDS];
	unsigned int more = 0, mistakes = 0;
	bool check = false;
	int c, status;

	while ((c = getopt_long(argc, argv, "c:C:s:S:hV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'C':
			if (more == CONFIG_CARDS) {
				fprintf(stderr, "x100d: more than %d cards\n", (int)CONFIG_CARDS);
				return EXIT_USAGE;
			}
			cards[more++] = optarg;
			break;
		case 's':
			socket_path = optarg;
			break;
		case 'S':
			state = optarg;
			break;
		case OPT_CHECK:
			check = true;
			break;
		case 'h':
			fputs(help, stdout);
			return fflush(stdout) ? x100_error_exit_status(X100_ERR_SYSTEM) : 0;
		case 'V':
			printf("x100d " VERSION "\n");
			return fflush(stdout) ? x100_error_exit_status(X100_ERR_SYSTEM) : 0;
		default:
			fprintf(stderr, "       try: x100d --help\n");
			return EXIT_USAGE;
		}
	}
	if (optind != argc || (!file && !more)) {
		fprintf(stderr, "x100d: %s\n       try: x100d --help\n",
			optind != argc ? "there are words behind the options" :
					 "no card to serve: use --config or --card");
		return EXIT_USAGE;
	}
	config_init(&d.config);
	if (file)
		mistakes = config_load(&d.config, file, print_mistake, NULL);
	for (unsigned int i = 0; i < more; i++)
		mistakes += config_add_card(&d.config, cards[i], print_mistake, NULL);
	if (socket_path) {
		free(d.config.socket);
		d.config.socket = strdup(socket_path);
	}
	if (state) {
		free(d.config.state);
		d.config.state = strdup(state);
	}
	if (mistakes)
		status = EXIT_CONFIG;
	else
		status = check ? 0 : serve(&d);
	config_free(&d.config);
	return status;
}
