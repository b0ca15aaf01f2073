# SPDX-License-Identifier: BSD-3-Clause
"""x100d with a console, a network, two disks and an entropy device, serving a card that is no card (fake_card)."""

import json
import os
import subprocess
import sys
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/lib"))

from fake_card import BLOCK, CONSOLE, NET, RNG, Driver, FakeCard  # noqa: E402 (needs the path)

X100 = os.path.join(TOP, "build/host-loader/x100")
X100D = os.path.join(TOP, "build/host-loader/x100d")
KERNEL = os.path.join(TOP, "build/card-kernel-patches/bzImage")
SECTORS = 2048
SECRET = b"never for the card" * 16


class Served:
    """One daemon, one fake card, and the driver that probed its devices."""

    def __init__(self, folder):
        self.folder = folder
        self.disk_path = os.path.join(folder, "disk.img")
        with open(self.disk_path, "wb") as disk:
            disk.write(b"".join(n.to_bytes(4, "little") * 128 for n in range(SECTORS)))
        ro_path = os.path.join(folder, "ro.img")
        with open(ro_path, "wb") as disk:
            disk.write(bytes(512 * 64))
        self.card = FakeCard(os.path.join(folder, "card"))
        config = os.path.join(folder, "x100d.conf")
        with open(config, "w", encoding="ascii") as out:
            out.write(f"""[daemon]
socket = {folder}/control
state = {folder}/state
[card mic0]
device = model:{folder}/card
image = {KERNEL}
boot = auto
on-restart = leave
console = scrollback=64K
net = slirp,ssh=no
disk = {self.disk_path}
disk = {ro_path},ro
rng = yes
""")
        self.env = dict(os.environ, X100D_SOCKET=f"{folder}/control")
        self.log_path = os.path.join(folder, "x100d.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([X100D, "--config", config], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=self.env)
        try:
            self.card.wait(lambda: self.card.boots == 1 or self.process.poll() is not None, 30, "boot interrupt")
            assert self.process.poll() is None, self.log()
            self.card.os_state("up")
            self.driver = Driver(self.card)
            self.driver.publish()
            self.all = self.driver.devices()
            self.console, self.net, self.disk, self.ro, self.rng = self.all
            assert [device.type for device in self.all] == [CONSOLE, NET, BLOCK, BLOCK, RNG]
            for device in self.all:
                device.probe()
        except BaseException:
            sys.stderr.write(self.log())
            self.close()
            raise

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def close(self):
        """Ends the daemon, which must not have ended by itself."""
        status = self.process.poll()
        if status is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.card.close()
        return status

    def command(self, *words, timeout=30):
        return subprocess.run([X100, "-d", "mic0", *words], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, check=False)

    def info(self, name):
        """What status says of the device called `name`."""
        done = self.command("status", "--json")
        assert done.returncode == 0, done.stderr
        return next(d for d in json.loads(done.stdout)["devices"] if d["name"] == name)

    def wait_fault(self, name, fault, timeout=10.0):
        """Waits until the daemon stopped that device for that reason."""
        end = time.monotonic() + timeout
        while True:
            info = self.info(name)
            if info["fault"] == fault and info["state"] == "faulted":
                return info
            assert time.monotonic() < end, f"{name} is {info['state']}/{info['fault']}, not faulted/{fault}\n{self.log()}"
            time.sleep(0.02)

    # What the well-behaved do, to see that a device works

    def read_sector(self, device, sector, queue=0):
        """(status, data) of reading one sector."""
        card, ring = self.card, device.queues[queue]
        header, data, status = card.allocate(16), card.allocate(512), card.allocate(1)
        card.memory[header:header + 16] = (0).to_bytes(8, "little") + sector.to_bytes(8, "little")
        card.memory[status] = 0xAA
        ring.add([(header, 16, False), (data, 512, True), (status, 1, True)])
        device.kick()
        ring.wait_used()
        return card.memory[status], bytes(card.memory[data:data + 512])

    def disk_works(self, device=None, sector=7):
        status, data = self.read_sector(device or self.disk, sector)
        assert status == 0
        if device in (None, self.disk):
            assert data == sector.to_bytes(4, "little") * 128

    def say(self, text):
        """Console output of the card."""
        at = self.card.allocate(len(text))
        self.card.memory[at:at + len(text)] = text
        self.console.queues[1].add([(at, len(text), False)])
        self.console.kick()
        self.console.queues[1].wait_used()

    def entropy(self):
        at = self.card.allocate(64)
        self.rng.queues[0].add([(at, 64, True)])
        self.rng.kick()
        (_, size), = self.rng.queues[0].wait_used()
        assert size == 64 and bytes(self.card.memory[at:at + 64]) != bytes(64)

    def others_work(self, but):
        """Every device but the named one goes on."""
        if but != "console":
            self.say(b"still here\n")
        if but != "disk0":
            self.disk_works()
        if but != "rng0":
            self.entropy()
        assert self.process.poll() is None, self.log()


@pytest.fixture
def served(tmp_path):
    # Socket paths are short; pytest's folders are not.
    folder = os.path.join("/tmp", f"x100-hc-{os.getpid()}-{abs(hash(str(tmp_path))) % 10 ** 8}")
    os.makedirs(folder, mode=0o700)
    host = Served(folder)
    try:
        yield host
        assert host.process.poll() is None, f"the daemon ended with {host.process.poll()}\n{host.log()}"
    finally:
        host.close()
        subprocess.run(["rm", "-rf", folder], check=True)
