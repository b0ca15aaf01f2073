// SPDX-License-Identifier: BSD-3-Clause
/*
 * Network transfers with verification and as a benchmark, between the card and its host.
 *
 * The client makes every connection, so that a server on the host is reached from a card behind a NAT, and says what
 * it wants in one request over TCP. Bulk data is a stream that follows from a seed: the receiver compares every word.
 * All waits have a deadline.
 */
#include "tool.h"

#include <endian.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAGIC    0x31306e7430303178 /* "x100tn01" */
#define CHUNK    (64 << 10)
#define MAX_SIZE 1472 /* of a UDP packet that fits into the smallest MTU in use */
#define MIN_SIZE 16
#define QUIET_MS                                                                                   \
	300 /* UDP: silence for so long after the sender's end means that nothing comes any more */
#define RETRY_MS 1000 /* UDP echo: a packet that has not come back is lost */

enum mode {
	MODE_SEND = 1,
	MODE_RECV,
	MODE_ECHO,
	MODE_UDP_SEND,
	MODE_UDP_RECV,
	MODE_UDP_ECHO
};

static const char *const mode_names[] = {
	[MODE_SEND] = "send",         [MODE_RECV] = "recv",         [MODE_ECHO] = "echo",
	[MODE_UDP_SEND] = "udp-send", [MODE_UDP_RECV] = "udp-recv", [MODE_UDP_ECHO] = "udp-echo"
};

/* What the client asks for; little endian. */
struct request {
	uint64_t magic;
	uint32_t mode;
	uint32_t size;  /* of a message of the echo and UDP modes */
	uint64_t count; /* bytes of send and recv, messages of the others */
	uint64_t seed;
	uint32_t plain; /* 1: the data is not looked at */
	uint32_t pad;
};

/* Sent by whoever received the data, and by the server of a UDP mode to tell its port. */
struct report {
	uint64_t count; /* bytes, or messages; as the first answer of a UDP mode: the port */
	uint64_t bad;   /* pieces of a stream that differ, messages damaged or out of order */
	uint64_t ns;    /* from the first to the last */
};

static const char usage[] =
	"usage: x100-net serve [-p PORT] [-T S]      prints port=N; -p 0 picks a free one (5100)\n"
	"       x100-net MODE HOST [-p PORT] [OPTION]...\n"
	"\n"
	"  send, recv                    TCP to or from the server\n"
	"  echo, udp-echo                round trips, one at a time\n"
	"  udp-send, udp-recv            packets as fast as they go\n"
	"\n"
	"  -n N       bytes (64M), messages (100000; echo: 1000)\n"
	"  -z SIZE    of an echo message or UDP packet (64)\n"
	"  -r SEED    of the data (1)\n"
	"  -P         plain: do not check the data, for figures\n"
	"  -T S       deadline of every wait (60)\n"
	"\n"
	"Prints key=value. Exit status: 0; 1 wrong data; 2 usage; 3 no connection, deadline.\n";

static uint64_t deadline_s = 60;

