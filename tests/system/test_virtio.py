# SPDX-License-Identifier: BSD-3-Clause
"""The devices that the host lends a card, as a user of the card sees them: the real card OS, model, x100d and x100."""

import hashlib
import os
import re
import subprocess
import time

import pytest
from card import BOOT, Daemon, Model, Namespace, net_server, served, values

MIB = 1 << 20
CPUS = ("--cores", "2", "--threads", "1")
HOST = "10.0.2.2"  # slirp's name for the host


@pytest.fixture(name="card", scope="module")
def fixture_card():
    """A card that runs, shared by tests that leave it as they found it."""
    with served(*CPUS) as card:
        card.login()
        yield card


def disk_file(path, size):
    with open(path, "wb") as disk:
        disk.truncate(size)
    return path


# ---------------------------------------------------------------- console


def test_login_on_the_virtio_console(card):
    assert card.run("tty").strip() == "/dev/hvc0"
    assert card.run("cat /sys/class/tty/hvc0/dev").strip() == "229:0"


def test_the_serial_line_stays_available(card):
    line = card.model.line()
    line.send("\n")
    line.expect("login: ", timeout=BOOT)


def test_every_device_sits_on_the_mic_bus(card):
    names = card.run("ls /sys/bus/mic/devices").split()
    aliases = [card.run(f"cat /sys/bus/mic/devices/{name}/modalias").strip() for name in names]
    for virtio_type in (1, 2, 3, 4):
        assert f"mbus:d00000004v{virtio_type:08X}" in aliases
    assert "mbus:d00000003vFFFFFFFF" in aliases, "the DMA device, for a driver to come"
    assert "virtio_mic" in card.run("ls /sys/bus/mic/drivers")


def test_a_large_output_arrives_whole(card):
    out = card.run("i=0; while [ $i -lt 2000 ]; do echo line $i abcdefghijklmnopqrstuvwxyz; i=$((i+1)); done")
    lines = [line for line in out.splitlines() if line.startswith("line ")]
    assert lines == [f"line {i} abcdefghijklmnopqrstuvwxyz" for i in range(2000)]


# ---------------------------------------------------------------- network


def test_the_card_has_an_address_and_reaches_the_host(card):
    assert card.address() == "10.0.2.15"
    assert "3 packets received" in card.run(f"ping -c 3 {HOST}")


@pytest.mark.parametrize("direction", ["send", "recv"])
def test_64_mib_of_tcp_arrive_unchanged(card, direction):
    card.address()
    with net_server() as port:
        got = values(card.run(f"x100-net {direction} {HOST} -p {port} -n 64M", timeout=BOOT))
    assert got["bytes"] == 64 * MIB


def test_the_network_announces_its_offloads_and_mtu(card):
    features = card.run("cat /sys/class/net/eth0/device/features").strip()
    for bit in (0, 1, 3, 5, 15, 16):  # CSUM, GUEST_CSUM, MTU, MAC, MRG_RXBUF, STATUS
        assert features[bit] == "1", f"feature {bit} of {features}"


def test_ssh_gives_a_shell(card):
    card.address()
    done = card.ssh("uname -m; cat /etc/hostname")
    assert (done.returncode, done.stdout.split()) == (0, ["x86_64", "x100"]), done.stderr


def test_two_cards_have_different_and_stable_mac_addresses():
    with Model() as first, Model() as second, Daemon({"mic0": first, "mic1": second}) as daemon:
        macs = {}
        for name in ("mic0", "mic1"):
            daemon[name].login()
            macs[name] = daemon[name].run("cat /sys/class/net/eth0/address").strip()
            assert int(macs[name][:2], 16) & 3 == 2, "locally administered, not multicast"
            daemon[name].run("dd if=/dev/vda of=/dev/null bs=1M count=16")
        assert macs["mic0"] != macs["mic1"]
        daemon["mic0"].x100("reset", "--wait")
        daemon["mic0"].login()
        assert daemon["mic0"].run("cat /sys/class/net/eth0/address").strip() == macs["mic0"]
        assert daemon["mic1"].run("echo still there").strip() == "still there"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a network namespace")
@pytest.mark.parametrize("mtu", [1500, 9000])
def test_tap_carries_64_mib_each_way(mtu):
    entries = [("boot", "manual"), ("console", "scrollback=64K"), ("net", f"tap,ifname=mic0,addr=172.31.1.254/24,mtu={mtu}")]
    with Namespace() as space, Model(*CPUS) as model, \
            Daemon({"mic0": (model, entries)}, prefix=space.prefix) as daemon:
        card = daemon["mic0"]
        card.login("--cmdline", "x100.ip=172.31.1.1/24,172.31.1.254")
        assert card.address() == "172.31.1.1"
        assert card.run("cat /sys/class/net/eth0/mtu").strip() == str(mtu)
        assert "3 packets received" in card.run("ping -c 3 172.31.1.254")
        with net_server(space.prefix) as port:
            for direction in ("send", "recv"):
                got = values(card.run(f"x100-net {direction} 172.31.1.254 -p {port} -n 64M", timeout=BOOT))
                assert got["bytes"] == 64 * MIB


