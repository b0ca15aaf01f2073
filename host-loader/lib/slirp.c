// SPDX-License-Identifier: BSD-3-Clause
/*
 * The host's side of a network without privileges: libslirp, which turns the card's packets into
 * sockets of this process. It knows no offloads: checksums are finished here, and a packet to be
 * segmented is passed whole, since what is behind it is a socket. Its sockets are watched by the loop.
 *
 * libslirp keeps two things for the whole process, the time and the name server's address; instances
 * in other threads write the same values.
 */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "csum.h"
#include "slirp_frag.h"
#include "slirp_merge.h"

/* Fast and still small beside 64 KiB of TCP window. */
#define SLIRP_MTU 9000
/* In the card's network: what libslirp answers as, and what it gives out first. */
#define HOST_NODE 2
#define DNS_NODE  3
#define CARD_NODE 15
/* The first port tried for SSH, and how many. */
#define SSH_PORT  2222
#define SSH_TRIES 100
#define FORWARDS  16
#define FWD_TEXT  64
/*
 * Sockets that a card may have open. libslirp opens one for every port that a datagram comes from, and
 * keeps it for minutes: without a limit a card could use up the descriptors of this process.
 */
#define SOCKETS_MAX 1024
/*
 * libslirp wants to be called twice a second as long as a socket is open, listening ones too. After a time
 * in which neither side said anything, longer than any of its retransmissions and UDP associations
 * live, only an event wakes it.
 */
#define QUIET_NS (300 * X100_NS_PER_SEC)

/* A socket of libslirp. */
struct slirp_socket {
	struct x100_watch watch;
	struct slirp_port *port;
	uint32_t events; /* watched for, 0: not watched */
	uint32_t came;
	unsigned int round; /* of the last fill() that asked for it */
	bool open;
};

struct slirp_port {
	struct net *net;
	Slirp *slirp;
	struct x100_task task;
	struct x100_timer timer;
	uint64_t active;              /* when something happened last */
	struct slirp_socket **socket; /* by descriptor */
	int sockets;
	unsigned int open; /* of these */
	unsigned int open_max;
	bool crowded; /* the log said that there are too many */
	unsigned int round;
	struct in_addr network, mask, host, dns, card;
	struct {
		bool udp;
		struct in_addr address;
		uint16_t port, card_port;
	} forward[FORWARDS];
	unsigned int forwards;
	uint16_t ssh; /* port on the host, 0: none */
	struct slirp_merge merge;
	struct slirp_frag frag;
};

static pthread_mutex_t new_lock = PTHREAD_MUTEX_INITIALIZER;

/* ------------------------------------------------------------------ sockets */

static uint32_t to_epoll(int events)
{
	return (events & SLIRP_POLL_IN ? (uint32_t)EPOLLIN : 0) |
	       (events & SLIRP_POLL_OUT ? (uint32_t)EPOLLOUT : 0) |
	       (events & SLIRP_POLL_PRI ? (uint32_t)EPOLLPRI : 0);
}

static int from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? SLIRP_POLL_IN : 0) | (events & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
	       (events & EPOLLPRI ? SLIRP_POLL_PRI : 0) | (events & EPOLLERR ? SLIRP_POLL_ERR : 0) |
	       (events & EPOLLHUP ? SLIRP_POLL_HUP : 0);
}

static void unwatch(struct slirp_socket *s)
{
	x100_loop_remove(s->port->net->loop, &s->watch);
	s->events = 0;
}

static void socket_ready(void *arg, uint32_t events)
{
	struct slirp_socket *s = arg;

	/* A card without buffers is not to be read for. */
	if (s->port->net->starved) {
		unwatch(s);
		return;
	}
	s->came |= events;
	s->port->active = x100_loop_now(s->port->net->loop);
	x100_task_queue(s->port->net->loop, &s->port->task);
}

