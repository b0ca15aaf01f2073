# SPDX-License-Identifier: BSD-3-Clause
"""Starts the real emulator for the tests of its PCIe side; the card's CPU runs a flash that only halts."""

import os
import pathlib
import signal
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "lib"))

from card_bus import CardBus  # noqa: E402
from qmp import Qmp  # noqa: E402
from vfio_user import Client, wait_until  # noqa: E402
from window import SMPT, Cpu, Memory, build_flash  # noqa: E402

QEMU = os.environ.get("X100_QEMU", str(TOP / "build" / "model" / "qemu-system-x86_64"))
FLASH_SIZE = 2 << 20
TRAIN_START, TRAIN_STATE = 0x08007A0720, 0x08007A0724  # include/x100/strap.h
START_TIMEOUT = 20


class Model:
    """One emulator process. `options` are machine options beside socket and flash."""

    def __init__(self, folder, socket=None, extra=(), wait=True, **options):
        self.folder = folder
        self.socket = str(socket or folder / "card.sock")
        self.qtest = str(folder / "qtest.sock")
        self.qmp = str(folder / "qmp.sock")
        self.log = folder / "guest-errors.log"
        flash = folder / "flash.bin"
        if not flash.exists():
            # cli; hlt; jmp to the hlt, at the reset vector
            flash.write_bytes(b"\xff" * (FLASH_SIZE - 16) + bytes.fromhex("faf4ebfd").ljust(16, b"\xff"))
        options = {"gddr": "1G", "product": "5110P", "flash": str(flash), "socket": self.socket} | options
        machine = "x100," + ",".join(f"{key.replace('_', '-')}={value}" for key, value in options.items())
        command = [QEMU, "-nodefaults", "-display", "none", "-M", machine, "-smp", "1", "-monitor", "none"]
        command += ["-qtest", f"unix:{self.qtest},server=on,wait=off", "-qtest-log", "none"]
        command += ["-qmp", f"unix:{self.qmp},server=on,wait=off"]
        command += ["-d", "guest_errors", "-D", str(self.log), *extra]
        self.output = open(folder / "qemu.out", "a+b")
        self.process = subprocess.Popen(command, stdout=self.output, stderr=self.output, stdin=subprocess.DEVNULL)
        self.bus = None
        self.clients = []
        if wait:
            wait_until(self._up, START_TIMEOUT, what="start of the model")
            self.bus = CardBus(self.qtest)
            self.train()

    def train(self):
        """What the bootstrap would do first: memory training, without which GDDR is not there."""
        self.bus.write(TRAIN_START, 1)
        wait_until(lambda: self.bus.read(TRAIN_STATE) & 1, what="memory training")

    def _up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the model ended at once: {self.text()}")
        return os.path.exists(self.qtest) and os.path.exists(self.socket)

    def text(self):
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def client(self, **arguments):
        client = Client(self.socket, **arguments)
        self.clients.append(client)
        return client

    def property(self, name):
        qmp = Qmp(self.qmp)
        try:
            return qmp("qom-get", path="/machine/chip", property=name)
        finally:
            qmp.close()

    def counters(self):
        """Those of the PCIe side, without their prefix."""
        return {key[5:]: value for key, value in self.property("x100-counters").items() if key.startswith("pcie-")}

    def phase(self):
        return self.property("x100-phase")

    def guest_errors(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        for client in self.clients:
            client.close()
        if self.bus:
            self.bus.close()
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(START_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.output.close()


@pytest.fixture
def start(tmp_path):
    """Function that starts a model; all are stopped after the test."""
    models = []

    def run(**arguments):
        folder = tmp_path / str(len(models))
        folder.mkdir(exist_ok=True)
        models.append(Model(folder, **arguments))
        return models[-1]

    yield run
    for model in models:
        model.stop()


@pytest.fixture
def model(start):
    return start()


@pytest.fixture
def client(model):
    return model.client()


@pytest.fixture(scope="session")
def flash(tmp_path_factory):
    """Makes the CPU do what its mailbox says."""
    return build_flash(tmp_path_factory.mktemp("window"))


@pytest.fixture
def card(start, flash):
    """A model whose CPU does what `card.cpu` asks; `card.host` is its client, SMPT entry 0 shows host address 0."""
    model = start(flash=flash, reset_delay_ms=1, offbus_ms=1)
    model.host = model.client()
    model.host.bus_master()
    model.host.sbox_write(SMPT, 0)
    view = model.host.map_bar0()
    model.cpu = Cpu(view)
    yield model
    view.close()


@pytest.fixture
def memory():
    """1 MiB that the card's CPU can reach as RAM."""
    made = Memory()
    yield made
    made.close()