# ---------------------------------------------------------------- disk


def test_the_disk_holds_what_the_image_holds(card):
    card.wait_mounted()
    assert card.run("cat /data/hello").strip()
    raw = card.run("dd if=/dev/vda bs=1M count=4 2>/dev/null | md5sum").split()[0]
    assert re.fullmatch("[0-9a-f]{32}", raw)


def test_256_mib_of_random_io_verify(tmp_path):
    """Random reads and writes over a disk, every read compared; then what the host's file holds; then mkfs and mount."""
    extra = disk_file(tmp_path / "extra.img", 64 * MIB)
    entries = [("console", "scrollback=64K"), ("disk", f"{extra}")]
    with served(*CPUS, entries=entries) as card:
        card.login()
        got = values(card.run("x100-io verify /dev/vda -s 64M -b 16K -q 32 -n 16384 -f 256", timeout=BOOT))
        assert got["bad"] == 0 and got["bytes"] >= 256 * MIB
        card.run("sync")
        on_card = card.run("md5sum /dev/vda", timeout=BOOT).split()[0]
        with open(extra, "rb") as disk:
            assert hashlib.md5(disk.read()).hexdigest() == on_card
        card.run("mkfs.ext2 -F /dev/vda && mkdir -p /mnt && mount -t ext4 /dev/vda /mnt", timeout=BOOT)
        card.run("dd if=/dev/urandom of=/mnt/file bs=1M count=8 && sync")
        want = card.run("md5sum /mnt/file").split()[0]
        # No goodbye: what was flushed has to be there after a reset.
        card.x100("reset", "--wait")
        card.login()
        card.run("mkdir -p /mnt; mount -t ext4 /dev/vda /mnt")
        assert card.run("md5sum /mnt/file").split()[0] == want