static void set_deadline(int fd)
{
	struct timeval limit = { .tv_sec = (time_t)deadline_s };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void fail(const char *what)
{
	tool_die(TOOL_FAILED, "%s: %s", what,
		 errno == EAGAIN ? "nothing came or went before the deadline" : strerror(errno));
}

static void send_all(int fd, const void *data, size_t length)
{
	const uint8_t *at = data;

	while (length) {
		ssize_t part = send(fd, at, length, MSG_NOSIGNAL);

		if (part < 0)
			fail("send");
		at += part;
		length -= (size_t)part;
	}
}

static void recv_all(int fd, void *data, size_t length)
{
	uint8_t *at = data;

	while (length) {
		ssize_t part = recv(fd, at, length, 0);

		if (part < 0)
			fail("receive");
		if (!part)
			tool_die(TOOL_FAILED, "the other end closed the connection early");
		at += part;
		length -= (size_t)part;
	}
}

static void send_report(int fd, const struct report *report)
{
	struct report wire = { htole64(report->count), htole64(report->bad), htole64(report->ns) };

	send_all(fd, &wire, sizeof(wire));
}

static struct report recv_report(int fd)
{
	struct report wire;

	recv_all(fd, &wire, sizeof(wire));
	return (struct report){ le64toh(wire.count), le64toh(wire.bad), le64toh(wire.ns) };
}

/* TCP bulk */

static uint64_t bulk[CHUNK / 8];

static void stream_out(int fd, const struct request *req)
{
	for (uint64_t at = 0; at < req->count; at += CHUNK) {
		uint64_t length = req->count - at < CHUNK ? req->count - at : CHUNK;

		if (!req->plain)
			tool_fill(bulk, CHUNK / 8, req->seed, at / 8);
		send_all(fd, bulk, length);
	}
}

static struct report stream_in(int fd, const struct request *req)
{
	struct report report = { 0 };
	uint64_t start = tool_now();

	while (report.count < req->count) {
		uint64_t left = req->count - report.count, length = left < CHUNK ? left : CHUNK;
		size_t words = length / 8;

		recv_all(fd, bulk, length);
		if (!req->plain && tool_compare(bulk, words, req->seed, report.count / 8) != words)
			report.bad++;
		report.count += length;
	}
	report.ns = tool_now() - start;
	return report;
}

/* Round trips */

/* The server's end: sends back what comes until the client closes. */
static void echo_back(int fd)
{
	uint8_t message[MAX_SIZE];
	ssize_t length;

	while ((length = recv(fd, message, sizeof(message), 0)) > 0)
		send_all(fd, message, (size_t)length);
}

struct trips {
	uint64_t count, lost, bad, total, least, most;
};

static void note_trip(struct trips *trips, uint64_t ns)
{
	trips->count++;
	trips->total += ns;
	if (!trips->least || ns < trips->least)
		trips->least = ns;
	if (ns > trips->most)
		trips->most = ns;
}

static struct trips echo(int fd, const struct request *req)
{
	uint64_t out[MAX_SIZE / 8 + 1], in[MAX_SIZE / 8 + 1];
	struct trips trips = { 0 };

	for (uint64_t i = 0; i < req->count; i++) {
		uint64_t start;

		tool_fill(out, sizeof(out) / 8, req->seed, i);
		start = tool_now();
		send_all(fd, out, req->size);
		recv_all(fd, in, req->size);
		note_trip(&trips, tool_now() - start);
		trips.bad += memcmp(out, in, req->size) != 0;
	}
	return trips;
}

/* UDP; every packet starts with its number, and the seed follows. */

static void set_up_udp(int fd)
{
	int room = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	set_deadline(fd);
}

static int udp_socket(uint16_t *port)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	socklen_t length = sizeof(any);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, length) ||
	    getsockname(fd, (struct sockaddr *)&any, &length))
		fail("UDP socket");
	set_up_udp(fd);
	*port = ntohs(any.sin_port);
	return fd;
}

static void packets_out(int fd, const struct request *req)
{
	uint64_t packet[MAX_SIZE / 8 + 1] = { 0 };

	packet[1] = htole64(req->seed);
	for (uint64_t i = 0; i < req->count; i++) {
		packet[0] = htole64(i);
		/* A full queue or a peer that is not there yet loses the packet, as UDP does. */
		if (send(fd, packet, req->size, 0) < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
			fail("send");
	}
}

/* Counts packets until the sender says its end over TCP and nothing comes any more. */
static struct report packets_in(int udp, int tcp, const struct request *req)
{
	struct pollfd polled[] = { { .fd = udp, .events = POLLIN },
				   { .fd = tcp, .events = POLLIN } };
	struct report report = { 0 };
	uint64_t packet[MAX_SIZE / 8 + 1], next = 0, first = 0, last = 0;
	bool ended = false;

	for (;;) {
		ssize_t length = recv(udp, packet, sizeof(packet), MSG_DONTWAIT);
		int ready;

		if (length >= 0) {
			last = tool_now();
			first = first ? first : last;
			report.count++;
			if (length != (ssize_t)req->size || le64toh(packet[1]) != req->seed ||
			    le64toh(packet[0]) < next)
				report.bad++;
			next = le64toh(packet[0]) + 1;
			continue;
		}
		ready = poll(polled, ended ? 1 : 2, ended ? QUIET_MS : (int)deadline_s * 1000);
		if (ready < 0 && errno != EINTR)
			fail("poll");
		if (!ready && !ended)
			tool_die(TOOL_FAILED, "nothing came before the deadline");
		if (!ready)
			break;
		if (!ended && polled[1].revents) {
			recv_report(tcp);
			ended = true;
		}
	}
	report.ns = last - first;
	return report;
}

/* The server learns where the client is from its first packet, which is not counted. */
static void greet(int udp, const struct request *req)
{
	uint8_t packet[MAX_SIZE] = { 0 };

	if (send(udp, packet, req->size, 0) < 0)
		fail("send");
}

static void await_greeting(int udp)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	uint8_t packet[MAX_SIZE];

	if (recvfrom(udp, packet, sizeof(packet), 0, (struct sockaddr *)&peer, &length) < 0)
		fail("first packet");
	if (connect(udp, (struct sockaddr *)&peer, length))
		fail("connect");
}

