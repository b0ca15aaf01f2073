// SPDX-License-Identifier: BSD-3-Clause
/*
 * Under test: lib/tap.c with the kernel behind it, in a network namespace of this program's own. Faked: the
 * card with its driver and a small TCP (netcard.c). Skipped where no such namespace may be made.
 */
#include "netcard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAIN (F(MAC) | F(MTU) | F(MRG_RXBUF))
#define ALL                                                                                        \
	(PLAIN | F(CSUM) | F(GUEST_CSUM) | F(GUEST_TSO4) | F(GUEST_TSO6) | F(GUEST_ECN) |          \
	 F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_ECN) | F(STATUS))
#define IP_AT   ETHER_HDR_LEN
#define ADDRESS "tap,addr=10.9.0.1/24"

static bool alone; /* in a namespace of our own */
static uint8_t frame[NET_FRAME_MAX];
static struct virtio_net_hdr_mrg_rxbuf head;

static int setup(void **state)
{
	int ret = netcard_setup(state);

	nc.address = inet_addr("10.9.0.2");
	nc.host = inet_addr("10.9.0.1");
	nc.local = nc.host;
	return ret;
}

static void need_namespace(void)
{
	if (alone)
		return;
	print_message("no network namespace may be made here, or /dev/net/tun is out of reach\n");
	skip();
}

static void begin(const char *spec, uint32_t features)
{
	need_namespace();
	netcard_start(spec, features, 100, 2048);
	netcard_arp();
}

/* Of interface @name; the answer is in @r. */
static int query(const char *name, unsigned long request, struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;

	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", name);
	ret = ioctl(fd, request, r);
	close(fd);
	return ret;
}

static unsigned int flags_of(const char *name)
{
	struct ifreq r = { 0 };

	assert_int_equal(query(name, SIOCGIFFLAGS, &r), 0);
	return (unsigned short)r.ifr_flags;
}

static void set_flags(const char *name, unsigned int flags)
{
	struct ifreq r = { .ifr_flags = (short)flags };

	assert_int_equal(query(name, SIOCSIFFLAGS, &r), 0);
}

/* An interface that stays when it is closed. */
static int persistent(const char *name, int mode, int mtu)
{
	struct ifreq r = { .ifr_flags = (short)(mode | IFF_NO_PI | IFF_VNET_HDR) };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &r), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	r.ifr_mtu = mtu;
	assert_int_equal(query(name, SIOCSIFMTU, &r), 0);
	close(fd);
	return 0;
}

/* ------------------------------------------------------------------ the interface */

static void interface_is_made_for_the_card(void **state)
{
	struct ifreq r = { 0 };
	struct sockaddr_in in;

	(void)state;
	need_namespace();
	netcard_start("tap,addr=10.9.0.1/20,mtu=4000", ALL, 0, 0);
	assert_true(flags_of("mic0") & IFF_UP);
	assert_int_equal(query("mic0", SIOCGIFMTU, &r), 0);
	assert_int_equal(r.ifr_mtu, 4000);
	assert_int_equal(query("mic0", SIOCGIFADDR, &r), 0);
	memcpy(&in, &r.ifr_addr, sizeof(in));
	assert_int_equal(in.sin_addr.s_addr, inet_addr("10.9.0.1"));
	assert_int_equal(query("mic0", SIOCGIFNETMASK, &r), 0);
	memcpy(&in, &r.ifr_addr, sizeof(in));
	assert_int_equal(in.sin_addr.s_addr, inet_addr("255.255.240.0"));
	assert_int_equal(netcard_count("mtu"), 4000);
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	x100_net_class.close(nc.backend);
	nc.backend = NULL;
	assert_int_equal(if_nametoindex("mic0"), 0);
}

static void second_network_has_another_name(void **state)
{
	struct x100_why why;

	(void)state;
	need_namespace();
	assert_int_equal(x100_net_class.open(&nc.env, "net1", "tap", &why, &nc.backend), X100_OK);
	assert_true(if_nametoindex("mic0-net1"));
}

