# SPDX-License-Identifier: BSD-3-Clause
"""Assembles the probes, runs them on the emulator and collects what happened. Nothing is faked: the qtest socket only
trains memory, loads the image and reads the results."""

import os
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "lib"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from card_bus import CardBus  # noqa: E402
from probes import FALL, PROBES, Probe  # noqa: E402
from vfio_user import wait_until  # noqa: E402

HERE = pathlib.Path(__file__).parent
QEMU = os.environ.get("X100_QEMU", str(TOP / "build" / "model" / "qemu-system-x86_64"))
ENGINE, CONTROL, RESULTS, RESULT_SIZE = 0x8000, 0x7000, 0x40000, 32
GO = 0x600D
TRAIN_START, TRAIN_STATE = 0x08007A0720, 0x08007A0724  # include/x100/strap.h
RUN_TIMEOUT = 30

# xor ax,ax; mov ds,ax; wait until the word at 7000h is the go sign; jump to the engine
RESET_CODE = bytes.fromhex("31c08ed8813e00700d6075f8ea00800000")


def fall_probes():
    return [Probe(name, "32", code, vector, error) for name, (code, vector, error) in FALL.items()]


class Image:
    """The engine with all probes, linked at its place."""

    def __init__(self, folder):
        self.probes = list(PROBES)
        self.falls = fall_probes()
        lines = []
        for mode in ("16", "32", "64"):
            lines.append(f"\t.code{mode}")
            lines += self._code(mode, [p for p in self.probes if p.mode == mode], True)
        lines.append("\t.code32")
        lines += self._code("fall", self.falls, False)
        (folder / "probes.inc").write_text("\n".join(lines) + "\n")
        obj, elf, binary = folder / "probes.o", folder / "probes.elf", folder / "probes.bin"
        subprocess.run(
            ["gcc", "-c", "-m64", "-Wa,--divide", "-I", folder, "-o", obj, HERE / "engine.S"], check=True, timeout=60
        )
        subprocess.run(["ld", "-m", "elf_x86_64", "-Ttext", hex(ENGINE), "-o", elf, obj], check=True, timeout=60)
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", elf, binary], check=True, timeout=60)
        self.binary = binary.read_bytes()
        symbols = subprocess.run(["nm", elf], check=True, timeout=60, capture_output=True, text=True).stdout
        address = {line.split()[2]: int(line.split()[0], 16) for line in symbols.splitlines()}
        for prefix, probes in [(m, [p for p in self.probes if p.mode == m]) for m in ("16", "32", "64")] + [
            ("fall", self.falls)
        ]:
            for number, probe in enumerate(probes):
                probe.fault = address[f"fault_{prefix}_{number}"]

    @staticmethod
    def _code(prefix, probes, returns):
        lines = []
        for number, probe in enumerate(probes):
            code = probe.code if "@" in probe.code else "@" + probe.code
            code = code.replace("@", f"fault_{prefix}_{number}: ")
            lines.append(f"probe_{prefix}_{number}:\n\t{code}")
            if returns:
                lines.append("\tret")
        word = ".word" if prefix == "16" else ".long"
        lines.append("\t.balign 4\n" + f"{'fall_table' if prefix == 'fall' else 'table' + prefix}:")
        lines += [f"\t{word} probe_{prefix}_{number}" for number in range(len(probes))]
        lines.append(f"\t{word} 0")
        return lines


class Result:
    def __init__(self, raw):
        self.valid = raw[0] == 0xA5
        self.vector = None if raw[1] == 0xFF else raw[1]
        self.error = int.from_bytes(raw[4:8], "little")
        self.rax, self.rdx, self.rip = (int.from_bytes(raw[n : n + 8], "little") for n in (8, 16, 24))

    def __str__(self):
        return f"vector {self.vector} error {self.error:#x} rax {self.rax:#x} rdx {self.rdx:#x} at {self.rip:#x}"


class Machine:
    """One emulator process whose CPU 0 waits for start()."""

    def __init__(self, folder, thread="multi", **options):
        self.folder = folder
        self.log = folder / "guest-errors.log"
        flash, qtest = folder / "flash.bin", str(folder / "qtest")
        image = bytearray(b"\xff" * (2 << 20))
        image[-256 : -256 + len(RESET_CODE)] = RESET_CODE
        image[-16:-13] = b"\xe9" + (-256 + 16 - 3).to_bytes(2, "little", signed=True)
        flash.write_bytes(image)
        options = {"gddr": "256M", "flash": flash, "socket": folder / "card.sock"} | options
        machine = "x100," + ",".join(f"{key}={value}" for key, value in options.items())
        command = [QEMU, "-nodefaults", "-display", "none", "-M", machine, "-smp", "4,cores=2,threads=2"]
        command += ["-accel", f"tcg,thread={thread}"]
        command += ["-monitor", "none", "-qtest", f"unix:{qtest},server=on,wait=off", "-qtest-log", "none"]
        command += ["-d", "guest_errors", "-D", str(self.log)]
        self.output = open(folder / "qemu.out", "a+b")
        self.process = subprocess.Popen(command, stdout=self.output, stderr=self.output, stdin=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or os.path.exists(qtest), 20, what="start of the model")
        self.bus = CardBus(qtest)
        self.bus.write(TRAIN_START, 1)
        wait_until(lambda: self.bus.read(TRAIN_STATE) & 1, what="memory training")

    def run(self, image, fall=0):
        """Runs all probes, or the fall-through probe with this number; returns the results in order."""
        self.bus._ask(f"write {ENGINE:#x} {len(image.binary):#x} 0x{image.binary.hex()}")
        self.bus.write(CONTROL + 4, fall)
        self.bus.write(CONTROL, GO)

        def done():
            if self.process.poll() is not None:
                raise RuntimeError("the emulator ended: " + self.text())
            return self.bus.read(CONTROL + 8)

        try:
            wait_until(done, RUN_TIMEOUT, what="end of the probes")
        except TimeoutError as late:
            stuck = self.bus.read(CONTROL + 12)
            names = [p.id for mode in ("16", "32", "64") for p in image.probes if p.mode == mode]
            raise TimeoutError(f"{late}: stuck in {names[stuck] if stuck < len(names) else stuck}") from None
        count = self.bus.read(CONTROL + 12)
        raw = self.bus.read_bytes(RESULTS, count * RESULT_SIZE) if count else b""
        return [Result(raw[n : n + RESULT_SIZE]) for n in range(0, len(raw), RESULT_SIZE)]

    def text(self):
        self.output.seek(0)
        return self.output.read().decode(errors="replace") + (self.log.read_text() if self.log.exists() else "")

    def stop(self):
        self.bus.close()
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.output.close()


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def machine(tmp_path):
    machines = []

    def start(**options):
        folder = tmp_path / str(len(machines))
        folder.mkdir()
        machines.append(Machine(folder, **options))
        return machines[-1]

    yield start
    for one in machines:
        one.stop()


@pytest.fixture(scope="session")
def strict(image, tmp_path_factory):
    """Results of all probes on the strict processor, by probe id, and the log of guest errors."""
    one = Machine(tmp_path_factory.mktemp("strict"))
    try:
        results = one.run(image)
        assert len(results) == len(image.probes)
        ordered = [p for mode in ("16", "32", "64") for p in image.probes if p.mode == mode]
        return {p.id: r for p, r in zip(ordered, results)}, one.log.read_text()
    finally:
        one.stop()
