# SPDX-License-Identifier: BSD-3-Clause
"""Guest instructions from the reset vector to the kernel's entry, by function of the bootstrap."""

import bisect
import collections
import os
import subprocess
import time

from card import KERNEL, TOP, Model
from figure import Figure

ELF = os.path.join(TOP, "build/bootstrap/bootstrap.elf")
PLUGIN = os.path.join(TOP, "build/bench/insn-count.so")
BAR = 5_000_000
WRITTEN = 30  # seconds for the plugin to write its file after the image was entered

# Nothing but copying or filling. String instructions with a REP prefix count as copies wherever they
# are: QEMU counts each of their rounds.
COPIES = {"memcpy", "memmove", "memset"}

# Functions that wait, and for what. All that they and what they call execute is waiting. Polling
# elsewhere (the UART, the time counter, the interrupt command register) counts as work.
WAITING = {
    "hw_doorbell_wait": "the host's boot interrupt",
    "hw_wake_cpus": "10 ms between INIT and SIPI, then for the other CPUs to come",
}


class Functions:
    """Which function of the bootstrap an address belongs to."""

    def __init__(self, elf):
        symbols = []
        for line in subprocess.run(["nm", elf], check=True, capture_output=True, text=True).stdout.splitlines():
            address, kind, name = line.split()[-3:]
            if kind in "tT":
                symbols.append((int(address, 16), name))
        symbols.sort()
        self.starts = [address for address, _ in symbols]
        self.names = [name for _, name in symbols]

    def address(self, name):
        """Of a function that must exist."""
        return self.starts[self.names.index(name)]

    def name(self, address):
        """Of the last symbol at or below the address."""
        if address < self.starts[0]:
            return "code of the other CPUs"
        return self.names[bisect.bisect_right(self.starts, address) - 1]


def run(folder, functions):
    """Boots the kernel once under the plugin; returns the lines it wrote."""
    out = os.path.join(folder, "instructions")
    waits = "".join(f",wait=0x{functions.address(name):x}" for name in WAITING)
    with Model("--gddr", "1G", "--cores", "1", "--threads", "2", "--",
               "-plugin", f"{PLUGIN},out={out}{waits}") as card:
        card.push(kernel=os.environ.get("X100_BENCH_KERNEL", KERNEL), wait="ready")
        end = time.monotonic() + WRITTEN
        while not os.path.exists(out):
            assert time.monotonic() < end, f"the plugin wrote nothing: {card.log()}"
            time.sleep(0.01)
    with open(out, encoding="ascii") as file:
        return file.read().splitlines()


def measure(folder):
    """The figure, with the functions that execute most."""
    functions = Functions(ELF)
    first, *lines = run(folder, functions)
    entry = int(first.split()[1], 16)
    # The bootstrap enters the image, and nothing but the image.
    assert 0x4000000 <= entry < 0xFEE00000, f"the first code outside the bootstrap ran at 0x{entry:x}"
    work, copies, waiting = (collections.Counter() for _ in range(3))
    for line in lines:
        address, count, in_wait, kind = line.split()
        name = functions.name(int(address, 16))
        (copies if kind == "string" or name in COPIES else work)[name] += int(count)
        waiting[name] += int(in_wait)
    total = sum(work.values())
    most = ", ".join(f"{name} {count:,}" for name, count in work.most_common(5))
    return Figure(
        "guest instructions, reset vector to kernel entry", total, "", BAR,
        note=f"besides {sum(copies.values()):,} in copies, {sum(waiting.values()):,} waiting; most: {most}",
        detail={"entry": entry, "raw": total + copies.total() + waiting.total(), "work": dict((+work).most_common()),
                "copies": dict(+copies), "waiting": dict(+waiting), "waiting for": WAITING})