static void existing_interface_is_its_owners(void **state)
{
	struct x100_why why;
	struct ifreq r = { 0 };

	(void)state;
	need_namespace();
	persistent("tap7", IFF_TAP, 1400);
	assert_int_equal(netcard_try("tap,ifname=tap7", &why), X100_OK);
	assert_int_equal(netcard_count("mtu"), 1400);
	assert_false(flags_of("tap7") & IFF_UP);
	assert_int_equal(query("tap7", SIOCGIFMTU, &r), 0);
	assert_int_equal(r.ifr_mtu, 1400);
}

static void what_is_no_tap_is_refused(void **state)
{
	static const char *const specs[] = { "tap,ifname=lo", "tap,ifname=tun8" };
	struct x100_why why;

	(void)state;
	need_namespace();
	persistent("tun8", IFF_TUN, 1400);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(netcard_try(specs[i], &why), X100_ERR_SYSTEM);
		assert_non_null(strstr(why.text, "no TAP"));
	}
}

static void privileges_are_asked_for_by_name(void **state)
{
	struct x100_why why;
	int ret;

	(void)state;
	need_namespace();
	if (seteuid(65534))
		skip();
	ret = netcard_try("tap", &why);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(ret, X100_ERR_PERMISSION);
	assert_non_null(strstr(why.text, "slirp"));
}

static void words_are_checked(void **state)
{
	static const char *const bad[] = {
		"tap,ifname=",      "tap,ifname=sixteen-letters-", "tap,ifname=a/b",
		"tap,ifname=mic%d", "tap,addr=10.0.0.1",           "tap,addr=10.0.0.1/33",
		"tap,ssh=22",
	};
	struct x100_why why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (x100_backend_check("net", bad[i], &why) != X100_ERR_ARGUMENT)
			fail_msg("%s", bad[i]);
	assert_int_equal(
		x100_backend_check("net", "tap,ifname=x,addr=1.2.3.4/8,mtu=9000,entries=256", &why),
		X100_OK);
	need_namespace();
	nc.env.card_name = "a-card-with-a-name";
	assert_int_equal(netcard_try("tap", &why), X100_ERR_ARGUMENT);
	assert_non_null(strstr(why.text, "ifname"));
}

/* ------------------------------------------------------------------ packets */

static void kernel_answers_pings(void **state)
{
	static const uint32_t features[] = { 0, PLAIN, ALL };
	struct icmp ping = { .icmp_type = ICMP_ECHO, .icmp_id = 77, .icmp_seq = 5 }, pong;

	(void)state;
	begin(ADDRESS, ALL);
	ping.icmp_cksum = (uint16_t) ~(ICMP_ECHO + 77 + 5);
	for (size_t i = 0; i < 3; i++) {
		netcard_probe(features[i], 100, 2048);
		netcard_send(NULL, frame,
			     netcard_ip(frame, IPPROTO_ICMP, nc.host, &ping, sizeof(ping)));
		netcard_wait_ip(IPPROTO_ICMP, &head, frame);
		memcpy(&pong, frame + IP_AT + 20, sizeof(pong));
		assert_int_equal(pong.icmp_type, ICMP_ECHOREPLY);
		assert_int_equal(pong.icmp_id, 77);
	}
}

static void works_without_a_mapping(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	need_namespace();
	x100_vpage_free(vcard.page);
	vcard.page = NULL;
	x100_close(vcard.card);
	fake.mappable = false;
	vcard.card = fake_open();
	vcard_new_page(&vcard.params);
	begin(ADDRESS, ALL);
	fd = netcard_connected(&t);
	netcard_tcp_send(&t, TH_ACK, netcard_pattern, 30000, 1460);
	assert_int_equal(netcard_read(fd, netcard_data, 30000), 30000);
	assert_memory_equal(netcard_data, netcard_pattern, 30000);
	close(fd);
}

static void card_sends_packets_to_be_segmented(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin(ADDRESS, ALL);
	fd = netcard_connected(&t);
	for (size_t size = 1; size <= 60001; size += 10000) {
		netcard_tcp_send(&t, TH_ACK, netcard_pattern, size, 1460);
		assert_int_equal(netcard_read(fd, netcard_data, size), size);
		assert_memory_equal(netcard_data, netcard_pattern, size);
	}
	assert_int_equal(netcard_count("dropped.host_refused"), 0);
	close(fd);
}