static void udp_echo_back(int udp, int tcp)
{
	struct pollfd polled[] = { { .fd = udp, .events = POLLIN },
				   { .fd = tcp, .events = POLLIN } };

	while (poll(polled, 2, (int)deadline_s * 1000) > 0 && !polled[1].revents) {
		struct sockaddr_in peer;
		socklen_t length = sizeof(peer);
		uint8_t packet[MAX_SIZE];
		ssize_t got =
			recvfrom(udp, packet, sizeof(packet), 0, (struct sockaddr *)&peer, &length);

		if (got >= 0)
			sendto(udp, packet, (size_t)got, 0, (struct sockaddr *)&peer, length);
	}
}

static struct trips udp_echo(int udp, const struct request *req)
{
	uint64_t out[MAX_SIZE / 8 + 1] = { 0 }, in[MAX_SIZE / 8 + 1];
	struct pollfd polled = { .fd = udp, .events = POLLIN };
	struct trips trips = { 0 };

	for (uint64_t i = 0; i < req->count; i++) {
		uint64_t start = tool_now();

		out[0] = htole64(i);
		out[1] = htole64(req->seed);
		if (send(udp, out, req->size, 0) < 0)
			fail("send");
		for (;;) {
			if (poll(&polled, 1, RETRY_MS) <= 0) {
				trips.lost++;
				break;
			}
			/* An earlier one that was given up may come late. */
			if (recv(udp, in, sizeof(in), 0) >= 0 && in[0] == out[0]) {
				note_trip(&trips, tool_now() - start);
				trips.bad += memcmp(out, in, req->size) != 0;
				break;
			}
		}
	}
	return trips;
}

/* Server */

/* Reads and checks a request; the other end may be anybody. */
static bool recv_request(int fd, struct request *req)
{
	recv_all(fd, req, sizeof(*req));
	req->mode = le32toh(req->mode);
	req->size = le32toh(req->size);
	req->count = le64toh(req->count);
	req->seed = le64toh(req->seed);
	req->plain = le32toh(req->plain);
	return le64toh(req->magic) == MAGIC && req->mode >= MODE_SEND &&
	       req->mode <= MODE_UDP_ECHO && req->size >= MIN_SIZE && req->size <= MAX_SIZE;
}

static void serve_udp(int tcp, const struct request *req)
{
	struct report report = { 0 };
	uint16_t port;
	int udp = udp_socket(&port);

	report.count = port;
	send_report(tcp, &report);
	if (req->mode == MODE_UDP_SEND) {
		report = packets_in(udp, tcp, req);
		send_report(tcp, &report);
	} else if (req->mode == MODE_UDP_RECV) {
		await_greeting(udp);
		packets_out(udp, req);
		send_report(tcp, &report);
	} else {
		udp_echo_back(udp, tcp);
	}
}

static void serve_one(int fd)
{
	struct request req;
	struct report report;

	if (!recv_request(fd, &req))
		tool_die(TOOL_FAILED, "a client asked for something else");
	switch (req.mode) {
	case MODE_SEND:
		report = stream_in(fd, &req);
		send_report(fd, &report);
		break;
	case MODE_RECV:
		stream_out(fd, &req);
		break;
	case MODE_ECHO:
		echo_back(fd);
		break;
	default:
		serve_udp(fd, &req);
		break;
	}
}

static void set_up_connection(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	set_deadline(fd);
}

static int serve(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) ||
	    listen(listener, 16) || getsockname(listener, (struct sockaddr *)&address, &length))
		fail("listen");
	printf("port=%u\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		if (!fork()) {
			close(listener);
			set_up_connection(fd);
			serve_one(fd);
			exit(0);
		}
		close(fd);
	}
}

/* Client */

static int connect_to(const char *host, uint16_t port, int type)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = type }, *found;
	char text[8];
	int fd, error;

	snprintf(text, sizeof(text), "%u", port);
	error = getaddrinfo(host, text, &hints, &found);
	if (error)
		tool_die(TOOL_FAILED, "%s: %s", host, gai_strerror(error));
	fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("socket");
	if (type == SOCK_STREAM)
		set_up_connection(fd);
	else
		set_up_udp(fd);
	if (connect(fd, found->ai_addr, found->ai_addrlen))
		fail(host);
	freeaddrinfo(found);
	return fd;
}

