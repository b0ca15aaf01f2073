// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/slirp.c and lib/slirp_merge.c, with libslirp itself: what a card finds behind it, and
 * how sockets, timers and buffers are driven. Faked: the card with its driver and a small TCP (netcard.c).
 */
#include "netcard.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slirp_merge.h"

#define PLAIN (F(MAC) | F(MTU) | F(MRG_RXBUF))
#define ALL   (PLAIN | F(CSUM) | F(GUEST_CSUM) | F(GUEST_TSO4) | F(HOST_TSO4))
#define IP_AT ETHER_HDR_LEN

static uint8_t frame[NET_FRAME_MAX];
static struct virtio_net_hdr_mrg_rxbuf head;

static void begin(const char *spec, uint32_t features)
{
	netcard_start(spec, features, 100, 2048);
	netcard_arp();
}

/* ------------------------------------------------------------------ the host's programs */

/* Start to connect; the other end is the loop's. */
static int connect_to(int type, uint16_t port)
{
	struct sockaddr_in in = netcard_local(port);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(!connect(fd, (struct sockaddr *)&in, sizeof(in)) || errno == EINPROGRESS);
	return fd;
}

/* ------------------------------------------------------------------ what is there */

static void host_answers_pings(void **state)
{
	struct icmp ping = { .icmp_type = ICMP_ECHO, .icmp_id = 77, .icmp_seq = 5 }, pong;
	size_t size;

	(void)state;
	begin("slirp", ALL);
	ping.icmp_cksum = (uint16_t) ~(ICMP_ECHO + 77 + 5);
	netcard_send(NULL, frame, netcard_ip(frame, IPPROTO_ICMP, nc.host, &ping, sizeof(ping)));
	size = netcard_wait_ip(IPPROTO_ICMP, &head, frame);
	assert_int_equal(size, IP_AT + 20 + sizeof(ping));
	memcpy(&pong, frame + IP_AT + 20, sizeof(pong));
	assert_int_equal(pong.icmp_type, ICMP_ECHOREPLY);
	assert_int_equal(pong.icmp_id, 77);
	assert_int_equal(pong.icmp_seq, 5);
	assert_int_equal(head.hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
}

/* A DHCP message (RFC 2131) with its option 53 and an end. */
static size_t dhcp_message(uint8_t *to, uint8_t kind)
{
	static const uint8_t cookie[] = { 99, 130, 83, 99 };

	memset(to, 0, 300);
	to[0] = to[1] = 1;
	to[2] = 6;
	memcpy(to + 4, "x100", 4);
	memcpy(to + 28, nc.mac, 6);
	memcpy(to + 236, cookie, 4);
	to[240] = 53;
	to[241] = 1;
	to[242] = kind;
	to[243] = 255;
	return 300;
}

static const uint8_t *dhcp_option(const uint8_t *message, size_t size, uint8_t code)
{
	for (size_t at = 240; at + 1 < size && message[at] != 255;) {
		if (message[at] == code)
			return message + at + 2;
		at += message[at] ? 2u + message[at + 1] : 1u;
	}
	return NULL;
}

static void dhcp_gives_an_address(void **state)
{
	uint8_t packet[8 + 300] = { 0, 68, 0, 67, 308 >> 8, 308 & 255 };
	static const uint8_t gateway[4] = { 10, 0, 2, 2 }, dns[4] = { 10, 0, 2, 3 };
	const uint8_t *message = frame + IP_AT + 28;
	size_t size;

	(void)state;
	netcard_start("slirp", ALL, 100, 2048);
	memset(nc.host_mac, 255, 6);
	nc.address = 0;
	dhcp_message(packet + 8, 1);
	netcard_send(NULL, frame,
		     netcard_ip(frame, IPPROTO_UDP, INADDR_BROADCAST, packet, sizeof(packet)));
	nc.address = INADDR_BROADCAST;
	size = netcard_wait_ip(IPPROTO_UDP, &head, frame) - IP_AT - 28;
	assert_memory_equal(message + 4, "x100", 4);
	assert_int_equal(*dhcp_option(message, size, 53), 2);
	assert_memory_equal(message + 16, ((uint8_t[]){ 10, 0, 2, 15 }), 4);
	assert_memory_equal(dhcp_option(message, size, 3), gateway, 4);
	assert_memory_equal(dhcp_option(message, size, 6), dns, 4);
	assert_memory_equal(dhcp_option(message, size, 12), "mic0", 4);
}

static void another_network_has_other_addresses(void **state)
{
	(void)state;
	nc.address = inet_addr("172.31.1.15");
	nc.host = inet_addr("172.31.1.2");
	begin("slirp,net=172.31.1.0/24", ALL);
}

/* ------------------------------------------------------------------ TCP */

static void card_sends_with_its_own_checksums(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin("slirp", PLAIN);
	fd = netcard_connected(&t);
	for (size_t at = 0; at < 7000; at += 1000)
		netcard_tcp_send(&t, TH_ACK, netcard_pattern + at, 1000, 0);
	assert_int_equal(netcard_read(fd, netcard_data, 7000), 7000);
	assert_memory_equal(netcard_data, netcard_pattern, 7000);
	close(fd);
}

static void card_leaves_checksums_to_us(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin("slirp", ALL);
	fd = netcard_connected(&t);
	/* Odd and even sizes. */
	for (size_t size = 0; size < 64; size++)
		netcard_tcp_send(&t, TH_ACK, netcard_pattern + size * (size + 1) / 2, size + 1,
				 1460);
	assert_int_equal(netcard_read(fd, netcard_data, 64 * 65 / 2), 64 * 65 / 2);
	close(fd);
}

static void card_sends_packets_to_be_segmented(void **state)
{
	const size_t largest = 65535 - 40;
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin("slirp", ALL);
	fd = netcard_connected(&t);
	netcard_tcp_send(&t, TH_ACK, netcard_pattern, 30001, 1460);
	assert_int_equal(netcard_read(fd, netcard_data, 30001), 30001);
	assert_memory_equal(netcard_data, netcard_pattern, 30001);
	netcard_tcp_send(&t, TH_ACK, netcard_pattern, largest, 8960);
	assert_int_equal(netcard_read(fd, netcard_data, largest), largest);
	assert_memory_equal(netcard_data, netcard_pattern, largest);
	assert_int_equal(netcard_count("dropped.bad_header"), 0);
	close(fd);
}

static void host_sends_segments_in_one(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin("slirp,mtu=1500", ALL);
	fd = netcard_connected(&t);
	netcard_host_sends(&t, fd, 300000);
	assert_true(t.gso);
	assert_true(t.largest > 10000);
	close(fd);
}

static void host_sends_single_segments_without_the_feature(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin("slirp,mtu=1500", PLAIN);
	fd = netcard_connected(&t);
	netcard_host_sends(&t, fd, 100000);
	assert_int_equal(t.gso, 0);
	assert_in_range(t.largest, 1400, 1460);
	close(fd);
}

static void mtu_is_used(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin("slirp", PLAIN);
	assert_int_equal(netcard_count("mtu"), 9000);
	fd = netcard_connected(&t);
	netcard_host_sends(&t, fd, 100000);
	assert_in_range(t.largest, 8900, 8960);
	close(fd);
}

static void end_of_a_connection_is_passed_on(void **state)
{
	struct netcard_tcp t;
	uint8_t flags = 0, byte;
	int fd;

	(void)state;
	begin("slirp", ALL);
	fd = netcard_connected(&t);
	netcard_tcp_send(&t, TH_ACK | TH_FIN, "", 0, 0);
	for (int i = 0; i < 500 && read(fd, &byte, 1) != 0; i++)
		x100_loop_turn(vcard.loop, 10);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	while (!(flags & (TH_FIN | TH_RST)))
		netcard_tcp_receive(&t, &flags, netcard_data);
}

static void nobody_listening_is_a_reset(void **state)
{
	struct netcard_tcp t = { .to = nc.host, .local = 4444, .seq = 1 };
	uint8_t flags;
	int fd = netcard_bound(SOCK_STREAM, &t.port);

	(void)state;
	close(fd);
	begin("slirp", ALL);
	netcard_tcp_send(&t, TH_SYN, "", 0, 0);
	t.to = nc.host;
	netcard_tcp_receive(&t, &flags, netcard_data);
	assert_true(flags & TH_RST);
}

static void many_connections_come_and_go(void **state)
{
	(void)state;
	begin("slirp", ALL);
	for (int round = 0; round < 20; round++) {
		struct netcard_tcp t[5];
		uint8_t flags;
		int fd[5];

		for (int i = 0; i < 5; i++)
			fd[i] = netcard_connected(&t[i]);
		for (int i = 0; i < 5; i++) {
			netcard_tcp_send(&t[i], TH_ACK, netcard_pattern + i, 100, 1460);
			assert_int_equal(netcard_read(fd[i], netcard_data, 100), 100);
			assert_memory_equal(netcard_data, netcard_pattern + i, 100);
			netcard_host_sends(&t[i], fd[i], 3000);
			netcard_tcp_send(&t[i], TH_RST | TH_ACK, "", 0, 0);
			for (int n = 0; n < 500 && read(fd[i], &flags, 1) < 0 && errno == EAGAIN;
			     n++)
				x100_loop_turn(vcard.loop, 10);
			close(fd[i]);
		}
	}
}

/* Descriptors of this process. */
static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void sockets_of_a_card_are_limited(void **state)
{
	struct rlimit old, few = { 200, 200 };
	unsigned int before;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	begin("slirp", ALL);
	before = count_fds();
	for (uint16_t port = 1000; port < 1500; port++) {
		uint8_t datagram[9] = { (uint8_t)(port >> 8), (uint8_t)port, 0, 9, 0, 9 };

		netcard_send(NULL, frame,
			     netcard_ip(frame, IPPROTO_UDP, nc.host, datagram, sizeof(datagram)));
	}
	assert_in_range(count_fds() - before, 40, 60);
	assert_int_equal(netcard_count("dropped.host_refused"), 450);
	assert_non_null(strstr(nc.log, "sockets"));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void a_peer_that_went_is_no_signal(void **state)
{
	struct sigaction action;
	struct netcard_tcp t;
	struct linger now = { 1, 0 };
	int fd;

	(void)state;
	begin("slirp", ALL);
	fd = netcard_connected(&t);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	for (int i = 0; i < 20; i++)
		netcard_tcp_send(&t, TH_ACK, netcard_pattern, 1000, 1460);
	assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
	assert_ptr_equal(action.sa_handler, SIG_IGN);
}

/* ------------------------------------------------------------------ forwards */

static uint16_t ssh_port(void)
{
	struct json_object *o = json_object_new_object(), *ssh;
	unsigned int port = 0;

	x100_net_class.status(nc.backend, o);
	if (json_object_object_get_ex(o, "ssh", &ssh))
		assert_int_equal(sscanf(json_object_get_string(ssh), "127.0.0.1:%u", &port), 1);
	json_object_put(o);
	return (uint16_t)port;
}

static void ssh_reaches_port_22_of_the_card(void **state)
{
	struct tcphdr tcp;
	int fd;

	(void)state;
	begin("slirp", ALL);
	fd = connect_to(SOCK_STREAM, ssh_port());
	netcard_wait_ip(IPPROTO_TCP, &head, frame);
	memcpy(&tcp, frame + IP_AT + 20, sizeof(tcp));
	assert_int_equal(ntohs(tcp.th_dport), 22);
	assert_int_equal(tcp.th_flags, TH_SYN);
	close(fd);
}

static void ssh_takes_the_next_free_port(void **state)
{
	struct x100_backend *first;
	struct x100_why why;
	uint16_t a, b;

	(void)state;
	nc.env.card_index = 3;
	assert_int_equal(netcard_try("slirp", &why), X100_OK);
	a = ssh_port();
	first = nc.backend;
	assert_int_equal(x100_net_class.open(&nc.env, "net1", "slirp", &why, &nc.backend), X100_OK);
	b = ssh_port();
	assert_in_range(a, 2225, 2324);
	assert_in_range(b, a + 1, 2324);
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	x100_net_class.close(first);
}

static void a_port_that_was_asked_for_is_a_must(void **state)
{
	struct x100_why why;
	char spec[64];
	uint16_t port;
	int fd = netcard_listener(&port);

	(void)state;
	snprintf(spec, sizeof(spec), "slirp,ssh=127.0.0.1:%u", port);
	assert_int_equal(netcard_try(spec, &why), X100_ERR_SYSTEM);
	assert_non_null(strstr(why.text, "in use"));
	close(fd);
	assert_int_equal(netcard_try(spec, &why), X100_OK);
	assert_int_equal(ssh_port(), port);
}

static void ssh_can_be_left_out(void **state)
{
	struct x100_why why;

	(void)state;
	assert_int_equal(netcard_try("slirp,ssh=no", &why), X100_OK);
	assert_int_equal(ssh_port(), 0);
}

static void ports_are_forwarded(void **state)
{
	uint16_t tcp_port, udp_port;
	int a = netcard_bound(SOCK_STREAM, &tcp_port), b = netcard_bound(SOCK_DGRAM, &udp_port), fd;
	struct udphdr udp;
	struct tcphdr tcp;
	char spec[96];
	size_t size;

	(void)state;
	close(a);
	close(b);
	snprintf(spec, sizeof(spec), "slirp,ssh=no,fwd=tcp:%u:80+udp:127.0.0.1:%u:53", tcp_port,
		 udp_port);
	begin(spec, ALL);
	fd = connect_to(SOCK_DGRAM, udp_port);
	assert_int_equal(write(fd, "hello", 5), 5);
	size = netcard_wait_ip(IPPROTO_UDP, &head, frame);
	memcpy(&udp, frame + IP_AT + 20, sizeof(udp));
	assert_int_equal(ntohs(udp.uh_dport), 53);
	assert_int_equal(size, IP_AT + 28 + 5);
	assert_memory_equal(frame + IP_AT + 28, "hello", 5);
	close(fd);
	fd = connect_to(SOCK_STREAM, tcp_port);
	netcard_wait_ip(IPPROTO_TCP, &head, frame);
	memcpy(&tcp, frame + IP_AT + 20, sizeof(tcp));
	assert_int_equal(ntohs(tcp.th_dport), 80);
	close(fd);
}

static void words_are_checked(void **state)
{
	static const char *const bad[] = {
		"slirp,ssh=",
		"slirp,ssh=0",
		"slirp,ssh=host:22",
		"slirp,net=10.0.2.1/24",
		"slirp,net=10.0.2.0/28",
		"slirp,net=10.0.2.0",
		"slirp,restrict=yes",
		"slirp,fwd=",
		"slirp,fwd=tcp",
		"slirp,fwd=tcp:",
		"slirp,fwd=tcp:80",
		"slirp,fwd=tcp:80:",
		"slirp,fwd=tcp::80",
		"slirp,fwd=icmp:80:80",
		"slirp,fwd=tcp:1:2:3",
		"slirp,fwd=tcp:80:80+",
		"slirp,fwd=tcp:127.0.0.1:80:65536",
		"slirp,fwd=udp:1:1+tcp:127.0.0.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1:1:1",
		"slirp,fwd=tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1+"
		"tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1+tcp:1:1",
		"slirp,ifname=tap0",
	};
	struct x100_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (x100_backend_check("net", bad[i], &why) != X100_ERR_ARGUMENT)
			fail_msg("%s", bad[i]);
	assert_int_equal(x100_backend_check("net",
					    "slirp,ssh=10.1.1.1:99,net=192.168.0.0/16,restrict,"
					    "fwd=udp:0.0.0.0:1:1+tcp:80:80,mtu=1500",
					    &why),
			 X100_OK);
}

static void restricted_card_reaches_nothing(void **state)
{
	struct netcard_tcp t = { .local = 4444, .seq = 1 };
	int fd = netcard_listener(&t.port), c;
	uint8_t flags;

	(void)state;
	begin("slirp,restrict", ALL);
	t.to = nc.host;
	netcard_tcp_send(&t, TH_SYN, "", 0, 0);
	netcard_tcp_receive(&t, &flags, netcard_data);
	assert_true(flags & TH_RST);
	c = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
	assert_int_equal(c, -1);
	close(fd);
}

/* Send a packet of @protocol with byte @at of the frame replaced. True when libslirp got it. */
static bool passes(uint8_t protocol, size_t payload, size_t at, uint8_t value)
{
	uint64_t refused = netcard_count("dropped.host_refused");
	size_t size;

	memset(netcard_data, 0, payload);
	if (protocol == IPPROTO_TCP && payload > 12)
		netcard_data[12] = 0x50;
	if (protocol == IPPROTO_UDP && payload > 5)
		netcard_data[5] = (uint8_t)payload;
	size = netcard_ip(frame, protocol, nc.host, netcard_data, payload);
	if (at)
		frame[at] = value;
	netcard_send(NULL, frame, size);
	return netcard_count("dropped.host_refused") == refused;
}

static void only_sound_packets_reach_libslirp(void **state)
{
	(void)state;
	begin("slirp", ALL);
	assert_true(passes(IPPROTO_TCP, 20, 0, 0));
	assert_true(passes(IPPROTO_UDP, 8, 0, 0));
	assert_true(passes(IPPROTO_ICMP, 8, 0, 0));
	assert_true(passes(IPPROTO_TCP, 20, IP_AT + 6, 0x40));  /* DF */
	assert_false(passes(IPPROTO_TCP, 20, IP_AT + 6, 0x80)); /* reserved */
	assert_false(passes(IPPROTO_TCP, 20, IP_AT, 0x46));     /* options */
	assert_false(passes(IPPROTO_TCP, 20, IP_AT, 0x44));
	assert_false(passes(IPPROTO_TCP, 20, IP_AT, 0x65));
	assert_false(passes(IPPROTO_TCP, 20, IP_AT + 3, 41)); /* longer than the frame */
	assert_false(passes(IPPROTO_TCP, 20, IP_AT + 3, 39));
	assert_false(passes(IPPROTO_TCP, 20, IP_AT + 3, 19));
	assert_false(passes(IPPROTO_TCP, 20, IP_AT + 20 + 12, 0x40));
	assert_false(passes(IPPROTO_TCP, 20, IP_AT + 20 + 12, 0x60));
	assert_false(passes(IPPROTO_TCP, 19, 0, 0));
	assert_false(passes(IPPROTO_UDP, 7, 0, 0));
	assert_false(passes(IPPROTO_UDP, 8, IP_AT + 20 + 5, 9));
	assert_false(passes(IPPROTO_ICMP, 7, 0, 0));
	assert_false(passes(IPPROTO_IGMP, 8, 0, 0));
	assert_false(passes(IPPROTO_TCP, 20, 12, 0x86));    /* no IP */
	assert_false(passes(IPPROTO_UDP, 7, IP_AT - 1, 6)); /* ARP, but short */
	netcard_arp();
}

/* ------------------------------------------------------------------ buffers, resets, time */

/* A connection at full speed into a card that then takes no more; returns what the host wrote last. */
static size_t starve(struct netcard_tcp *t, int *fd)
{
	size_t sent = 0;

	/* 40 buffers, one for each segment, are less than the window of 64 KiB. */
	netcard_start("slirp,mtu=1500", PLAIN, 40, 2048);
	netcard_arp();
	*fd = netcard_connected(t);
	netcard_host_sends(t, *fd, 300000);
	for (int i = 0; i < 100; i++) {
		ssize_t n = write(*fd, netcard_pattern + sent, sizeof(netcard_pattern) - sent);

		if (n > 0)
			sent += (size_t)n;
		x100_loop_turn(vcard.loop, 1);
	}
	assert_true(((struct net *)nc.backend)->starved);
	return sent;
}

static void host_is_not_read_for_a_card_without_buffers(void **state)
{
	struct netcard_tcp t;
	size_t sent, received = 0;
	uint8_t flags;
	int fd;

	(void)state;
	sent = starve(&t, &fd);
	assert_true(((struct net *)nc.backend)->waiting_bytes < 64 << 10);
	while (received < sent)
		received += netcard_tcp_receive(&t, &flags, netcard_data + received);
	assert_memory_equal(netcard_data, netcard_pattern, sent);
	assert_int_equal(netcard_count("dropped.no_buffers"), 0);
	close(fd);
}

static void a_starved_card_costs_no_time(void **state)
{
	struct netcard_tcp t;
	unsigned int turns = 0;
	uint64_t end;
	int fd;

	(void)state;
	starve(&t, &fd);
	end = x100_loop_now(vcard.loop) + 300 * X100_NS_PER_MS;
	for (; x100_loop_now(vcard.loop) < end; turns++)
		x100_loop_turn(vcard.loop, 100);
	assert_in_range(turns, 1, 10);
	close(fd);
}

static void a_new_driver_goes_on(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin("slirp", ALL);
	fd = netcard_connected(&t);
	assert_int_equal(write(fd, netcard_pattern, 1000), 1000);
	netcard_probe(ALL, 100, 2048);
	netcard_arp();
	close(fd);
	fd = netcard_connected(&t);
	netcard_host_sends(&t, fd, 10000);
	close(fd);
}

static void removal_with_connections_is_clean(void **state)
{
	struct netcard_tcp t;
	int fd;
	uint8_t byte;

	(void)state;
	begin("slirp", ALL);
	fd = netcard_connected(&t);
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	x100_net_class.close(nc.backend);
	nc.backend = NULL;
	assert_true(read(fd, &byte, 1) <= 0);
	x100_loop_turn(vcard.loop, 10);
	close(fd);
}

static void nothing_wakes_a_quiet_network(void **state)
{
	uint64_t start;

	(void)state;
	begin("slirp", ALL);
	/* From here on time only passes in the loop's waits. */
	fake.now = x100_loop_now(vcard.loop);
	x100_loop_set_clock(vcard.loop, &fake_clock);
	vcard_run(310 * 1000);
	start = fake.now;
	x100_loop_turn(vcard.loop, 200 * 1000);
	assert_int_equal(fake.now - start, 200 * X100_NS_PER_SEC);
}

/* ------------------------------------------------------------------ fragments */

/* Send [at, at + size) of a packet's payload; @more: others follow behind it. */
static void send_fragment(uint16_t id, const uint8_t *payload, size_t at, size_t size, bool more)
{
	size_t length = netcard_ip(frame, IPPROTO_ICMP, nc.host, payload + at, size);
	struct ip ip;

	memcpy(&ip, frame + IP_AT, sizeof(ip));
	ip.ip_id = htons(id);
	ip.ip_off = htons((uint16_t)(at / 8 | (more ? IP_MF : 0)));
	memcpy(frame + IP_AT, &ip, sizeof(ip));
	netcard_send(NULL, frame, length);
}

/* A long echo request; returns its size. */
static size_t long_ping(uint8_t *to, size_t size)
{
	struct icmp ping = { .icmp_type = ICMP_ECHO, .icmp_id = 77 };
	uint32_t sum = 0;

	memcpy(to, netcard_pattern, size);
	memcpy(to, &ping, 8);
	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? to[i] : (uint32_t)to[i] << 8;
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	to[2] = (uint8_t)(~sum >> 8);
	to[3] = (uint8_t)~sum;
	return size;
}

static void fragments_in_any_order_become_a_packet(void **state)
{
	static const size_t orders[][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 2, 0, 3, 1 } };
	static uint8_t ping[8000];

	(void)state;
	begin("slirp", ALL);
	for (uint16_t i = 0; i < 3; i++) {
		size_t size = long_ping(ping, 5003), got;

		for (int n = 0; n < 4; n++) {
			size_t at = orders[i][n] * 1480;

			send_fragment(i, ping, at, at < 4440 ? 1480 : size - at, at < 4440);
		}
		got = netcard_wait_ip(IPPROTO_ICMP, &head, frame);
		assert_int_equal(got, IP_AT + 20 + size);
		assert_int_equal(frame[IP_AT + 20], ICMP_ECHOREPLY);
		assert_memory_equal(frame + IP_AT + 28, ping + 8, size - 8);
	}
	assert_int_equal(netcard_count("dropped.host_refused"), 0);
}

static void fragments_that_do_not_fit_are_given_up(void **state)
{
	static uint8_t ping[70000];
	size_t size;

	(void)state;
	begin("slirp", ALL);
	long_ping(ping, 3000);
	/* An overlap; the packet is gone, its rest does not complete it. */
	send_fragment(1, ping, 0, 1480, true);
	send_fragment(1, ping, 1472, 1480, true);
	assert_int_equal(netcard_count("dropped.host_refused"), 1);
	send_fragment(1, ping, 1480, 1520, false);
	/* Two ends. */
	send_fragment(2, ping, 1480, 1520, false);
	send_fragment(2, ping, 3000, 8, false);
	assert_int_equal(netcard_count("dropped.host_refused"), 2);
	/* Behind the end; an end before what is there. */
	send_fragment(3, ping, 1480, 1520, false);
	send_fragment(3, ping, 3000, 8, true);
	send_fragment(4, ping, 2960, 40, true);
	send_fragment(4, ping, 1480, 100, false);
	/* Not a multiple of 8, nothing, longer than a packet may be. */
	send_fragment(5, ping, 0, 1481, true);
	send_fragment(6, ping, 8, 0, true);
	send_fragment(7, ping, 65512, 8, true);
	assert_int_equal(netcard_count("dropped.host_refused"), 7);
	for (int i = 0; i < 20; i++)
		vcard_turn();
	assert_false(netcard_take(&head, frame, &size));
}

static void only_so_many_packets_are_collected(void **state)
{
	static uint8_t ping[3000];
	uint64_t before;

	(void)state;
	begin("slirp", ALL);
	long_ping(ping, 2000);
	before = netcard_count("host_to_card.packets");
	for (uint16_t id = 1; id <= 5; id++)
		send_fragment(id, ping, 0, 1480, true);
	/* The first had to go for the fifth, the others are complete with this. */
	for (uint16_t id = 5; id >= 1; id--)
		send_fragment(id, ping, 1480, 520, false);
	assert_int_equal(netcard_count("host_to_card.packets"), before + 4);
}

/* ------------------------------------------------------------------ merging */

static struct slirp_merge merge;

/* A segment as libslirp makes them: @size bytes at sequence number @seq. */
static size_t segment(uint32_t seq, size_t size, uint8_t flags, uint16_t window)
{
	struct tcphdr tcp = {
		.th_sport = htons(80),
		.th_dport = htons(5000),
		.th_seq = htonl(seq),
		.th_ack = htonl(99),
		.th_off = 5,
		.th_flags = flags,
		.th_win = htons(window),
	};
	static uint8_t payload[NET_FRAME_MAX];

	memcpy(payload, &tcp, sizeof(tcp));
	memcpy(payload + sizeof(tcp), netcard_pattern + (seq & 0xFFFF), size);
	return netcard_ip(frame, IPPROTO_TCP, nc.host, payload, sizeof(tcp) + size);
}

static bool add(uint32_t seq, size_t size, uint8_t flags)
{
	return slirp_merge_add(&merge, frame, segment(seq, size, flags, 1000));
}

static int setup_merge(void **state)
{
	memset(&merge, 0, sizeof(merge));
	return netcard_setup(state);
}

static void segments_become_one_packet(void **state)
{
	struct tcphdr tcp;
	struct ip ip;

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		assert_true(add(i * 1000, i < 4 ? 1000 : 77, i < 4 ? TH_ACK : TH_ACK | TH_PUSH));
	slirp_merge_finish(&merge, &head.hdr);
	assert_int_equal(merge.size, IP_AT + 40 + 4077);
	assert_int_equal(head.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(head.hdr.gso_size, 1000);
	assert_int_equal(head.hdr.hdr_len, IP_AT + 40);
	assert_int_equal(head.hdr.csum_offset, 16);
	assert_true(netcard_sums_hold(&head, merge.frame, merge.size));
	assert_memory_equal(merge.frame + IP_AT + 40, netcard_pattern, 4077);
	memcpy(&ip, merge.frame + IP_AT, sizeof(ip));
	memcpy(&tcp, merge.frame + IP_AT + 20, sizeof(tcp));
	assert_int_equal(ntohs(ip.ip_len), 4117);
	assert_int_equal(tcp.th_flags, TH_ACK | TH_PUSH);
	assert_int_equal(ntohl(tcp.th_seq), 0);
}

static void single_segment_stays_as_it_is(void **state)
{
	(void)state;
	assert_true(add(5, 100, TH_ACK));
	slirp_merge_finish(&merge, &head.hdr);
	assert_int_equal(head.hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	assert_int_equal(head.hdr.gso_type, 0);
	assert_memory_equal(merge.frame, frame, merge.size);
}

static void only_what_belongs_together_is_merged(void **state)
{
	static const struct {
		uint32_t seq;
		size_t size;
		uint8_t flags;
		bool merged;
	} next[] = {
		{ 1000, 1000, TH_ACK, true },
		{ 1000, 1, TH_ACK | TH_PUSH, true },
		{ 1001, 1000, TH_ACK, false },
		{ 999, 1000, TH_ACK, false },
		{ 0, 1000, TH_ACK, false },
		{ 1000, 1001, TH_ACK, false },
		{ 1000, 0, TH_ACK, false },
		{ 1000, 1000, TH_ACK | TH_FIN, false },
		{ 1000, 1000, TH_ACK | TH_RST, false },
		{ 1000, 1000, TH_ACK | TH_URG, false },
		{ 1000, 1000, TH_SYN, false },
		{ 1000, 1000, 0, false },
	};
	/* A byte of the frame that makes it another stream's, or something else. */
	static const unsigned int bytes[] = { 0,  6,  12,         13,      14,      15,
					      20, 21, 22,         23,      26,      30,
					      34, 36, 34 + 8 + 3, 34 + 12, 34 + 14, IP_AT + 3 };

	(void)state;
	for (size_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		merge.size = 0;
		assert_true(add(0, 1000, TH_ACK));
		if (add(next[i].seq, next[i].size, next[i].flags) != next[i].merged)
			fail_msg("case %zu", i);
	}
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		size_t size;

		merge.size = 0;
		assert_true(add(0, 1000, TH_ACK));
		size = segment(1000, 1000, TH_ACK, 1000);
		frame[bytes[i]] ^= 0x20;
		if (slirp_merge_add(&merge, frame, size))
			fail_msg("byte %u", bytes[i]);
	}
	/* A short one and one with PSH are the last. */
	merge.size = 0;
	assert_true(add(0, 1000, TH_ACK));
	assert_true(add(1000, 500, TH_ACK));
	assert_false(add(1500, 500, TH_ACK));
	merge.size = 0;
	assert_true(add(0, 1000, TH_ACK | TH_PUSH));
	assert_false(add(1000, 1000, TH_ACK));
}

static void merged_packet_stays_an_ip_packet(void **state)
{
	uint32_t at = 0;

	(void)state;
	while (add(at, 8960, TH_ACK))
		at += 8960;
	assert_int_equal(at, 7 * 8960);
	slirp_merge_finish(&merge, &head.hdr);
	assert_true(netcard_sums_hold(&head, merge.frame, merge.size));
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, netcard_setup, netcard_teardown)
#define MERGE(name) cmocka_unit_test_setup_teardown(name, setup_merge, netcard_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(host_answers_pings),
		TEST(dhcp_gives_an_address),
		TEST(another_network_has_other_addresses),
		TEST(card_sends_with_its_own_checksums),
		TEST(card_leaves_checksums_to_us),
		TEST(card_sends_packets_to_be_segmented),
		TEST(host_sends_segments_in_one),
		TEST(host_sends_single_segments_without_the_feature),
		TEST(mtu_is_used),
		TEST(end_of_a_connection_is_passed_on),
		TEST(nobody_listening_is_a_reset),
		TEST(many_connections_come_and_go),
		TEST(sockets_of_a_card_are_limited),
		TEST(a_peer_that_went_is_no_signal),
		TEST(ssh_reaches_port_22_of_the_card),
		TEST(ssh_takes_the_next_free_port),
		TEST(a_port_that_was_asked_for_is_a_must),
		TEST(ssh_can_be_left_out),
		TEST(ports_are_forwarded),
		TEST(words_are_checked),
		TEST(restricted_card_reaches_nothing),
		TEST(only_sound_packets_reach_libslirp),
		TEST(host_is_not_read_for_a_card_without_buffers),
		TEST(a_starved_card_costs_no_time),
		TEST(a_new_driver_goes_on),
		TEST(removal_with_connections_is_clean),
		TEST(nothing_wakes_a_quiet_network),
		TEST(fragments_in_any_order_become_a_packet),
		TEST(fragments_that_do_not_fit_are_given_up),
		TEST(only_so_many_packets_are_collected),
		MERGE(segments_become_one_packet),
		MERGE(single_segment_stays_as_it_is),
		MERGE(only_what_belongs_together_is_merged),
		MERGE(merged_packet_stays_an_ip_packet),
	};

	return cmocka_run_group_tests_name("net_slirp", tests, NULL, NULL);
}
