# SPDX-License-Identifier: BSD-3-Clause
"""x100d against a card that breaks the rules, one kind each. Real: x100d and x100. Faked: the card.

What has to hold each time: the device concerned is stopped with the right reason, or the request is answered
with an error; the other devices go on; the daemon lives; a reset by the card's driver brings the device back.
"""

import os
import struct
import threading
import time

import pytest

from fake_card import DESC_INDIRECT, DESC_NEXT, DESC_WRITE, DRIVER_OK, Device

MIB = 1 << 20


def eventually(test, timeout=5.0):
    """Waits until test() is true."""
    end = time.monotonic() + timeout
    while not test():
        assert time.monotonic() < end, f"not within {timeout} s"
        time.sleep(0.01)


def recover(served, device, name):
    """A new probe of the faulted device works, and so do the others."""
    device.probe()
    eventually(lambda: served.info(name)["state"] == "live")
    served.disk_works(device)
    served.others_work(but=name)


# ---------------------------------------------------------------- chains: one request on the first disk each


def chain_head_outside(ring, _card):
    ring.offer(ring.num)


def chain_head_far_outside(ring, _card):
    ring.offer(0xFFFF)


def chain_next_outside(ring, card):
    ring.describe(0, card.allocate(16), 16, DESC_NEXT, ring.num)
    ring.offer(0)


def chain_to_itself(ring, card):
    ring.describe(0, card.allocate(16), 16, DESC_NEXT, 0)
    ring.offer(0)


def chain_of_two_in_a_circle(ring, card):
    ring.describe(0, card.allocate(16), 16, DESC_NEXT, 1)
    ring.describe(1, card.allocate(16), 16, DESC_NEXT, 0)
    ring.offer(0)


def chain_indirect(ring, card):
    ring.describe(0, card.allocate(64), 48, DESC_INDIRECT)
    ring.offer(0)


def chain_indirect_behind_direct(ring, card):
    ring.describe(0, card.allocate(16), 16, DESC_NEXT, 1)
    ring.describe(1, card.allocate(64), 48, DESC_INDIRECT)
    ring.offer(0)


def chain_indirect_writable(ring, card):
    ring.describe(0, card.allocate(64), 48, DESC_INDIRECT | DESC_WRITE)
    ring.offer(0)


def chain_readable_behind_writable(ring, card):
    ring.add([(card.allocate(16), 16, False), (card.allocate(512), 512, True), (card.allocate(512), 512, False)])


def chain_empty_descriptor(ring, card):
    ring.add([(card.allocate(16), 16, False), (card.allocate(512), 0, True), (card.allocate(1), 1, True)])


def buffer_above_memory(ring, card):
    ring.add([(card.gddr, 16, False), (card.allocate(1), 1, True)])


def buffer_across_the_end_of_memory(ring, card):
    ring.add([(card.gddr - 8, 16, False), (card.allocate(1), 1, True)])


def buffer_wraps_around(ring, card):
    ring.add([((1 << 64) - 8, 16, False), (card.allocate(1), 1, True)])


def buffer_of_4_gib(ring, card):
    ring.add([(card.allocate(16), 16, False), (card.allocate(512), 0xFFFFFFFF, True), (card.allocate(1), 1, True)])


def buffer_in_host_memory(ring, card):
    ring.add([(ring.ring_at, 16, False), (card.allocate(1), 1, True)])


def buffer_in_registers(ring, card):
    ring.add([(0x08007C0000, 16, False), (card.allocate(1), 1, True)])


def buffer_with_the_top_bit(ring, card):
    ring.add([(1 << 63, 16, False), (card.allocate(1), 1, True)])


def chain_of_more_than_the_device_takes(ring, card):
    ring.add([(card.allocate(16), 16, False)] + [(0, 16 * MIB, True)] * 100 + [(card.allocate(1), 1, True)])


def avail_jumps(ring, _card):
    ring.offer(0, idx=ring.num + 1)