static void send_request(int fd, const struct request *req)
{
	struct request wire = { htole64(MAGIC),
				htole32(req->mode),
				htole32(req->size),
				htole64(req->count),
				htole64(req->seed),
				htole32(req->plain),
				0 };

	send_all(fd, &wire, sizeof(wire));
}

static int print_report(const struct request *req, const struct report *report)
{
	const char *unit = req->mode <= MODE_RECV ? "bytes" : "packets";

	printf("mode=%s %s=%llu sent=%llu ns=%llu bad=%llu\n", mode_names[req->mode], unit,
	       (unsigned long long)report->count, (unsigned long long)req->count,
	       (unsigned long long)report->ns, (unsigned long long)report->bad);
	return report->bad ? TOOL_BAD_DATA : 0;
}

static int print_trips(const struct request *req, const struct trips *trips)
{
	printf("mode=%s trips=%llu lost=%llu mean_ns=%llu least_ns=%llu most_ns=%llu bad=%llu\n",
	       mode_names[req->mode], (unsigned long long)trips->count,
	       (unsigned long long)trips->lost,
	       (unsigned long long)(trips->count ? trips->total / trips->count : 0),
	       (unsigned long long)trips->least, (unsigned long long)trips->most,
	       (unsigned long long)trips->bad);
	return trips->bad ? TOOL_BAD_DATA : 0;
}

static int client_udp(const char *host, int tcp, const struct request *req)
{
	struct report report = { 0 };
	struct trips trips;
	int udp = connect_to(host, (uint16_t)recv_report(tcp).count, SOCK_DGRAM);

	switch (req->mode) {
	case MODE_UDP_SEND:
		packets_out(udp, req);
		send_report(tcp, &report);
		report = recv_report(tcp);
		return print_report(req, &report);
	case MODE_UDP_RECV:
		greet(udp, req);
		report = packets_in(udp, tcp, req);
		return print_report(req, &report);
	default:
		trips = udp_echo(udp, req);
		return print_trips(req, &trips);
	}
}

static int client(const char *host, uint16_t port, const struct request *req)
{
	int fd = connect_to(host, port, SOCK_STREAM);
	struct report report;
	struct trips trips;
	uint64_t start;

	send_request(fd, req);
	switch (req->mode) {
	case MODE_SEND:
		start = tool_now();
		stream_out(fd, req);
		report = recv_report(fd);
		/* The client's time: until the server had everything. */
		report.ns = tool_now() - start;
		return print_report(req, &report);
	case MODE_RECV:
		report = stream_in(fd, req);
		return print_report(req, &report);
	case MODE_ECHO:
		trips = echo(fd, req);
		return print_trips(req, &trips);
	default:
		return client_udp(host, fd, req);
	}
}

static uint32_t find_mode(const char *name)
{
	for (uint32_t mode = MODE_SEND; mode <= MODE_UDP_ECHO; mode++)
		if (!strcmp(name, mode_names[mode]))
			return mode;
	tool_die(TOOL_USAGE, "no mode %s; -h lists them", name);
}

int main(int argc, char **argv)
{
	/* Unlike getopt(), takes options after the other words with any C library. */
	static const struct option no_long[] = { { 0 } };
	struct request req = { .size = 64, .seed = 1 };
	uint16_t port = 5100;
	int option;

	while ((option = getopt_long(argc, argv, "p:n:z:r:T:Ph", no_long, NULL)) != -1) {
		switch (option) {
		case 'p':
			port = (uint16_t)tool_number(optarg, UINT16_MAX);
			break;
		case 'n':
			req.count = tool_number(optarg, INT64_MAX);
			break;
		case 'z':
			req.size = (uint32_t)tool_number(optarg, MAX_SIZE);
			break;
		case 'r':
			req.seed = tool_number(optarg, UINT64_MAX);
			break;
		case 'T':
			deadline_s = tool_number(optarg, 3600);
			break;
		case 'P':
			req.plain = 1;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return TOOL_USAGE;
		}
	}
	if (argc - optind == 1 && !strcmp(argv[optind], "serve"))
		return serve(port);
	if (argc - optind != 2 || !deadline_s || req.size < MIN_SIZE) {
		fputs(usage, stderr);
		return TOOL_USAGE;
	}
	req.mode = find_mode(argv[optind]);
	if (!req.count)
		req.count = req.mode <= MODE_RECV                              ? 64 << 20 :
			    req.mode == MODE_ECHO || req.mode == MODE_UDP_ECHO ? 1000 :
										 100000;
	return client(argv[optind + 1], port, &req);
}