static void host_leaves_segmentation_to_the_card(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin(ADDRESS, ALL);
	fd = netcard_connected(&t);
	netcard_host_sends(&t, fd, 500000);
	assert_true(t.gso);
	assert_true(t.largest > 1460);
	close(fd);
}

static void host_segments_without_the_features(void **state)
{
	struct netcard_tcp t;
	int fd;

	(void)state;
	begin(ADDRESS, PLAIN);
	fd = netcard_connected(&t);
	netcard_host_sends(&t, fd, 100000);
	assert_int_equal(t.gso, 0);
	assert_true(t.largest <= 1460);
	close(fd);
}

static void old_headers_work_with_offloads(void **state)
{
	const struct x100_vpage_params params = { .generation = X100_GEN_C2,
						  .legacy_features = true };
	struct netcard_tcp t;
	int fd;

	(void)state;
	need_namespace();
	vcard_new_page(&params);
	nc.env.legacy_features = true;
	/* As the old driver: six buffers that hold anything. */
	netcard_start(ADDRESS, 0x3C1, 6, 10 + NET_FRAME_MAX);
	memcpy(nc.mac, "\x02\x01\x02\x03\x04\x05", 6);
	netcard_arp();
	fd = netcard_connected(&t);
	netcard_host_sends(&t, fd, 300000);
	assert_true(t.gso);
	netcard_tcp_send(&t, TH_ACK, netcard_pattern, 50000, 1460);
	assert_int_equal(netcard_read(fd, netcard_data, 50000), 50000);
	close(fd);
}

/* A datagram from the host to the card, with a number in it. */
static void datagram(int fd, uint32_t number)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(7),
				  .sin_addr.s_addr = nc.address };

	assert_int_equal(sendto(fd, &number, 4, 0, (struct sockaddr *)&in, sizeof(in)), 4);
}

static uint32_t take_datagram(void)
{
	uint32_t number;

	netcard_wait_ip(IPPROTO_UDP, &head, frame);
	memcpy(&number, frame + IP_AT + 28, 4);
	return number;
}

static void kernel_keeps_packets_for_a_card_without_buffers(void **state)
{
	uint64_t before;
	uint16_t port;
	int fd;

	(void)state;
	need_namespace();
	netcard_start(ADDRESS, ALL, 3, 2048);
	netcard_arp();
	fd = netcard_bound(SOCK_DGRAM, &port);
	datagram(fd, 1000);
	assert_int_equal(take_datagram(), 1000);
	before = netcard_count("host_to_card.packets");
	for (uint32_t i = 0; i < 100; i++)
		datagram(fd, i);
	for (int i = 0; i < 20; i++)
		vcard_turn();
	/* Three found a buffer, one more was read, the others are the kernel's. */
	assert_true(netcard_count("host_to_card.packets") <= before + 3);
	assert_true(((struct net *)nc.backend)->starved);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(take_datagram(), i);
	close(fd);
}

static void old_packets_are_not_for_a_new_driver(void **state)
{
	uint16_t port;
	size_t size;
	int fd;

	(void)state;
	need_namespace();
	netcard_start(ADDRESS, ALL, 1, 2048);
	netcard_arp();
	fd = netcard_bound(SOCK_DGRAM, &port);
	datagram(fd, 1000);
	assert_int_equal(take_datagram(), 1000);
	for (uint32_t i = 0; i < 50; i++)
		datagram(fd, i);
	vcard_turn();
	netcard_probe(PLAIN & ~F(MRG_RXBUF), 50, 2048);
	for (int i = 0; i < 20; i++) {
		while (netcard_take(&head, frame, &size))
			assert_false(frame[12] == 8 && !frame[13] && frame[23] == IPPROTO_UDP);
		vcard_turn();
	}
	netcard_arp();
	datagram(fd, 2000);
	assert_int_equal(take_datagram(), 2000);
	close(fd);
}

static void what_the_kernel_refuses_is_counted(void **state)
{
	(void)state;
	begin(ADDRESS, ALL);
	set_flags("mic0", 0);
	memset(frame, 0, 100);
	netcard_send(NULL, frame, 100);
	assert_int_equal(netcard_count("dropped.host_refused"), 1);
}

