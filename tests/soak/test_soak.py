# SPDX-License-Identifier: BSD-3-Clause
"""What takes minutes: hundreds of boots, a whole card, cards side by side, devices that come and go."""

import os
import random
import signal
import threading
import time

import pytest
from card import BOOT, INITRD, KERNEL, Model, net_server, served, values

SEED = int(os.environ.get("X100_SOAK_SEED", "1"))


@pytest.mark.parametrize("cores, threads", [(1, 1), (1, 2), (2, 4)])
def test_two_hundred_boots(cores, threads):
    with Model("--cores", str(cores), "--threads", str(threads)) as card:
        for count in range(200):
            try:
                card.push()
            except AssertionError as error:
                pytest.fail(f"boot {count}: {error}\n{card.x100('log')}")
            card.x100("reset", "--wait")


def test_whole_card_of_61_cores_and_244_threads():
    with Model("--cores", "61", "--threads", "4", "--gddr", "16G", "--product", "7120P") as card:
        card.login()
        assert int(card.run("nproc")) == 244


def test_resets_at_random_moments_of_a_boot():
    moments = random.Random(SEED)
    with Model() as card:
        for _ in range(100):
            process = card.start_x100("push", KERNEL, "--initrd", INITRD, "--wait", "running")
            timer = threading.Timer(moments.uniform(0.0, 1.5), process.send_signal, [signal.SIGKILL])
            timer.start()
            process.communicate(timeout=180)
            timer.cancel()
            card.x100("reset", "--wait")
        card.push()


def test_four_cards_side_by_side():
    cards = [Model() for _ in range(4)]
    try:
        for card in cards:
            card.wait_for(card.socket)
        pushes = [card.start_x100("push", KERNEL, "--initrd", INITRD, "--wait", "running")
                  for card in cards]
        for push in pushes:
            out, err = push.communicate(timeout=180)
            assert push.returncode == 0, out + err
    finally:
        for card in cards:
            card.stop()


COMERS = {"disk5": ("{folder}/disk.img", "[ -b /dev/vdb ]"),
          "net5": ("slirp,ssh=no", "[ -e /sys/class/net/eth1 ]"),
          "rng5": ("yes", "[ $(ls /sys/bus/virtio/drivers/virtio_rng | grep -c virtio) = 2 ]"),
          "console": ("scrollback=64K", "[ -e /sys/bus/virtio/drivers/virtio_console/virtio* ]")}


@pytest.mark.parametrize("name", COMERS)
def test_one_hundred_hot_additions_and_removals(name, tmp_path):
    """Each device in turn while the card's shell, here on the serial line, looks on."""
    spec, there = COMERS[name]
    for file in ("disk.img", "first.img"):
        with open(tmp_path / file, "wb") as disk:
            disk.truncate(1 << 20)
    with served(entries=[("boot", "manual"), ("net", "slirp,ssh=no"), ("disk", f"{tmp_path}/first.img"), ("rng", "yes")]) as card:
        line = card.model.line()
        card.push()
        line.expect("login: ", timeout=BOOT)
        line.send("root\n")
        line.expect("# ")
        # The kernel's messages would stand in the middle of the shell's.
        card.model.run("dmesg -n 1")
        for _ in range(100):
            card.add(name, spec.format(folder=tmp_path))
            card.model.run(f"until {there}; do usleep 10000; done", status=0)
            card.remove(name)
            card.model.run(f"until ! {there}; do usleep 10000; done", status=0)
        assert card.model.run("dmesg | grep -ci 'oops\\|BUG:\\|warning:'").strip() == "0"


def test_a_daemon_killed_fifty_times_under_load(tmp_path):
    moments = random.Random(SEED)
    with open(tmp_path / "disk.img", "wb") as disk:
        disk.truncate(32 << 20)
    entries = [("boot", "manual"), ("console", "scrollback=256K"), ("net", "slirp,ssh=no"), ("disk", f"{tmp_path}/disk.img"),
               ("rng", "yes")]
    with served("--cores", "2", "--threads", "1", entries=entries) as card, net_server() as port:
        card.login()
        card.address()
        io = card.start("x100-io verify /dev/vda -s 32M -b 16K -q 16 -t 100 -f 64")
        for _ in range(50):
            card.start(f"x100-net send 10.0.2.2 -p {port} -n 4G -T 5")
            card.detach()
            time.sleep(moments.uniform(0.05, 1.5))
            card.daemon.kill()
            card.daemon.start()
            card.wait_status(lambda status: all(device["state"] == "live" for device in status["devices"]))
        assert values(io.wait(timeout=300))["bad"] == 0
