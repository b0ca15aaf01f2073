# SPDX-License-Identifier: BSD-3-Clause
"""The bootstrap in the model: start-up, its faults, and what a host may do to it while it waits.

Faults are made through the gdb stub: the boot CPU sleeps in HLT, a register is changed, and a
vector that means nothing wakes it up.
"""

import os
import re
import socket
import struct

import pytest
from card import CARD, FLASH, KERNEL, REFUSED, Model
from vfio_user import Client, wait_until

FLASH_BASE, BOOT_BLOCK = 0xFFE00000, 0xFFFF0000
EAX, EDI, ESP, EIP = 0, 5, 7, 16
STRAY, BOOT_VECTOR = 100, 229

# x100-hardware.md Appendix A, and the trail of a 3120A: 0c 30 39 ... 16 09 0F 10 12. The codes of
# memory training are not in the boot record, which is in that memory.
STAGES = ["0c", "16", "17", "01", "02", "06", "03", "05", "0b", "0E", "0F", "10", "0d", "15", "11", "12"]


class Gdb:
    """Just enough of gdb's remote protocol to change registers of the boot CPU."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.buffer = b""
        self.ask("?")
        self.ask("qXfer:features:read:target.xml:0,fff")  # before it, registers cannot be set singly

    def ask(self, text):
        """Sends a packet and returns the answer to it; reports that the CPU stopped are none."""
        data = text.encode()
        self.sock.sendall(b"$%s#%02x" % (data, sum(data) & 0xFF))
        while True:
            packet = re.search(rb"\$([^#]*)#..", self.buffer)
            if not packet:
                more = self.sock.recv(65536)
                assert more, "the gdb stub hung up"
                self.buffer += more
                continue
            self.buffer = self.buffer[packet.end():]
            self.sock.sendall(b"+")
            if text == "?" or not packet.group(1).startswith(b"T"):
                return packet.group(1).decode()

    def set(self, register, value):
        assert self.ask(f"P{register:x}={value.to_bytes(8, 'little').hex()}") == "OK"

    def go(self):
        self.sock.sendall(b"$c#63")

    def stopped(self):
        """Until a CPU has stopped at a breakpoint."""
        while not re.search(rb"\$T[^#]*#..", self.buffer):
            more = self.sock.recv(65536)
            assert more, "the gdb stub hung up"
            self.buffer += more
        self.buffer = b""
        self.sock.sendall(b"+")

    def detach(self):
        self.ask("D")
        self.sock.close()


class Monitor:
    """QEMU's monitor for people."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.read()

    def read(self):
        text = b""
        while not text.endswith(b"(qemu) "):
            text += self.sock.recv(65536)
        return text.decode(errors="replace")

    def ask(self, command):
        self.sock.sendall(command.encode() + b"\n")
        return self.read()

    def close(self):
        self.sock.close()


def ring(card, vector, cpu=0):
    """Sends a vector to a CPU of the card through ICR 7, as any host can."""
    client = Client(card.socket)
    try:
        client.sbox_write(0xAA0C, cpu)
        client.sbox_write(0xAA08, vector | 1 << 13)
    finally:
        client.close()


def post(card):
    client = Client(card.socket)
    try:
        word = client.read32(4, 0x242C)
    finally:
        client.close()
    return chr(word & 0xFF) + chr(word >> 8 & 0xFF)


def code_byte(*values):
    """Address of this byte sequence in the bootstrap's code."""
    flash = open(FLASH, "rb").read()
    start = BOOT_BLOCK + 0x4000 - FLASH_BASE
    return FLASH_BASE + flash.index(bytes(values), start)


def fault(card, registers, code):
    """Changes registers of the sleeping boot CPU, wakes it, returns its report."""
    card.wait_state("ready")
    line = card.line()
    gdb = Gdb(card.socket + ".gdb")
    for register, value in registers.items():
        gdb.set(register, value)
    gdb.detach()
    ring(card, STRAY)
    line.expect(r"exception (\d+) \(POST (..)\) error 0x(\w+) at 0x(\w+) address 0x(\w+)([^\r]*)\r\n")
    vector, shown, error, eip, address, hint = line.match.groups()
    line.expect(r"eax [^\r]*\r\nesi [^\r]*\r\ncs [^\r]*\r\n")
    assert shown == code
    wait_until(lambda: post(card) == code, what=f"POST {code}")
    return int(vector), int(error, 16), int(eip, 16), int(address, 16), hint