static struct slirp_socket *get_socket(struct slirp_port *port, int fd)
{
	if (fd >= port->sockets) {
		int count = fd + 32;
		struct slirp_socket **all =
			reallocarray(port->socket, (size_t)count, sizeof(struct slirp_socket *));

		if (!all)
			return NULL;
		memset(all + port->sockets, 0,
		       (size_t)(count - port->sockets) * sizeof(struct slirp_socket *));
		port->socket = all;
		port->sockets = count;
	}
	if (!port->socket[fd]) {
		struct slirp_socket *s = calloc(1, sizeof(*s));

		if (!s)
			return NULL;
		s->port = port;
		s->watch.fd = fd;
		s->watch.ready = socket_ready;
		s->watch.arg = s;
		port->socket[fd] = s;
	}
	return port->socket[fd];
}

/* libslirp's index of a socket is its descriptor. */
static int add_poll(int fd, int events, void *opaque)
{
	struct slirp_port *port = opaque;
	struct x100_loop *loop = port->net->loop;
	struct slirp_socket *s = fd < 0 ? NULL : get_socket(port, fd);
	uint32_t wanted = to_epoll(events);
	int ret = 0;

	if (!s)
		return -1;
	s->round = port->round;
	if (s->events == wanted && s->watch.watched)
		return fd;
	ret = s->watch.watched ? x100_loop_change(loop, &s->watch, wanted) :
				 x100_loop_add(loop, &s->watch, wanted);
	s->events = wanted;
	if (ret) {
		unwatch(s);
		net_log(port->net, X100_LOG_ERR, "cannot watch a socket: %s", strerror(-ret));
	}
	return fd;
}

static int get_revents(int fd, void *opaque)
{
	const struct slirp_port *port = opaque;

	if (fd < 0 || fd >= port->sockets || !port->socket[fd])
		return 0;
	return from_epoll(port->socket[fd]->came);
}

static void register_fd(int fd, void *opaque)
{
	struct slirp_port *port = opaque;
	struct slirp_socket *s = fd < 0 ? NULL : get_socket(port, fd);

	if (!s || s->open)
		return;
	s->open = true;
	port->open++;
}

/* It is about to be closed; the number may come back as another socket's. */
static void unregister_fd(int fd, void *opaque)
{
	struct slirp_port *port = opaque;

	if (fd < 0 || fd >= port->sockets || !port->socket[fd])
		return;
	unwatch(port->socket[fd]);
	port->socket[fd]->came = 0;
	if (port->socket[fd]->open)
		port->open--;
	port->socket[fd]->open = false;
}

/* Ask libslirp what to wait for. */
static void fill(struct slirp_port *port)
{
	struct x100_loop *loop = port->net->loop;
	uint32_t timeout = UINT32_MAX;

	port->round++;
	slirp_pollfds_fill(port->slirp, &timeout, add_poll, port);
	for (int fd = 0; fd < port->sockets; fd++) {
		struct slirp_socket *s = port->socket[fd];

		if (!s)
			continue;
		s->came = 0;
		if (s->watch.watched && s->round != port->round)
			unwatch(s);
	}
	/* A second is what it says when there is nothing to time. */
	if (timeout < 1000 && x100_loop_now(loop) - port->active < QUIET_NS)
		x100_timer_set(loop, &port->timer, timeout * X100_NS_PER_MS);
	else
		x100_timer_cancel(loop, &port->timer);
}

/* Hand over what was held to be merged. */
static void flush(struct slirp_port *port)
{
	struct virtio_net_hdr header;

	if (!port->merge.size)
		return;
	slirp_merge_finish(&port->merge, &header);
	net_receive(port->net, &header, port->merge.frame, port->merge.size);
	port->merge.size = 0;
}

/* Once per turn in which anything happened. */
static void turn(void *arg)
{
	struct slirp_port *port = arg;

	x100_task_cancel(port->net->loop, &port->task);
	flush(port);
	if (port->net->starved) {
		net_flush(port->net);
		return;
	}
	slirp_pollfds_poll(port->slirp, 0, get_revents, port);
	flush(port);
	net_flush(port->net);
	fill(port);
}

