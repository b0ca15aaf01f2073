// SPDX-License-Identifier: BSD-3-Clause
/*
 * The host's side of a network on a TAP interface: the kernel takes and gives packets with the virtio
 * header in front, so that checksums and segmentation are left to whoever can do them best.
 */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Packets read before others get their turn. */
#define TAP_BATCH 64
/* Packets that may have gathered while no driver was there. */
#define TAP_STALE 4096
/* Parts of a packet in card memory that go out without a copy. */
#define TAP_PARTS 64

struct tap_port {
	struct net *net;
	struct x100_watch watch;
	char name[IFNAMSIZ];
	/* The header and the frame behind it, as the kernel gives them. */
	uint8_t packet[sizeof(struct virtio_net_hdr_mrg_rxbuf) + NET_FRAME_MAX];
};

/* ------------------------------------------------------------------ interface */

/* An ioctl on the interface. Returns 0 or -errno. */
static int on_interface(const struct tap_port *tap, unsigned long request, struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return -errno;
	memcpy(r->ifr_name, tap->name, sizeof(r->ifr_name));
	ret = ioctl(fd, request, r) ? -errno : 0;
	close(fd);
	return ret;
}

static int set_address(const struct tap_port *tap, unsigned long request, uint32_t address)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = address };
	struct ifreq r = { 0 };

	memcpy(&r.ifr_addr, &in, sizeof(in));
	return on_interface(tap, request, &r);
}

static int bring_up(const struct tap_port *tap)
{
	struct ifreq r = { 0 };
	int ret = on_interface(tap, SIOCGIFFLAGS, &r);

	if (ret || r.ifr_flags & IFF_UP)
		return ret;
	r.ifr_flags |= IFF_UP;
	return on_interface(tap, SIOCSIFFLAGS, &r);
}

static bool link_up(const struct net *net)
{
	struct ifreq r = { 0 };

	return !on_interface(net->port, SIOCGIFFLAGS, &r) && r.ifr_flags & IFF_UP;
}

/* ------------------------------------------------------------------ packets */

/* Others on the host see a cable that is plugged in while the card's driver is there. */
static void set_carrier(const struct tap_port *tap, bool on)
{
	int value = on;

	/* From Linux 5.0 on; without it the cable is always there. */
	if (ioctl(tap->watch.fd, TUNSETCARRIER, &value))
		return;
}

static void receive(void *arg, uint32_t events)
{
	struct tap_port *tap = arg;
	struct net *net = tap->net;
	struct virtio_net_hdr header;
	unsigned int budget = TAP_BATCH;

	(void)events;
	while (budget-- && net->live && !net->starved) {
		ssize_t n = read(tap->watch.fd, tap->packet, net->header_size + NET_FRAME_MAX);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			/* Somebody deleted the interface. */
			x100_loop_remove(net->loop, &tap->watch);
			net_log(net, X100_LOG_WARNING, "%s: %s", tap->name, strerror(errno));
		}
		if (n < (ssize_t)net->header_size)
			break;
		memcpy(&header, tap->packet, sizeof(header));
		if (!net_card_trusts(net))
			header.flags = 0;
		net_receive(net, &header, tap->packet + net->header_size,
			    (size_t)n - net->header_size);
	}
	if (net->starved)
		x100_loop_remove(net->loop, &tap->watch);
	net_flush(net);
}

/* The kernel answers many a packet before it is back from taking it. */
static void sent(struct net *net)
{
	struct tap_port *tap = net->port;

	if (tap->watch.watched)
		receive(tap, 0);
}

static void watch(struct net *net)
{
	struct tap_port *tap = net->port;
	int ret;

	if (tap->watch.watched)
		return;
	ret = x100_loop_add(net->loop, &tap->watch, EPOLLIN);
	if (ret)
		net_log(net, X100_LOG_ERR, "%s cannot be watched: %s", tap->name, strerror(-ret));
}

static bool send_frame(struct net *net, const struct virtio_net_hdr *header,
		       const struct x100_chain *chain, size_t size)
{
	struct tap_port *tap = net->port;
	/* Not the card's copy of it, which may change after the check. */
	struct virtio_net_hdr_mrg_rxbuf h = { .hdr = *header };
	struct iovec iov[1 + TAP_PARTS] = { { &h, net->header_size } };
	int parts = x100_chain_iov(chain, false, net->header_size, size, iov + 1, TAP_PARTS);
	ssize_t n;

	if (parts < 0) {
		if (x100_chain_read(chain, net->header_size, net->frame, size) != size)
			return false;
		iov[1].iov_base = net->frame;
		iov[1].iov_len = size;
		parts = 1;
	}
	do {
		n = writev(tap->watch.fd, iov, 1 + parts);
	} while (n < 0 && errno == EINTR);
	return n >= 0;
}

static void start(struct net *net)
{
	struct tap_port *tap = net->port;
	int size = (int)net->header_size;
	unsigned int offload = 0;

	if (net_card_trusts(net))
		offload |= TUN_F_CSUM;
	if (net->features & 1u << VIRTIO_NET_F_GUEST_TSO4)
		offload |= TUN_F_TSO4;
	if (net->features & 1u << VIRTIO_NET_F_GUEST_TSO6)
		offload |= TUN_F_TSO6;
	if (offload & (TUN_F_TSO4 | TUN_F_TSO6) && net->features & 1u << VIRTIO_NET_F_GUEST_ECN)
		offload |= TUN_F_TSO_ECN;
	if (ioctl(tap->watch.fd, TUNSETVNETHDRSZ, &size) ||
	    ioctl(tap->watch.fd, TUNSETOFFLOAD, offload))
		net_log(net, X100_LOG_ERR, "%s: %s", tap->name, strerror(errno));
	/* What gathered for the driver before this one is of no use, and may have another header. */
	for (int i = 0; i < TAP_STALE; i++)
		if (read(tap->watch.fd, tap->packet, sizeof(tap->packet)) < 0)
			break;
	set_carrier(tap, true);
	watch(net);
}

