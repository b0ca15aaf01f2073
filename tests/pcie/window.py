# SPDX-License-Identifier: BSD-3-Clause
"""A card whose CPU runs window.S: it does what its mailbox in GDDR says. And memory to lend it."""

import fcntl
import mmap
import os
import pathlib
import struct
import subprocess

from vfio_user import wait_until

WINDOW, PAGE = 0x80_0000_0000, 1 << 34
SBOX = 0x08_007D_0000
SMPT = 0x3100
ONES = 2**64 - 1
MAILBOX, GO = 0x500, 0x1234
READ, WRITE, CALL, INCREMENT, WRITE_THEN_READ, COMPARE, FLIP = range(1, 8)
PML4 = 0x10000
LARGE = 0x83  # 2 MiB page: present, writable


def page_tables():
    """Identity: the lowest GiB, the one below 4 GiB, the registers, and a GiB behind SMPT entries 0 to 3."""
    tables = bytearray(12 << 12)

    def entry(table, index, value):
        struct.pack_into("<Q", tables, (table << 12) + 8 * index, value)

    def link(table, index, to):
        entry(table, index, PML4 + (to << 12) | 3)

    link(0, 0, 1)
    link(0, 1, 2)
    for table, top, start in [(3, (1, 0), 0), (4, (1, 3), 3 << 30), (5, (1, 32), 32 << 30)]:
        link(*top, table)
        for index in range(512):
            entry(table, index, start + (index << 21) | LARGE)
    for n in range(4):
        link(2, 16 * n, 6 + n)
        for index in range(512):
            entry(6 + n, index, WINDOW + n * PAGE + (index << 21) | LARGE)
    return tables


class Cpu:
    """The mailbox of window.S."""

    def __init__(self, view):
        self.view = view
        self.clear()
        tables = page_tables()
        view[PML4 : PML4 + len(tables)] = bytes(tables)
        self.go()

    def clear(self):
        """After this a reset CPU waits for go()."""
        self.view[MAILBOX : MAILBOX + 56] = bytes(56)

    def go(self):
        self.view[MAILBOX : MAILBOX + 4] = struct.pack("<I", GO)

    def get(self, at):
        return struct.unpack_from("<Q", self.view, MAILBOX + at)[0]

    def put(self, at, value):
        self.view[MAILBOX + at : MAILBOX + at + 8] = struct.pack("<Q", value)

    def rounds(self):
        return self.get(32)

    def result(self):
        return self.get(48)

    def begin(self, command, address, value=0, then=0):
        """Repeats the command until stop()."""
        self.put(16, address)
        self.put(24, value)
        self.put(40, then)
        self.put(48, 0)
        self.put(8, command)
        wait_until(self.rounds, step=0, what="the CPU doing its command")

    def stop(self):
        self.put(8, 0)
        wait_until(lambda: not self.rounds(), step=0, what="the CPU being idle")
        return self.result()

    def do(self, *command):
        self.begin(*command)
        return self.stop()

    def read(self, address):
        return self.do(READ, address)

    def write(self, address, value):
        self.do(WRITE, address, value)

    def call(self, address):
        return self.do(CALL, address)


class Memory:
    """A memory file of the client; sealed as the loader seals it unless told otherwise."""

    def __init__(self, size=1 << 20, seals=fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL):
        self.fd = os.memfd_create("host", os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        if seals:
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, seals)
        self.view = mmap.mmap(self.fd, min(size, 1 << 20))

    def get(self, at=0):
        return struct.unpack_from("<Q", self.view, at)[0]

    def put(self, value, at=0):
        self.view[at : at + 8] = struct.pack("<Q", value)

    def close(self):
        self.view.close()
        os.close(self.fd)


def reset(card):
    """A platform reset; the CPU waits for its mailbox afterwards."""
    card.host.reset()
    wait_until(lambda: card.phase() == "running", what="the CPUs having been reset")
    card.cpu.clear()
    card.train()


def build_flash(folder):
    source = pathlib.Path(__file__).with_name("window.S")
    subprocess.run(["gcc", "-c", "-m64", "-o", folder / "o", source], check=True, timeout=60)
    subprocess.run(
        ["ld", "-Ttext", "0xfffff000", "--oformat", "binary", "-o", folder / "b", folder / "o"], check=True, timeout=60
    )
    code = (folder / "b").read_bytes()
    assert len(code) == 4096
    (folder / "flash").write_bytes(b"\xff" * ((2 << 20) - len(code)) + code)
    return folder / "flash"