def avail_runs_backwards(ring, _card):
    ring.offer(0, idx=0xFFFF)


CHAINS = {chain_head_outside: "HEAD", chain_head_far_outside: "HEAD", chain_next_outside: "NEXT",
          chain_to_itself: "LOOP", chain_of_two_in_a_circle: "LOOP", chain_indirect: "INDIRECT",
          chain_indirect_behind_direct: "INDIRECT", chain_indirect_writable: "INDIRECT",
          chain_readable_behind_writable: "ORDER", chain_empty_descriptor: "EMPTY", buffer_above_memory: "ADDRESS",
          buffer_across_the_end_of_memory: "ADDRESS", buffer_wraps_around: "ADDRESS", buffer_of_4_gib: "ADDRESS",
          buffer_in_host_memory: "ADDRESS", buffer_in_registers: "ADDRESS", buffer_with_the_top_bit: "ADDRESS",
          chain_of_more_than_the_device_takes: "TOO_LONG", avail_jumps: "AVAIL_JUMP",
          avail_runs_backwards: "AVAIL_JUMP"}


@pytest.mark.parametrize("deed", CHAINS, ids=lambda deed: deed.__name__)
def test_a_broken_chain_stops_the_device(served, deed):
    deed(served.disk.queues[0], served.card)
    served.disk.kick()
    served.wait_fault("disk0", CHAINS[deed])
    served.others_work(but="disk0")
    recover(served, served.disk, "disk0")


