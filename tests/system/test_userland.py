# SPDX-License-Identifier: BSD-3-Clause
"""The card's user space with devices that a daemon lends: address, disk, SSH, logins, shutdown."""

import os
import re
import subprocess

import pytest
from card import Shell, copy_disk, served


@pytest.fixture(name="card")
def fixture_card():
    """A card with the usual devices, logged in."""
    with served() as card:
        card.login()
        yield card


def entries(folder, *more):
    """What a card is lent here: a console, and what the test wants."""
    return [("boot", "manual"), ("on-restart", "leave"), ("on-crash", "leave"), ("console", "scrollback=256K"), *more]


def test_console_is_a_terminal_of_the_size_of_its_viewer(card):
    assert card.run("echo $TERM").strip() == "xterm"
    assert card.run("stty size").strip() == "24 80"
    card.console().setwinsize(40, 132)
    card.run('until [ "$(stty size)" = "40 132" ]; do usleep 50000; done')


def test_shell_ends_with_the_console_and_a_login_comes_back_with_it(card):
    shell = card.run("echo $$").strip()
    card.daemon.kill()
    card.daemon.start()
    assert card.run("echo $$").strip() == shell, "a daemon that comes back keeps the console"
    card.remove("console")
    line = card.model.line()
    line.send("\n")
    Shell(line).login()
    card.model.run(f"while [ -e /proc/{shell} ]; do usleep 50000; done", 0)
    card.add("console", "scrollback=64K")
    card.detach()
    Shell(card.console()).login()


def test_dhcp_gives_address_route_and_name_server(card):
    assert re.match(r"\d+\.\d+\.\d+\.\d+$", card.address())
    gateway = re.search(r"default via (\S+) dev eth0", card.run("ip route")).group(1)
    card.run(f"ping -c 1 -W 10 {gateway}")
    assert card.run("cat /etc/resolv.conf").startswith("nameserver ")


@pytest.mark.parametrize("words, address, route, server", [
    ("x100.ip=10.0.2.77/24,10.0.2.2,10.0.2.3", "10.0.2.77/24", "default via 10.0.2.2", "10.0.2.3"),
    ("x100.ip=10.0.2.78/25", "10.0.2.78/25", None, None),
    ("ifcfg=static;address,172.31.2.1;netmask,255.255.255.0", "172.31.2.1/24", None, None),
])
def test_address_from_the_command_line(tmp_path, words, address, route, server):
    with served(entries=entries(tmp_path, ("net", "slirp"))) as card:
        card.login("--cmdline", words)
        card.address()
        assert f"inet {address}" in card.run("ip -4 addr show eth0")
        assert card.run("ip route").startswith(route) if route else "default" not in card.run("ip route")
        assert (server in card.run("cat /etc/resolv.conf")) if server else not card.run("ls /etc/resolv.conf 2>&-", None)


def test_network_that_is_off_stays_off(tmp_path):
    with served(entries=entries(tmp_path, ("net", "slirp"))) as card:
        card.login("--cmdline", "x100.ip=off")
        card.run("until ls /sys/class/net/eth0; do usleep 50000; done; ! pidof udhcpc; ! pidof dropbear")
        assert "inet" not in card.run("ip -4 addr show eth0")


def test_interface_that_is_added_gets_an_address(tmp_path):
    with served(entries=entries(tmp_path)) as card:
        card.login()
        assert "eth0" not in card.run("ip link")
        card.add("net0", "slirp")
        card.address("eth0")
        card.remove("net0")
        card.run("while ls /sys/class/net/eth0 || pidof udhcpc; do usleep 50000; done")
        card.add("net0", "slirp")
        card.address("eth0")


def test_our_disk_is_mounted_and_read_back(card):
    card.wait_mounted()
    with open(os.path.join(os.path.dirname(__file__), "../../card-rootfs/disk/hello"), encoding="utf-8") as file:
        assert card.run("cat /data/hello") == file.read()
    assert 'LABEL="X100-DATA"' in card.run("blkid /dev/vda")