/* ------------------------------------------------------------------ callbacks of libslirp */

static ssize_t send_packet(const void *frame, size_t size, void *opaque)
{
	struct slirp_port *port = opaque;
	struct virtio_net_hdr header = { 0 };

	if (size > NET_FRAME_MAX)
		return (ssize_t)size;
	if (port->net->live && port->net->features & 1u << VIRTIO_NET_F_GUEST_TSO4) {
		if (slirp_merge_add(&port->merge, frame, size))
			return (ssize_t)size;
		flush(port);
		if (slirp_merge_add(&port->merge, frame, size))
			return (ssize_t)size;
	}
	/* It comes from memory of this process. */
	if (net_card_trusts(port->net))
		header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	net_receive(port->net, &header, frame, size);
	return (ssize_t)size;
}

static void guest_error(const char *message, void *opaque)
{
	const struct slirp_port *port = opaque;

	net_log(port->net, X100_LOG_DEBUG, "%s", message);
}

static int64_t clock_get_ns(void *opaque)
{
	const struct slirp_port *port = opaque;

	return (int64_t)x100_loop_now(port->net->loop);
}

/* Timers are only used for IPv6, which is off. */
static void *timer_new(SlirpTimerCb callback, void *arg, void *opaque)
{
	(void)callback;
	(void)arg;
	(void)opaque;
	return NULL;
}

static void timer_free(void *timer, void *opaque)
{
	(void)timer;
	(void)opaque;
}

static void timer_mod(void *timer, int64_t expires, void *opaque)
{
	(void)timer;
	(void)expires;
	(void)opaque;
}

static void notify(void *opaque)
{
	struct slirp_port *port = opaque;

	x100_task_queue(port->net->loop, &port->task);
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_get_ns,
	.timer_new = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = register_fd,
	.unregister_poll_fd = unregister_fd,
	.notify = notify,
};

/* ------------------------------------------------------------------ port */

static void start(struct net *net)
{
	struct slirp_port *port = net->port;

	x100_task_queue(net->loop, &port->task);
}

/* Connections stay: the next driver may well be the same card's. */
static void stop(struct net *net)
{
	struct slirp_port *port = net->port;

	port->merge.size = 0;
	x100_task_queue(net->loop, &port->task);
}

/*
 * What libslirp is trusted to parse: ARP, and whole TCP, UDP and ICMP packets over IPv4 without options
 * whose lengths agree. Its own reassembly of fragments or stripping of options can be made to corrupt
 * memory (seen with 4.7.0 by fuzz_net); what the card cut is put together before.
 */
static bool sound(const uint8_t *frame, size_t size)
{
	struct ether_header ether;
	struct ip ip;
	struct tcphdr tcp;
	struct udphdr udp;
	const uint8_t *inner = frame + sizeof(ether) + sizeof(ip);
	size_t length;

	memcpy(&ether, frame, sizeof(ether));
	if (ether.ether_type == htons(ETHERTYPE_ARP))
		return size >= sizeof(ether) + sizeof(struct ether_arp);
	if (ether.ether_type != htons(ETHERTYPE_IP) || size < sizeof(ether) + sizeof(ip))
		return false;
	memcpy(&ip, frame + sizeof(ether), sizeof(ip));
	length = ntohs(ip.ip_len);
	if (ip.ip_v != 4 || ip.ip_hl != 5 || ip.ip_off & ~htons(IP_DF) || length < sizeof(ip) ||
	    length > size - sizeof(ether))
		return false;
	length -= sizeof(ip);
	switch (ip.ip_p) {
	case IPPROTO_TCP:
		if (length < sizeof(tcp))
			return false;
		memcpy(&tcp, inner, sizeof(tcp));
		return tcp.th_off >= 5 && 4u * tcp.th_off <= length;
	case IPPROTO_UDP:
		if (length < sizeof(udp))
			return false;
		memcpy(&udp, inner, sizeof(udp));
		return ntohs(udp.uh_ulen) == length;
	case IPPROTO_ICMP:
		return length >= ICMP_MINLEN;
	default:
		return false;
	}
}

