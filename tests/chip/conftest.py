# SPDX-License-Identifier: BSD-3-Clause
"""Starts the emulator without running its CPUs (accelerator qtest): time stands until a test steps it,
registers are driven over the qtest socket as a card CPU would, and the host sits on the vfio-user socket.
Nothing is faked; what the local APICs got is read with the monitor's "info lapic"."""

import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "lib"))

from card_bus import CardBus  # noqa: E402
from qmp import Qmp  # noqa: E402
from vfio_user import Client, wait_until  # noqa: E402

QEMU = os.environ.get("X100_QEMU", str(TOP / "build" / "model" / "qemu-system-x86_64"))
START_TIMEOUT = 20

DBOX, SBOX, GBOX0 = 0x08007C0000, 0x08007D0000, 0x08007A0000
MS = 1000000


class Chip:
    """One emulator process. `options` are machine options beside socket and flash, `extra` more arguments."""

    def __init__(self, folder, cores=1, threads=2, wait=True, accel="qtest", extra=(), **options):
        self.folder = folder
        self.log = folder / "guest-errors.log"
        self.flash = folder / "flash.bin"
        if not self.flash.exists():
            self.flash.write_bytes(bytes(range(256)) * (2 << 20 >> 8))
        path = {name: str(folder / name) for name in ("card", "qtest", "qmp", "serial")}
        self.path = path
        options = {"gddr": "256M", "flash": str(self.flash), "socket": path["card"]} | options
        machine = "x100," + ",".join(
            f"{key.replace('_', '-')}={value}" for key, value in options.items() if value is not None
        )
        command = [QEMU, "-accel", accel, "-nodefaults", "-display", "none", "-M", machine]
        if os.environ.get("X100_TEST_CPU"):
            command += ["-cpu", os.environ["X100_TEST_CPU"]]
        command += ["-smp", f"{cores * threads},cores={cores},threads={threads}", "-qtest-log", "none"]
        command += ["-qtest", f"unix:{path['qtest']},server=on,wait=off"]
        command += ["-qmp", f"unix:{path['qmp']},server=on,wait=off"]
        command += ["-chardev", f"socket,id=line,path={path['serial']},server=on,wait=off", "-serial", "chardev:line"]
        command += ["-d", "guest_errors", "-D", str(self.log), *extra]
        self.output = open(folder / "qemu.out", "a+b")
        self.process = subprocess.Popen(command, stdout=self.output, stderr=self.output, stdin=subprocess.DEVNULL)
        self.closing = []
        if not wait:
            return
        wait_until(self._up, START_TIMEOUT, what="start of the model")
        self.bus = CardBus(path["qtest"])
        self.qmp = Qmp(path["qmp"])
        self.closing = [self.bus, self.qmp]

    def _up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the model ended at once: {self.text()}")
        return all(os.path.exists(path) for path in self.path.values())

    def text(self):
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def stop(self):
        for thing in self.closing:
            thing.close()
        self.process.terminate()
        try:
            self.process.wait(START_TIMEOUT)
        finally:
            self.process.kill()
            self.output.close()

    # The card's side

    def sbox(self, offset):
        return self.bus.read(SBOX + offset)

    def sbox_write(self, offset, value):
        self.bus.write(SBOX + offset, value & 0xFFFFFFFF)

    def dbox(self, offset):
        return self.bus.read(DBOX + offset)

    def dbox_write(self, offset, value):
        self.bus.write(DBOX + offset, value)

    def train(self):
        self.bus.write(GBOX0 + 0x720, 1)

    def step(self, ns):
        """Lets virtual time pass; timers that come due on the way run."""
        self.bus._ask(f"clock_step {int(ns)}")

    # The host's side

    def host(self, master=True):
        client = Client(self.path["card"])
        self.closing.insert(0, client)
        if master:
            client.bus_master()
        return client

    def serial(self):
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(5)
        line.connect(self.path["serial"])
        self.closing.insert(0, line)

        def accepted():
            lines = [c for c in self.qmp("query-chardev") if c["label"] == "line"]
            return "disconnected" not in lines[0]["filename"]

        wait_until(accepted, what="the model taking the connection")
        return line

    # What is inside

    def counter(self, name):
        return self.qmp("qom-get", path="/machine/chip", property="x100-counters")[name]

    def phase(self):
        return self.qmp("qom-get", path="/machine/chip", property="x100-phase")

    def pending(self, apic_id):
        """Vectors that the local APIC with this id holds in its IRR."""
        text = self.qmp("human-monitor-command", **{"command-line": f"info lapic {apic_id}"})
        line = re.search(r"^IRR\s+(.*)$", text, re.M).group(1)
        return [int(word) for word in re.findall(r"\d+", line)]

    def guest_errors(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


@pytest.fixture
def start(tmp_path):
    """Function that starts a model; all are stopped after the test."""
    chips = []

    def run(**arguments):
        folder = tmp_path / str(len(chips))
        folder.mkdir(exist_ok=True)
        chips.append(Chip(folder, **arguments))
        return chips[-1]

    yield run
    for chip in chips:
        chip.stop()


@pytest.fixture
def chip(start):
    return start()