def test_a_disk_without_our_label_is_left_alone(tmp_path):
    disk = tmp_path / "other.img"
    disk.write_bytes(bytes(1 << 20))
    with served(entries=entries(tmp_path, ("disk", disk))) as card:
        card.login()
        card.run("until [ -b /dev/vda ]; do usleep 50000; done")
        # mdev takes one event after the other: what follows came after the disk's.
        card.add("disk1", copy_disk(tmp_path / "ours.img"))
        card.wait_mounted()
        assert "/dev/vdb /data ext4 rw" in card.run("cat /proc/mounts")


def test_a_damaged_disk_does_not_stop_the_boot(tmp_path):
    disk = copy_disk(tmp_path / "damaged.img")
    with open(disk, "r+b") as file:
        # The group descriptors, behind a superblock that is right.
        file.seek(4096)
        file.write(b"\xff" * 4096)
    with served(entries=entries(tmp_path, ("disk", disk))) as card:
        card.login()
        assert card.run("until [ -b /dev/vda ]; do usleep 50000; done; echo here").strip() == "here"


def test_disk_that_is_removed_is_unmounted(card):
    card.wait_mounted()
    card.remove("disk0")
    card.run("while mountpoint -q /data; do usleep 50000; done")


@pytest.mark.parametrize("command", ["poweroff", "reboot", "halt"])
def test_shutdown_unmounts_the_disk(card, command):
    card.wait_mounted()
    card.run("echo kept >/data/note")
    # Something that would keep the disk busy.
    card.start("sleep 1000 >/data/open")
    card.shut_down(command)
    disk = card.daemon.disks[card.device]
    card.daemon.end()
    path = os.environ["PATH"] + ":/sbin:/usr/sbin"
    heads = subprocess.run(["dumpe2fs", "-h", disk], capture_output=True, text=True, check=True, timeout=60,
                           env=dict(os.environ, PATH=path)).stdout
    assert "needs_recovery" not in heads
    assert subprocess.run(["debugfs", "-R", "cat /note", disk], capture_output=True, text=True, check=True, timeout=60,
                          env=dict(os.environ, PATH=path)).stdout == "kept\n"


# SSH

def test_ssh_runs_a_command_and_keeps_its_key_on_the_disk(card):
    card.wait_mounted()
    card.wait_ssh()
    done = card.ssh("uname -n; exit 5")
    assert (done.returncode, done.stdout) == (5, "x100\n"), done.stderr
    assert "dropbear_ed25519_host_key" in card.run("ls /data/dropbear")


def test_scp_copies_both_ways(card, tmp_path):
    card.wait_ssh()
    data = os.urandom(300_000)
    (tmp_path / "out").write_bytes(data)
    port = card.ssh_port()
    scp = ["scp", "-O", "-q", "-P", str(port), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no",
           "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    subprocess.run([*scp, tmp_path / "out", "root@127.0.0.1:/tmp/file"], check=True, timeout=60)
    subprocess.run([*scp, "root@127.0.0.1:/tmp/file", tmp_path / "back"], check=True, timeout=60)
    assert (tmp_path / "back").read_bytes() == data


def test_without_a_word_ssh_lets_in_keys_only(tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, timeout=60)
    disk = copy_disk(tmp_path / "disk.img")
    with served(entries=entries(tmp_path, ("net", "slirp"), ("disk", disk))) as card:
        card.login("--cmdline", "quiet")
        card.wait_mounted()
        card.wait_ssh()
        refused = card.ssh("true")
        assert refused.returncode == 255 and "Permission denied" in refused.stderr
        public = (tmp_path / "key.pub").read_text().strip()
        card.run(f"mkdir -p /data/root/.ssh && echo '{public}' >/data/root/.ssh/authorized_keys")
        # Keys of the disk are read at the start of the server.
        card.shut_down()
        card.login("--cmdline", "quiet")
        card.wait_mounted()
        card.wait_ssh()
        done = card.ssh("id -un", options=["-i", str(key), "-o", "IdentitiesOnly=yes"])
        assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr


def test_ssh_can_be_off(tmp_path):
    with served(entries=entries(tmp_path, ("net", "slirp"))) as card:
        card.login("--cmdline", "x100.ssh=off")
        card.address()
        card.run("until [ -d /run/sshd ]; do usleep 50000; done; ! pidof dropbear")