/* A sound packet that may make libslirp open a socket: a datagram, or the first of a connection. */
static bool opens_socket(const uint8_t *frame)
{
	struct ether_header ether;
	struct ip ip;
	struct tcphdr tcp;

	memcpy(&ether, frame, sizeof(ether));
	if (ether.ether_type != htons(ETHERTYPE_IP))
		return false;
	memcpy(&ip, frame + sizeof(ether), sizeof(ip));
	if (ip.ip_p != IPPROTO_TCP)
		return true;
	memcpy(&tcp, frame + sizeof(ether) + sizeof(ip), sizeof(tcp));
	return tcp.th_flags & TH_SYN;
}

/* True when there is no room for what the packet may open. */
static bool too_many(struct slirp_port *port, const uint8_t *frame)
{
	if (port->open < port->open_max || !opens_socket(frame))
		return false;
	if (!port->crowded)
		net_log(port->net, X100_LOG_WARNING,
			"the card has %u sockets open here; it gets no more", port->open);
	port->crowded = true;
	return true;
}

static bool send_frame(struct net *net, const struct virtio_net_hdr *header,
		       const struct x100_chain *chain, size_t size)
{
	struct slirp_port *port = net->port;
	uint8_t *frame = net->frame;
	bool refused;

	if (x100_chain_read(chain, net->header_size, frame, size) != size)
		return false;
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		x100_csum_finish(frame, size, header->csum_start, header->csum_offset);
	port->active = x100_loop_now(net->loop);
	if (slirp_frag_is(frame, size)) {
		size = slirp_frag_add(&port->frag, frame, size, port->active, &frame, &refused);
		if (!size)
			return !refused;
	}
	if (!sound(frame, size) || too_many(port, frame))
		return false;
	slirp_input(port->slirp, frame, (int)size);
	return true;
}

static void sent(struct net *net)
{
	turn(net->port);
}

static void resume(struct net *net)
{
	struct slirp_port *port = net->port;

	x100_task_queue(net->loop, &port->task);
}

static bool link_up(const struct net *net)
{
	(void)net;
	return true;
}

static json_object *address_text(const char *format, struct in_addr address, unsigned int number)
{
	char text[INET_ADDRSTRLEN], all[FWD_TEXT];

	inet_ntop(AF_INET, &address, text, sizeof(text));
	snprintf(all, sizeof(all), format, text, number);
	return json_object_new_string(all);
}

static void status(const struct net *net, struct json_object *o)
{
	const struct slirp_port *port = net->port;
	struct json_object *list = json_object_new_array();
	unsigned int prefix = (unsigned int)__builtin_popcount(port->mask.s_addr);
	unsigned int first = 0;

	json_object_object_add(o, "network", address_text("%s/%u", port->network, prefix));
	json_object_object_add(o, "card_address", address_text("%s", port->card, 0));
	json_object_object_add(o, "host_address", address_text("%s", port->host, 0));
	if (port->ssh) {
		json_object_object_add(o, "ssh",
				       address_text("%s:%u", port->forward[0].address, port->ssh));
		first = 1;
	}
	for (unsigned int i = first; i < port->forwards; i++) {
		struct json_object *f = json_object_new_object();

		json_object_object_add(f, "protocol",
				       json_object_new_string(port->forward[i].udp ? "udp" :
										     "tcp"));
		json_object_object_add(f, "host",
				       address_text("%s:%u", port->forward[i].address,
						    port->forward[i].port));
		json_object_object_add(f, "card_port",
				       json_object_new_int(port->forward[i].card_port));
		json_object_array_add(list, f);
	}
	json_object_object_add(o, "forwards", list);
}