static void kernel_answers_with_the_same_interrupt(void **state)
{
	struct icmp ping = { .icmp_type = ICMP_ECHO, .icmp_id = 77, .icmp_seq = 5 };

	(void)state;
	begin(ADDRESS, ALL);
	ping.icmp_cksum = (uint16_t) ~(ICMP_ECHO + 77 + 5);
	memset(fake.rung, 0, sizeof(fake.rung));
	netcard_send(NULL, frame, netcard_ip(frame, IPPROTO_ICMP, nc.host, &ping, sizeof(ping)));
	assert_int_equal(fake.rung[nc.drv.h2c_db], 1);
	netcard_wait_ip(IPPROTO_ICMP, &head, frame);
	assert_int_equal(fake.rung[nc.drv.h2c_db], 1);
}

static void deleted_interface_is_survived(void **state)
{
	struct x100_why why;
	unsigned int lines;

	(void)state;
	begin(ADDRESS, ALL);
	if (system("ip link delete mic0"))
		skip();
	x100_loop_turn(vcard.loop, 10);
	lines = nc.log_lines;
	assert_true(lines > 0);
	memset(frame, 0, 100);
	for (int i = 0; i < 10; i++)
		netcard_send(NULL, frame, 100);
	assert_int_equal(nc.log_lines, lines);
	assert_int_equal(netcard_count("dropped.host_refused"), 10);
	assert_int_equal(x100_net_class.rescan(nc.backend, &why), X100_OK);
	assert_false(((struct net *)nc.backend)->link);
}

/* ------------------------------------------------------------------ links */

/* The kernel changes it from a work item. */
static void wait_carrier(bool on)
{
	for (int i = 0; i < 500 && !(flags_of("mic0") & IFF_RUNNING) == on; i++)
		usleep(10000);
	assert_int_equal(!!(flags_of("mic0") & IFF_RUNNING), on);
}

static void carrier_is_the_driver(void **state)
{
	struct x100_why why;

	(void)state;
	need_namespace();
	assert_int_equal(netcard_try(ADDRESS, &why), X100_OK);
	wait_carrier(false);
	vcard_boot();
	netcard_probe(ALL, 100, 2048);
	wait_carrier(true);
	vcard_reset(&nc.drv);
	wait_carrier(false);
}

static void card_sees_whether_the_interface_is_up(void **state)
{
	struct x100_why why;
	uint16_t status;

	(void)state;
	begin(ADDRESS, ALL);
	memcpy(&status, nc.drv.desc + x100_vdev_config((void *)nc.drv.desc) + 6, 2);
	assert_int_equal(status, VIRTIO_NET_S_LINK_UP);
	set_flags("mic0", 0);
	assert_int_equal(x100_net_class.rescan(nc.backend, &why), X100_OK);
	vcard_turn();
	memcpy(&status, nc.drv.desc + x100_vdev_config((void *)nc.drv.desc) + 6, 2);
	assert_int_equal(status, 0);
	set_flags("mic0", IFF_UP);
	assert_int_equal(x100_net_class.rescan(nc.backend, &why), X100_OK);
	netcard_arp();
}

static void enter_namespace(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return;
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	alone = fd >= 0;
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, netcard_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(interface_is_made_for_the_card),
		TEST(second_network_has_another_name),
		TEST(existing_interface_is_its_owners),
		TEST(what_is_no_tap_is_refused),
		TEST(privileges_are_asked_for_by_name),
		TEST(words_are_checked),
		TEST(kernel_answers_pings),
		TEST(works_without_a_mapping),
		TEST(card_sends_packets_to_be_segmented),
		TEST(host_leaves_segmentation_to_the_card),
		TEST(host_segments_without_the_features),
		TEST(old_headers_work_with_offloads),
		TEST(kernel_keeps_packets_for_a_card_without_buffers),
		TEST(old_packets_are_not_for_a_new_driver),
		TEST(what_the_kernel_refuses_is_counted),
		TEST(kernel_answers_with_the_same_interrupt),
		TEST(deleted_interface_is_survived),
		TEST(carrier_is_the_driver),
		TEST(card_sees_whether_the_interface_is_up),
	};

	enter_namespace();
	return cmocka_run_group_tests_name("net_tap", tests, NULL, NULL);
}