def test_a_read_only_disk_refuses_writes_and_a_disk_grows(card, tmp_path):
    disk = disk_file(tmp_path / "small.img", 8 * MIB)
    card.add("disk7", f"{disk}")
    card.run("until [ -b /dev/vdb ]; do usleep 20000; done")
    assert card.run("cat /sys/block/vdb/size").strip() == str(8 * MIB // 512)
    os.truncate(disk, 16 * MIB)
    card.x100("device", "rescan", "disk7")
    card.run(f"until [ $(cat /sys/block/vdb/size) = {16 * MIB // 512} ]; do usleep 20000; done")
    card.remove("disk7")
    card.run("until [ ! -b /dev/vdb ]; do usleep 20000; done")
    card.add("disk8", f"{disk},ro")
    card.run("until [ -b /dev/vdb ]; do usleep 20000; done")
    assert card.run("cat /sys/block/vdb/ro").strip() == "1"
    card.remove("disk8")


def test_a_disk_with_four_queues_and_one_with_a_long_ring(card, tmp_path):
    for name, options in (("disk5", "queues=4"), ("disk6", "entries=1024"), ("disk9", "entries=16")):
        disk = disk_file(tmp_path / f"{name}.img", 16 * MIB)
        card.add(name, f"{disk},{options}")
        card.run("until [ -b /dev/vdb ]; do usleep 20000; done")
        # As many queues as CPUs use, of those that are offered.
        assert len(card.run("ls /sys/block/vdb/mq").split()) == (2 if "queues" in options else 1)
        got = values(card.run("x100-io verify /dev/vdb -s 16M -b 4K -q 32 -n 8192", timeout=BOOT))
        assert got["bad"] == 0
        card.remove(name)
        card.run("until [ ! -b /dev/vdb ]; do usleep 20000; done")


def test_a_disk_over_nbd(card, tmp_path):
    sock = tmp_path / "nbd"
    with subprocess.Popen(["nbdkit", "-f", "-U", str(sock), "memory", "16M"]) as server:
        try:
            while not sock.exists():
                assert server.poll() is None
                time.sleep(0.01)
            card.add("disk4", f"nbd+unix:///?socket={sock}")
            card.run("until [ -b /dev/vdb ]; do usleep 20000; done")
            got = values(card.run("x100-io verify /dev/vdb -s 16M -b 4K -q 16 -n 4096", timeout=BOOT))
            assert got["bad"] == 0
            card.remove("disk4")
        finally:
            server.terminate()


# ---------------------------------------------------------------- old peers


@pytest.mark.parametrize("generation", ["C", "C2"])
def test_both_places_of_the_trailer(generation):
    with served(entries=[("generation", generation), ("console", "scrollback=64K"), ("rng", "yes")]) as card:
        card.login()
        assert card.run("dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c").strip() == "64"


def test_a_host_that_offers_only_what_linux_4_19_offered(tmp_path):
    disk = disk_file(tmp_path / "disk.img", 16 * MIB)
    entries = [("legacy-features", "yes"), ("console", "scrollback=64K"), ("net", "slirp,ssh=no"), ("disk", f"{disk}")]
    with served(entries=entries) as card:
        card.login()
        devices = card.devices()
        assert {name: device["offered"] for name, device in devices.items()} == \
            {"console": 0, "net0": 0x3C1, "disk0": 0x4}
        assert "3 packets received" in card.run(f"ping -c 3 {HOST}") if card.address() else False
        with net_server() as port:
            assert values(card.run(f"x100-net recv {HOST} -p {port} -n 4M", timeout=BOOT))["bytes"] == 4 * MIB
        assert values(card.run("x100-io verify /dev/vda -s 16M -q 8 -n 2048", timeout=BOOT))["bad"] == 0


# ---------------------------------------------------------------- coming and going


def test_devices_come_and_go_while_the_card_runs(card, tmp_path):
    disk = disk_file(tmp_path / "disk.img", MIB)
    for _ in range(3):
        card.add("disk3", f"{disk}")
        card.add("net1", "slirp,ssh=no")
        card.run("until [ -b /dev/vdb ] && [ -e /sys/class/net/eth1 ]; do usleep 20000; done")
        card.remove("disk3")
        card.remove("net1")
        card.run("until [ ! -e /dev/vdb ] && [ ! -e /sys/class/net/eth1 ]; do usleep 20000; done")
    assert card.run("dmesg | grep -ci 'oops\\|BUG:\\|warning:'", status=None).strip() == "0"


def test_a_daemon_killed_under_load_comes_back_and_nothing_flushed_is_lost(tmp_path):
    """SIGKILL while the disk is written and verified and TCP flows; the card notices nothing but a pause."""
    disk = disk_file(tmp_path / "disk.img", 32 * MIB)
    entries = [("boot", "manual"), ("console", "scrollback=256K"),
               ("net", "slirp,ssh=no"), ("disk", f"{disk}"), ("rng", "yes")]
    with served(*CPUS, entries=entries) as card:
        card.login()
        card.address()
        card.run("echo before-the-kill")
        with net_server() as port:
            io = card.start("x100-io verify /dev/vda -s 32M -b 16K -q 16 -n 12288 -f 64")
            card.start(f"x100-net send {HOST} -p {port} -n 4G -T 20")
            for _ in range(3):
                card.detach()
                time.sleep(0.7)
                card.daemon.kill()
                time.sleep(0.3)
                card.daemon.start()
                assert {d["state"] for d in card.wait_status(
                    lambda s: all(d["state"] == "live" for d in s["devices"]))["devices"]} == {"live"}
            assert values(io.wait())["bad"] == 0
        console = card.attach("--scrollback", str(256 << 10))
        console.expect("before-the-kill")
        console.close(force=True)
        # The network is usable again although its connections are gone with the daemon.
        with net_server() as port:
            assert values(card.run(f"x100-net recv {HOST} -p {port} -n 4M", timeout=BOOT))["bytes"] == 4 * MIB


def test_reboot_comes_back_and_poweroff_stays_off():
    entries = [("boot", "manual"), ("on-restart", "boot"), ("console", "scrollback=64K"), ("rng", "yes")]
    with served(entries=entries) as card:
        card.login()
        card.run("touch /tmp/was-here")
        card.console().send("reboot\n")
        card.console().expect("login: ", timeout=BOOT)
        card.detach()
        card.wait_state("running")
        child = card.attach("--scrollback", "0")
        child.send("\n")
        child.expect("login: ", timeout=BOOT)
        child.send("root\n")
        child.expect("# ")
        child.send("ls /tmp/was-here; poweroff\n")
        child.expect("No such file")
        card.wait_state("off")
        child.close(force=True)


# ---------------------------------------------------------------- what the card can reach, what idling costs


def test_the_card_reaches_no_host_memory_but_page_and_rings(card):
    """An access elsewhere is refused by the model and reads all ones."""
    before = card.model.counters()["pcie-dma-refused"]
    assert card.run("devmem 0x8000000000 32").strip().lower() == "0xffffffff"
    assert card.run("devmem 0x8740000000 32").strip().lower() == "0xffffffff"
    assert card.model.counters()["pcie-dma-refused"] >= before + 2


def test_an_idle_daemon_uses_no_processor_time(card):
    """Counted in clock ticks of the daemon over two seconds in which nothing is asked of it."""
    def ticks():
        with open(f"/proc/{card.daemon.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    card.run("sync")
    time.sleep(0.5)
    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 1


def test_two_cards_at_once_under_load(tmp_path):
    with Model() as first, Model() as second, Daemon({"mic0": first, "mic1": second}) as daemon, net_server() as port:
        jobs = []
        for name in ("mic0", "mic1"):
            card = daemon[name]
            card.login()
            card.address()
            disk = disk_file(tmp_path / f"{name}.img", 16 * MIB)
            card.add("disk1", f"{disk}")
            card.run("until [ -b /dev/vdb ]; do usleep 20000; done")
            jobs.append((card.start("x100-io verify /dev/vdb -s 16M -q 8 -n 4096"),
                         card.start(f"x100-net recv {HOST} -p {port} -n 8M")))
        for io, net in jobs:
            assert values(io.wait())["bad"] == 0
            assert values(net.wait())["bytes"] == 8 * MIB