/* ------------------------------------------------------------------ specification */

static const char *const keys[] = { "ssh", "fwd", "mtu", "mac", "net", "restrict", "entries", NULL };

/* One "tcp:[ADDR:]PORT:CARDPORT" or "udp:..." of a list joined by "+". */
static int parse_forward(struct slirp_port *port, const char *text, size_t size,
			 struct x100_why *why)
{
	char copy[FWD_TEXT], *last;
	uint32_t address = htonl(INADDR_LOOPBACK), none = 0;
	uint16_t host_port, card_port;
	bool udp = size >= 4 && !strncmp(text, "udp:", 4);

	if (port->forwards == FORWARDS)
		return x100_fail(why, X100_ERR_ARGUMENT, "fwd: more than %d forwards", FORWARDS);
	snprintf(copy, sizeof(copy), "%.*s", (int)size, text);
	last = strrchr(copy, ':');
	if (size >= sizeof(copy) || (!udp && strncmp(copy, "tcp:", 4)) || last == copy + 3)
		goto bad;
	*last = '\0';
	if (!net_parse_port(last + 1, &none, &card_port) ||
	    !net_parse_port(copy + 4, &address, &host_port))
		goto bad;
	port->forward[port->forwards].udp = udp;
	port->forward[port->forwards].address.s_addr = address;
	port->forward[port->forwards].port = host_port;
	port->forward[port->forwards++].card_port = card_port;
	return X100_OK;
bad:
	return x100_fail(why, X100_ERR_ARGUMENT,
			 "fwd=%.*s: not tcp:[ADDRESS:]PORT:CARDPORT or udp:...", (int)size, text);
}

/* Fill in what the words say; @ssh_given: a port was asked for, not just any. */
static int parse(struct slirp_port *port, const struct x100_spec *spec, bool *restricted,
		 bool *ssh_given, struct x100_why *why)
{
	const char *net = x100_spec_get(spec, "net"), *ssh = x100_spec_get(spec, "ssh");
	const char *fwd = x100_spec_get(spec, "fwd");
	uint32_t network = htonl(0x0A000200), mask = htonl(0xFFFFFF00);
	uint32_t address = htonl(INADDR_LOOPBACK);
	int error;

	if (net && (!net_parse_network(net, &network, &mask) || (network & ~mask) ||
		    ~ntohl(mask) <= CARD_NODE))
		return x100_fail(why, X100_ERR_ARGUMENT,
				 "net=%s: not a network ADDRESS/PREFIX of 32 addresses or more",
				 net);
	port->network.s_addr = network;
	port->mask.s_addr = mask;
	port->host.s_addr = network | htonl(HOST_NODE);
	port->dns.s_addr = network | htonl(DNS_NODE);
	port->card.s_addr = network | htonl(CARD_NODE);

	*restricted = false;
	error = x100_spec_flag(spec, "restrict", restricted, why);
	if (error)
		return error;
	*ssh_given = ssh != NULL;
	if (!ssh || strcmp(ssh, "no")) {
		port->ssh = SSH_PORT;
		if (ssh && !net_parse_port(ssh, &address, &port->ssh))
			return x100_fail(why, X100_ERR_ARGUMENT, "ssh=%s: not [ADDRESS:]PORT or no",
					 ssh);
		port->forward[0].address.s_addr = address;
		port->forward[0].port = port->ssh;
		port->forward[0].card_port = 22;
		port->forwards = 1;
	}
	while (fwd) {
		size_t size = strcspn(fwd, "+");

		error = parse_forward(port, fwd, size, why);
		if (error)
			return error;
		fwd = fwd[size] ? fwd + size + 1 : NULL;
	}
	return X100_OK;
}

static int check(const struct x100_spec *spec, struct x100_why *why)
{
	struct slirp_port port = { 0 };
	bool restricted, given;

	return parse(&port, spec, &restricted, &given, why);
}

/* ------------------------------------------------------------------ open and close */