static void stop(struct net *net)
{
	struct tap_port *tap = net->port;

	x100_loop_remove(net->loop, &tap->watch);
	set_carrier(tap, false);
}

static void resume(struct net *net)
{
	watch(net);
}

static void status(const struct net *net, struct json_object *o)
{
	const struct tap_port *tap = net->port;

	json_object_object_add(o, "interface", json_object_new_string(tap->name));
}

/* ------------------------------------------------------------------ specification */

static const char *const keys[] = { "ifname", "addr", "mtu", "mac", "entries", NULL };

static int check(const struct x100_spec *spec, struct x100_why *why)
{
	const char *name = x100_spec_get(spec, "ifname"), *addr = x100_spec_get(spec, "addr");
	uint32_t address, mask;

	if (name && (!*name || strlen(name) >= IFNAMSIZ || strpbrk(name, "/%: ")))
		return x100_fail(why, X100_ERR_ARGUMENT,
				 "ifname=%s: not a name for an interface (15 characters)", name);
	if (addr && !net_parse_network(addr, &address, &mask))
		return x100_fail(why, X100_ERR_ARGUMENT, "addr=%s: not ADDRESS/PREFIX", addr);
	return X100_OK;
}

static void close_port(struct net *net)
{
	struct tap_port *tap = net->port;

	x100_loop_remove(net->loop, &tap->watch);
	if (tap->watch.fd >= 0)
		close(tap->watch.fd);
	free(tap);
	net->port = NULL;
}

static int refused(const struct tap_port *tap, int error, const char *what, struct x100_why *why)
{
	if (error == EPERM || error == EACCES)
		return x100_fail(why, X100_ERR_PERMISSION,
				 "%s: %s needs CAP_NET_ADMIN, or an interface made for this user; "
				 "slirp needs neither",
				 tap->name, what);
	return x100_fail(why, X100_ERR_SYSTEM, "%s: %s: %s", tap->name, what, strerror(error));
}

/* The interface's MTU becomes the card's, or the one asked for the interface's. */
static int settle_mtu(struct net *net, struct x100_why *why)
{
	struct tap_port *tap = net->port;
	struct ifreq r = { 0 };
	int ret = on_interface(tap, SIOCGIFMTU, &r);

	if (!ret && net->mtu && r.ifr_mtu != net->mtu) {
		r.ifr_mtu = net->mtu;
		ret = on_interface(tap, SIOCSIFMTU, &r);
	}
	if (ret)
		return refused(tap, -ret, "setting the MTU", why);
	if (r.ifr_mtu < NET_MTU_MIN || r.ifr_mtu > NET_MTU_MAX)
		return x100_fail(why, X100_ERR_ARGUMENT,
				 "%s: its MTU of %d is not between %d and %d: give mtu=", tap->name,
				 r.ifr_mtu, NET_MTU_MIN, NET_MTU_MAX);
	net->mtu = (uint16_t)r.ifr_mtu;
	return X100_OK;
}

static int open_port(struct net *net, const struct x100_backend_env *env,
		     const struct x100_spec *spec, struct x100_why *why)
{
	const char *name = x100_spec_get(spec, "ifname"), *addr = x100_spec_get(spec, "addr");
	struct tap_port *tap = calloc(1, sizeof(*tap));
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	uint32_t address, mask;
	bool created;
	int ret;

	if (!tap)
		return x100_fail(why, X100_ERR_MEMORY, "no memory for a network");
	net->port = tap;
	tap->net = net;
	tap->watch.fd = -1;
	tap->watch.ready = receive;
	tap->watch.arg = tap;
	/* The first network of a card is called like the card. */
	if (name)
		ret = snprintf(tap->name, sizeof(tap->name), "%s", name);
	else if (!strcmp(net->backend.name, "net0"))
		ret = snprintf(tap->name, sizeof(tap->name), "%s", env->card_name);
	else
		ret = snprintf(tap->name, sizeof(tap->name), "%s-%s", env->card_name,
			       net->backend.name);
	if (ret >= (int)sizeof(tap->name))
		return x100_fail(why, X100_ERR_ARGUMENT,
				 "%s... is too long for an interface: give ifname=", tap->name);
	memcpy(r.ifr_name, tap->name, sizeof(r.ifr_name));
	created = !if_nametoindex(tap->name);
	tap->watch.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->watch.fd < 0)
		return refused(tap, errno, "opening /dev/net/tun", why);
	if (ioctl(tap->watch.fd, TUNSETIFF, &r)) {
		if (errno == EINVAL && !created)
			return x100_fail(why, X100_ERR_SYSTEM,
					 "%s exists and is no TAP interface with one queue",
					 tap->name);
		return refused(tap, errno, "making or opening the interface", why);
	}
	set_carrier(tap, false);
	ret = settle_mtu(net, why);
	if (ret)
		return ret;
	if (addr && net_parse_network(addr, &address, &mask)) {
		ret = set_address(tap, SIOCSIFADDR, address);
		if (!ret)
			ret = set_address(tap, SIOCSIFNETMASK, mask);
		if (ret)
			return refused(tap, -ret, "setting the address", why);
	}
	/* One that was there is its owner's to switch. */
	ret = created || addr ? bring_up(tap) : 0;
	return ret ? refused(tap, -ret, "switching it on", why) : X100_OK;
}

const struct net_port_ops net_tap = {
	.kind = "tap",
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