def test_stages_come_in_the_factorys_order(card):
    card.wait_state("ready")
    shown = re.findall(r"\bcard +(..):", card.x100("timeline"))
    assert shown == STAGES


@pytest.mark.parametrize("options, mib", [
    (["--gddr", "1G"], 992), (["--gddr", "1536M"], 1488), (["--gddr", "4G"], 3968),
    (["--gddr", "6G", "--product", "3120A"], 5952), (["--gddr", "16G", "--product", "7120P"], 15872),
])
def test_memory_is_sized(options, mib):
    with Model(*options) as card:
        card.wait_state("ready")
        assert f"memory    {mib} MiB" in card.x100("status")


def test_244_cpus_are_counted_and_the_last_core_boots():
    with Model("--cores", "61", "--threads", "4", "--product", "7120P") as card:
        line = card.line()
        card.wait_state("ready")
        card.x100("reset", "--wait")
        line.expect("cpus: 244 of 244, boot CPU 240\r\n")


def test_memory_that_trains_slowly_is_waited_for():
    with Model("--training-ms", "2000") as card:
        card.x100("reset", "--wait")
        ready = re.search(r"ready after (\d+)", card.x100("status"))
        assert int(ready.group(1)) >= 2000


def test_memory_that_does_not_train_is_post_f2():
    with Model("--", "-M", "training-fail=on") as card:
        wait_until(lambda: post(card) == "F2", timeout=20, what="POST F2")
        assert "F2" in card.x100("reset", "--wait", status=CARD)


def test_jump_to_zero_is_reported(card):
    vector, error, eip, address, _ = fault(card, {EIP: 0}, "PF")
    assert (vector, error & 0x11, eip, address) == (14, 0x10, 0, 0)


def test_data_is_not_executed(card):
    vector, error, eip, address, _ = fault(card, {EIP: 0x10000}, "PF")
    assert (vector, error, eip, address) == (14, 0x11, 0x10000, 0x10000)


def test_code_is_not_written(card):
    stosb = code_byte(0xAA)
    vector, error, eip, address, _ = fault(card, {EIP: stosb, EDI: 0xFFFF8000}, "PF")
    assert (vector, error, eip, address) == (14, 3, stosb, 0xFFFF8000)


def test_constants_are_neither_written_nor_executed(card):
    vector, error, _, address, _ = fault(card, {EIP: BOOT_BLOCK + 0x10}, "PF")
    assert (vector, error, address) == (14, 0x11, BOOT_BLOCK + 0x10)


def test_unknown_selector_is_reported(card):
    load = code_byte(0x8E, 0xD8)  # mov %eax, %ds
    vector, error, eip, _, _ = fault(card, {EIP: load, EAX: 0x1230}, "6P")
    assert (vector, error, eip) == (13, 0x1230, load)


def test_stack_that_ran_over_is_reported_from_another_stack(card):
    # The wake-up interrupt finds no stack to push to.
    vector, _, _, address, hint = fault(card, {ESP: 0x30004}, "dF")
    assert vector == 8 and 0x2F000 <= address < 0x30000 and "stack overflowed" in hint


def test_exception_is_in_the_boot_record_and_survives_a_reset(card):
    fault(card, {EIP: 0x40}, "PF")
    assert "exception" in card.x100("status").lower()
    card.x100("reset", "--wait")
    status = card.x100("status")
    assert "run 2" in status and "previous" in status and "exception" in status.lower(), status


def test_vectors_that_mean_nothing_are_ignored(card):
    card.wait_state("ready")
    for vector in list(range(32, 256, 7)) + [255]:
        if vector != BOOT_VECTOR:
            ring(card, vector)
    assert card.status()["state"] == "ready"
    card.push()


def test_ready_word_zeroed_by_a_host_does_not_stop_the_wait(card):
    card.wait_state("ready")
    client = Client(card.socket)
    client.sbox_write(0xAB28, 0)
    client.close()
    # No image: the size word is 0. A refusal puts the ready word back.
    ring(card, BOOT_VECTOR)
    status = card.wait_state("ready")
    assert status["state"] == "ready"


def test_boot_interrupts_in_a_row_are_each_answered(card):
    card.wait_state("ready")
    for _ in range(30):
        ring(card, BOOT_VECTOR)
        card.wait_state("ready")
    card.push()