@pytest.mark.parametrize("deed", [chain_to_itself, buffer_above_memory, avail_jumps], ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("name", ["console", "net0", "rng0"])
def test_a_broken_chain_stops_every_kind_of_device(served, name, deed):
    device = {"console": served.console, "net0": served.net, "rng0": served.rng}[name]
    ring = device.queues[min(1, device.num_vq - 1)]
    deed(ring, served.card)
    device.kick()
    served.wait_fault(name, CHAINS[deed])
    served.others_work(but=name)


# ---------------------------------------------------------------- used rings, doorbells, features


@pytest.mark.parametrize("address", [lambda c: c.gddr, lambda c: c.gddr - 512, lambda c: (1 << 64) - 64,
                                     lambda c: 0x8000001, lambda c: 0x8000002000, lambda c: 0x08007C0000],
                         ids=["above", "across the end", "wraps", "unaligned", "host memory", "registers"])
def test_a_used_ring_that_is_not_in_card_memory_is_refused(served, address):
    where = address(served.card)
    served.disk.probe(live=False)
    served.card.host_write(served.disk.queues[0].config_at + 8, struct.pack("<Q", where))
    served.disk.set_byte(12, 1)
    served.disk.kick()
    served.wait_fault("disk0", "USED_ADDRESS")
    recover(served, served.disk, "disk0")


def test_a_used_ring_moved_while_the_device_runs_is_not_followed(served):
    served.card.host_write(served.disk.queues[0].config_at + 8, struct.pack("<Q", served.card.gddr))
    served.disk_works()


@pytest.mark.parametrize("number", [16, 100, 0x80, 0xFE])
def test_a_doorbell_that_does_not_exist_is_not_rung(served, number):
    served.disk.probe(live=False)
    served.disk.set_byte(14, number)
    before = dict(served.card.regs)
    served.disk.publish_used()
    served.disk.status(7)
    served.wait_fault("disk0", "DOORBELL")
    outside = {k: v for k, v in served.card.regs.items() if before.get(k) != v and 0x1A9D0 <= k < 0x1AB20}
    assert not outside, f"the host wrote registers {outside}"
    recover(served, served.disk, "disk0")


def test_a_config_doorbell_that_does_not_exist_is_not_rung(served):
    served.card.host_write(served.driver.page + 4, b"\x40")
    assert served.command("device", "rescan", "disk0").returncode == 0
    served.others_work(but=None)


@pytest.mark.parametrize("bits", [1 << 28, 0xFFFFFFFF, 1 << 31], ids=["indirect", "all", "top"])
def test_features_that_were_not_offered_are_refused(served, bits):
    served.disk.probe(live=False)
    served.disk.accept(bits)
    served.disk.publish_used()
    served.disk.status(7)
    served.wait_fault("disk0", "FEATURES")
    recover(served, served.disk, "disk0")


# ---------------------------------------------------------------- the page


OVERWRITES = {"type": (0, b"\x01"), "number of queues": (1, b"\xff"), "feature length": (2, b"\xff"),
              "config length": (3, b"\xff"), "all of the header": (0, b"\x7f\xff\xff\xff"),
              "deleted": (0, b"\xff"), "end of list": (0, b"\x00")}


@pytest.mark.parametrize("what", OVERWRITES)
def test_a_descriptor_overwritten_by_the_card_changes_nothing_for_the_host(served, what):
    offset, data = OVERWRITES[what]
    served.card.host_write(served.disk.at + offset, data)
    served.disk.kick()
    served.disk_works()
    served.others_work(but=None)


def test_ring_address_and_size_overwritten_by_the_card_change_nothing_for_the_host(served):
    at = served.disk.queues[0].config_at
    served.card.host_write(at, struct.pack("<Q", 0xFFFFFFFFFFFFFFFF))
    served.card.host_write(at + 16, b"\xff\xff")
    served.disk_works()


def test_a_magic_overwritten_by_the_card_changes_nothing_for_the_host(served):
    served.card.host_write(served.driver.page, b"\0\0\0\0")
    served.others_work(but=None)


def test_the_whole_page_overwritten_by_the_card_is_survived(served):
    served.card.host_write(served.driver.page, b"\xa5" * 4096)
    for doorbell in (0, 1, 2, 3):
        served.card.ring(doorbell)
    time.sleep(0.2)
    assert served.command("status", "--json").returncode == 0


def test_a_doorbell_to_the_host_overwritten_by_the_card_is_not_used(served):
    served.disk.card.host_write(served.disk.ctrl + 13, b"\x77")
    for doorbell in (0, 2, 3):
        served.card.ring(doorbell)
    assert served.command("status").returncode == 0


def test_an_acknowledgement_nobody_asked_for_is_ignored(served):
    served.disk.set_byte(10, 1)
    served.disk.kick()
    served.disk_works()


def test_a_config_change_written_by_the_card_is_ignored(served):
    for value in (1, 2, 3, 0xFF):
        served.disk.set_byte(8, value)
        served.disk.kick()
    served.disk_works()


def test_a_status_out_of_the_blue_starts_nothing(served):
    served.disk.status(0x55)
    served.disk.reset()
    served.disk.status(DRIVER_OK)
    served.disk.kick()
    assert not served.info("disk0")["chains"]
    recover(served, served.disk, "disk0")


def test_a_kick_before_the_driver_is_ready_does_nothing(served):
    served.disk.probe(live=False)
    ring = served.disk.queues[0]
    ring.add([(served.card.allocate(16), 16, False), (served.card.allocate(1), 1, True)])
    served.disk.kick()
    time.sleep(0.1)
    assert not ring.used()
    served.others_work(but="disk0")


# ---------------------------------------------------------------- storms and races


def test_a_storm_of_resets_is_survived(served):
    for _ in range(2000):
        served.disk.set_byte(11, 0)
        served.disk.set_byte(9, 1)
        served.disk.kick()
    served.others_work(but="disk0")
    recover(served, served.disk, "disk0")


def test_a_storm_of_doorbells_is_survived(served):
    for _ in range(5000):
        served.card.raise_causes(0xF)
    served.others_work(but=None)


def test_interrupts_of_causes_the_host_never_asked_for_are_ignored(served):
    for cause in range(32):
        served.card.raise_causes(1 << cause)
    served.others_work(but=None)


def test_an_unknown_word_with_the_shutdown_doorbell_is_survived(served):
    for word in (0x80000000, 0x8000DEAD ^ 0x5A5A, 0xFFFFFFFF, 0x80000063):
        served.card.ring(1, word)
    served.others_work(but=None)


def test_a_reset_while_requests_are_under_way_leaves_memory_alone(served):
    """Its used ring and its buffers, that is: devices with the same doorbell go on."""
    ring = served.disk.queues[0]
    regions = [(ring.used_at, 6 + 8 * ring.num)]
    for _ in range(16):
        header, data, status = served.card.allocate(16), served.card.allocate(65536), served.card.allocate(1)
        served.card.memory[header:header + 16] = bytes(16)
        ring.add([(header, 16, False), (data, 65536, True), (status, 1, True)])
        regions += [(header, 16), (data, 65536), (status, 1)]
    served.disk.kick()
    served.disk.reset()
    for at, size in regions:
        served.card.memory[at:at + size] = b"\x5a" * size
    time.sleep(0.2)
    for at, size in regions:
        assert served.card.memory[at:at + size] == b"\x5a" * size, f"the host wrote at 0x{at:x}"
    recover(served, served.disk, "disk0")


def test_a_descriptor_that_changes_all_the_time_never_gets_past_the_checks(served):
    """The check and the use see the same copy: either the request works or it is refused."""
    card, ring, ending = served.card, served.disk.queues[0], threading.Event()
    header, data, status = card.allocate(16), card.allocate(512), card.allocate(1)
    card.memory[header:header + 16] = bytes(16)

    def flip():
        while not ending.is_set():
            ring.describe(1, data, 512, DESC_NEXT | DESC_WRITE, 2)
            ring.describe(1, card.gddr - 256, 0x7FFFFFFF, DESC_NEXT | DESC_WRITE, 2)

    racer = threading.Thread(target=flip)
    racer.start()
    try:
        for _ in range(100):
            ring.describe(0, header, 16, DESC_NEXT, 1)
            ring.describe(2, status, 1, DESC_WRITE)
            ring.offer(0)
            served.disk.kick()
            end = time.monotonic() + 5
            while not ring.used() and served.disk.read_status() and time.monotonic() < end:
                if served.info("disk0")["state"] == "faulted":
                    break
            if served.info("disk0")["state"] == "faulted":
                served.disk.probe()
                ring = served.disk.queues[0]
    finally:
        ending.set()
        racer.join()
    recover(served, served.disk, "disk0")


def test_the_same_head_twice_is_two_requests_and_no_more(served):
    card, ring = served.card, served.disk.queues[0]
    header, data, status = card.allocate(16), card.allocate(512), card.allocate(1)
    card.memory[header:header + 16] = bytes(16)
    head = ring.add([(header, 16, False), (data, 512, True), (status, 1, True)])
    ring.offer(head)
    served.disk.kick()
    got = []
    card.wait(lambda: got.extend(ring.used()) or len(got) >= 2, 5, "two used elements")
    assert [h for h, _ in got] == [head, head]


def test_notification_words_full_of_garbage_are_survived(served):
    ring = served.disk.queues[0]
    served.card.host_write(ring.avail_at, b"\xff\xff")
    served.card.host_write(ring.avail_at + 4 + 2 * ring.num, b"\x5a\xa5")
    served.disk_works()


# ---------------------------------------------------------------- requests: sound chains, bad contents


def ask(served, device, header, parts, queue=0):
    """Sends one block request; returns the status byte, or None when there is no room for one."""
    card, ring = served.card, device.queues[queue]
    at = card.allocate(max(16, len(header)))
    card.memory[at:at + len(header)] = header
    ring.add([(at, len(header), False)] + parts)
    device.kick()
    ring.wait_used()
    last = parts[-1][0] + parts[-1][1] - 1
    return card.memory[last]


def header(kind, sector):
    return struct.pack("<IIQ", kind, 0, sector)


OK, IOERR, UNSUPP = 0, 1, 2
REQUESTS = {
    "a sector behind the end": (header(0, 2048), 512, True, IOERR),
    "sectors across the end": (header(0, 2047), 1024, True, IOERR),
    "a sector number that wraps": (header(0, (1 << 64) - 1), 512, True, IOERR),
    "a sector number whose bytes wrap": (header(0, 1 << 55), 512, True, IOERR),
    "half a sector": (header(0, 0), 100, True, IOERR),
    "an unknown type": (header(0x1234, 0), 512, True, UNSUPP),
    "a write of half a sector": (header(1, 0), 100, False, IOERR),
    "a write behind the end": (header(1, 4096), 512, False, IOERR),
    "a discard without a range": (header(11, 0), 8, False, UNSUPP),
}


@pytest.mark.parametrize("what", REQUESTS)
def test_a_bad_disk_request_gets_an_error(served, what):
    head, size, writable, want = REQUESTS[what]
    data, status = served.card.allocate(4096), served.card.allocate(1)
    served.card.memory[status] = 0xAA
    assert ask(served, served.disk, head, [(data, size, writable), (status, 1, True)]) == want
    served.disk_works()
    served.others_work(but=None)


def test_a_discard_of_more_than_the_disk_gets_an_error(served):
    data, status = served.card.allocate(16), served.card.allocate(1)
    for sector, count, flags in ((0, 0xFFFFFFFF, 0), ((1 << 64) - 1, 2, 0), (0, 1, 0xFFFFFFFE)):
        served.card.memory[data:data + 16] = struct.pack("<QII", sector, count, flags)
        assert ask(served, served.disk, header(11, 0), [(data, 16, False), (status, 1, True)]) in (IOERR, UNSUPP)
    served.disk_works()


def test_a_write_to_a_read_only_disk_gets_an_error(served):
    data, status = served.card.allocate(512), served.card.allocate(1)
    assert ask(served, served.ro, header(1, 0), [(data, 512, False), (status, 1, True)]) == IOERR


def test_a_disk_request_without_room_for_a_status_stops_the_disk(served):
    served.disk.queues[0].add([(served.card.allocate(16), 16, False)])
    served.disk.kick()
    served.wait_fault("disk0", "REQUEST")
    recover(served, served.disk, "disk0")


def test_a_disk_request_with_a_short_header_is_refused(served):
    card, ring = served.card, served.disk.queues[0]
    status = card.allocate(1)
    card.memory[status] = 0xAA
    ring.add([(card.allocate(8), 8, False), (status, 1, True)])
    served.disk.kick()
    eventually(lambda: card.memory[status] == IOERR or served.info("disk0")["fault"] == "REQUEST")


PACKETS = {
    "nothing but half a header": bytes(5),
    "nothing but a header": bytes(10),
    "a checksum behind the end": struct.pack("<BBHHHH", 1, 0, 0, 0, 60000, 60000) + bytes(60),
    "a checksum offset that wraps": struct.pack("<BBHHHH", 1, 0, 0, 0, 0xFFFF, 0xFFFF) + bytes(60),
    "segments of no bytes": struct.pack("<BBHHHH", 1, 1, 54, 0, 34, 16) + bytes(200),
    "a header longer than the packet": struct.pack("<BBHHHH", 1, 1, 0xFFFF, 1000, 34, 16) + bytes(200),
    "an unknown kind of segments": struct.pack("<BBHHHH", 1, 0x7F, 54, 1000, 34, 16) + bytes(200),
    "more than any packet": bytes(10) + bytes(70000),
    "a frame shorter than its header": bytes(10) + bytes(6),
}


@pytest.mark.parametrize("what", PACKETS)
def test_a_bad_packet_is_dropped(served, what):
    packet = PACKETS[what]
    at = served.card.allocate(len(packet))
    served.card.memory[at:at + len(packet)] = packet
    ring = served.net.queues[1]
    ring.add([(at, len(packet), False)])
    served.net.kick()
    ring.wait_used()
    served.others_work(but=None)
    assert served.info("net0")["state"] == "live"


def datagram(port):
    """A frame with a UDP datagram from that port of the card to the host."""
    udp = struct.pack(">HHHH", port, 9, 12, 0) + b"x100"
    head = struct.pack(">BBHHHBBH4B4B", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, 10, 0, 2, 15, 10, 0, 2, 2)
    words = sum(struct.unpack(">10H", head))
    checksum = ~(words + (words >> 16)) & 0xFFFF
    return bytes.fromhex("52550a0002025254001234560800") + head[:10] + struct.pack(">H", checksum) + head[12:] + udp


def test_datagrams_from_every_port_leave_the_daemon_descriptors(served):
    """libslirp opens a socket for each; the control socket and disks need some, too."""
    ring, card = served.net.queues[1], served.card
    at = card.allocate(128)
    for port in range(1024, 1024 + 1500):
        frame = bytes(10) + datagram(port)
        card.memory[at:at + len(frame)] = frame
        ring.add([(at, len(frame), False)])
        served.net.kick()
        ring.wait_used()
    assert 800 < len(os.listdir(f"/proc/{served.process.pid}/fd")) < 1200
    assert served.info("net0")["dropped"]["host_refused"] >= 400
    served.others_work(but=None)


def test_console_output_in_a_writable_buffer_harms_nothing(served):
    ring = served.console.queues[1]
    ring.add([(served.card.allocate(64), 64, True)])
    served.console.kick()
    eventually(lambda: ring.used() or served.info("console")["fault"] == "REQUEST")
    served.others_work(but="console")


def test_entropy_into_a_readable_buffer_harms_nothing(served):
    ring = served.rng.queues[0]
    ring.add([(served.card.allocate(64), 64, False)])
    served.rng.kick()
    eventually(lambda: ring.used() or served.info("rng0")["fault"] == "REQUEST")
    served.others_work(but="rng0")


# ---------------------------------------------------------------- what the card can reach


def test_only_the_page_and_the_rings_are_mapped_for_the_card(served):
    """All the card can reach of the host holds nothing but what the host means it to see."""
    with served.card.lock:
        views = [(bus, size, view[:]) for bus, size, view in served.card.maps]
    rings = sum(8192 * device.num_vq for device in served.all)
    assert sum(size for _, size, _ in views) <= 4096 + 2 * rings + (1 << 20)
    for bus, size, view in views:
        assert not served.card.reaches(0x8000000000 + bus + size, 1) or any(b == bus + size for b, _, _ in views)
        assert b"x100" not in view, "the daemon's own data in memory the card can read"


def test_a_device_removed_from_a_card_that_never_answers_is_gone_in_the_end(served):
    done = served.command("device", "remove", "disk1", timeout=60)
    assert done.returncode in (0, 5), done.stderr
    served.others_work(but=None)


def test_a_card_that_hangs_up_in_the_middle_is_waited_for(served):
    ring = served.disk.queues[0]
    ring.add([(served.card.allocate(16), 16, False), (served.card.allocate(512), 512, True),
              (served.card.allocate(1), 1, True)])
    served.disk.kick()
    served.card.hang_up()
    time.sleep(0.5)
    assert served.process.poll() is None
    assert served.command("list").returncode == 0


def test_a_device_that_looks_different_after_each_probe_is_still_served(served):
    """Nothing of an old probe is left: rings of another place, other features, other doorbells."""
    for doorbell, features in ((9, 0), (14, 1 << 29), (8, 0xFFFFFFFF & ~(1 << 29))):
        device = Device(served.card, served.driver.page, served.disk.at - served.driver.page, doorbell)
        device.probe(features & device.offered() & ~(1 << 29 if features != 1 << 29 else 0))
        if not features & 1 << 29:
            served.disk = device
            served.disk_works()