static void close_port(struct net *net)
{
	struct slirp_port *port = net->port;

	if (port->slirp)
		slirp_cleanup(port->slirp);
	x100_task_cancel(net->loop, &port->task);
	x100_timer_cancel(net->loop, &port->timer);
	for (int fd = 0; fd < port->sockets; fd++) {
		if (!port->socket[fd])
			continue;
		x100_loop_remove(net->loop, &port->socket[fd]->watch);
		free(port->socket[fd]);
	}
	free(port->socket);
	free(port);
	net->port = NULL;
}

static bool forward(struct slirp_port *port, unsigned int i)
{
	return !slirp_add_hostfwd(port->slirp, port->forward[i].udp, port->forward[i].address,
				  port->forward[i].port, port->card, port->forward[i].card_port);
}

/* The port wanted, or the next free one where none was. */
static int forward_all(struct slirp_port *port, unsigned int index, bool ssh_given,
		       struct x100_why *why)
{
	for (unsigned int i = 0; i < port->forwards; i++) {
		bool search = !i && port->ssh && !ssh_given;
		char text[INET_ADDRSTRLEN];

		if (search)
			port->forward[0].port = port->ssh = (uint16_t)(SSH_PORT + index);
		for (int tries = 1; !forward(port, i); tries++) {
			if (search && tries < SSH_TRIES) {
				port->ssh = ++port->forward[0].port;
				continue;
			}
			inet_ntop(AF_INET, &port->forward[i].address, text, sizeof(text));
			return x100_fail(why,
					 errno == EACCES ? X100_ERR_PERMISSION : X100_ERR_SYSTEM,
					 "%s:%u cannot be forwarded: %s", text,
					 port->forward[i].port, strerror(errno));
		}
	}
	return X100_OK;
}

/* Part of what this process may open, for one network. */
static unsigned int socket_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / 4 > SOCKETS_MAX)
		return SOCKETS_MAX;
	return (unsigned int)limit.rlim_cur / 4;
}

/* libslirp sends on sockets that the other end may have closed. */
static void ignore_sigpipe(void)
{
	struct sigaction now;

	if (!sigaction(SIGPIPE, NULL, &now) && now.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

static int open_port(struct net *net, const struct x100_backend_env *env,
		     const struct x100_spec *spec, struct x100_why *why)
{
	struct slirp_port *port = calloc(1, sizeof(*port));
	SlirpConfig config = { .version = 4, .in_enabled = true, .vhostname = env->card_name };
	bool restricted, ssh_given;
	int error;

	if (!port)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for a network");
	net->port = port;
	port->net = net;
	port->open_max = socket_limit();
	port->task.run = turn;
	port->task.arg = port;
	port->timer.expired = turn;
	port->timer.arg = port;
	error = parse(port, spec, &restricted, &ssh_given, why);
	if (error)
		return error;
	if (!net->mtu)
		net->mtu = SLIRP_MTU;
	config.restricted = restricted;
	config.vnetwork = port->network;
	config.vnetmask = port->mask;
	config.vhost = port->host;
	config.vdhcp_start = port->card;
	config.vnameserver = port->dns;
	config.if_mtu = net->mtu;
	config.if_mru = net->mtu;
	ignore_sigpipe();
	pthread_mutex_lock(&new_lock);
	port->slirp = slirp_new(&config, &callbacks, port);
	pthread_mutex_unlock(&new_lock);
	if (!port->slirp)
		return x100_fail(why, X100_ERR_SYSTEM, "libslirp refused its configuration");
	error = forward_all(port, env->card_index, ssh_given, why);
	if (!error)
		fill(port);
	return error;
}

const struct net_port_ops net_slirp = {
	.kind = "slirp",
	.keys = keys,
	.check = check,
	.open = open_port,
	.close = close_port,
	.start = start,
	.stop = stop,
	.send = send_frame,
	.sent = sent,
	.resume = resume,
	.status = status,
	.link = link_up,
};