def test_mp_table_has_what_the_chip_says(card):
    """x100-hardware.md 2.3: inverted signature, then one entry per CPU with its physical thread number."""
    card.wait_state("ready")
    client = Client(card.socket)
    aperture = client.map_bar0()
    table = bytes(aperture[0x9E000:0x9F000])
    aperture.close()
    client.close()
    assert table[:4] == bytes(byte ^ 0xFF for byte in b"_MP_") and sum(table[:16]) % 256 == 0
    length, count = struct.unpack_from("<H", table, 20)[0], struct.unpack_from("<H", table, 50)[0]
    assert table[16:20] == b"PCMP" and sum(table[16:16 + length]) % 256 == 0
    cpus = [struct.unpack_from("<BBBBIIII", table, 60 + 20 * cpu) for cpu in range(count)]
    assert [(cpu[1], cpu[3], cpu[7]) for cpu in cpus] == [(0, 3, 0), (1, 1, 1)]
    # The model's local APIC; the signature is family 11, model 1.
    assert all(cpu[2] & 0xF0 == 0x10 and cpu[4] >> 4 & 0xFF == 0xB1 for cpu in cpus), cpus


def test_old_hosts_words_boot_the_kernel(card):
    """Image, ramdisk words, command line, SPAD5 and doorbell as x100-abi.md 1.3 lists them."""
    kernel = open(KERNEL, "rb").read()
    card.wait_state("ready")
    line = card.line()
    client = Client(card.socket)
    aperture = client.map_bar0()
    spad2 = client.sbox(0xAB28)
    base = spad2 & 0xFFFFF000
    aperture[base:base + len(kernel)] = kernel
    client.sbox_write(0xAB34, len(kernel))
    text = b" mem=8192M console=ttyS0\0"
    aperture[base + len(kernel):base + len(kernel) + len(text)] = text
    client.sbox_write(0xAA0C, spad2 >> 1 & 0x1FF)
    client.sbox_write(0xAA08, 0x20E5)
    line.expect("Command line:  mem=8192M console=ttyS0\r\n")
    client.close()


def test_kernel_is_entered_as_the_32_bit_protocol_asks(card):
    """x100-abi.md 1.13: flat 0x10 and 0x18, no paging, no interrupts, ESI = zero page, rest zero."""
    kernel = open(KERNEL, "rb").read()
    entry = 0x04000000 + (kernel[0x1F1] + 1) * 512
    card.wait_state("ready")
    gdb = Gdb(card.socket + ".gdb")
    assert gdb.ask(f"Z1,{entry:x},1") == "OK"
    gdb.go()
    push = card.start_x100("push", KERNEL, "--cmdline", "some words")
    gdb.stopped()
    raw = bytes.fromhex(gdb.ask("g"))
    gpr = struct.unpack_from("<17Q", raw)
    eflags, *segments = struct.unpack_from("<7I", raw, 17 * 8)
    names = dict(zip(("eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp"), gpr))
    assert gpr[EIP] == entry and names["esi"] == 0x4F000, names
    assert names["ebx"] == names["edi"] == names["ebp"] == 0, names
    assert eflags & 0x600 == 0
    assert segments[:4] == [0x10, 0x18, 0x18, 0x18]
    page = bytes.fromhex(gdb.ask("m4f000,290"))
    assert page[0x210] == 0xFF and page[0x211] & 0x41 == 0x41 and page[0x202:0x206] == b"HdrS"
    cmdline = struct.unpack_from("<I", page, 0x228)[0]
    assert b"some words\0" in bytes.fromhex(gdb.ask(f"m{cmdline:x},200"))
    monitor = Monitor(card.socket + ".monitor")
    registers = monitor.ask("info registers")
    assert re.search("CR0=00000011 CR2=[0-9a-f]+ CR3=00000000 CR4=00000000", registers), registers
    assert "EFER=0000000000000000" in registers
    monitor.close()
    gdb.ask(f"z1,{entry:x},1")
    gdb.detach()
    push.communicate(timeout=60)


def test_refused_image_names_the_reason_on_the_serial_line(card, tmp_path):
    bad = tmp_path / "bad"
    bad.write_bytes(open("/bin/ls", "rb").read())
    line = card.line()
    card.x100("push", str(bad), "--force", status=REFUSED)
    line.expect("the image is an ELF file")
