# SPDX-License-Identifier: BSD-3-Clause
"""The chip under CPUs that run: tiny real-mode programs in flash and memory instead of a bootstrap.

The flash waits until the word at 0x500 is GO and jumps to 0:6000, where the host has put a poller. That calls
0:7000 each time the word at 0x504 is GO; the code there leaves its version in the word at 0x502.
"""

import pathlib
import subprocess

import pytest

from vfio_user import wait_until

GO = b"\x34\x12"
FLASH = bytes.fromhex("31c0 8ed8 8ed0 bc0060 813e00053412 75f8 ea00600000")
FLASH_AT, RESET_VECTOR = 0x100, 0x10  # before the end of flash
POLLER = bytes.fromhex("813e04053412 75f8 c70604050000 e8ef0f ebed")
RGCR, POST, SCRATCH2 = 0x4010, 0x242C, 0xAB28


def code(version):
    return bytes.fromhex("c7060205") + version.to_bytes(2, "little") + b"\xc3"


def running(start, tmp_path, threads):
    image = bytearray(b"\xff" * (2 << 20))
    image[-FLASH_AT : -FLASH_AT + len(FLASH)] = FLASH
    image[-RESET_VECTOR : -RESET_VECTOR + 3] = bytes.fromhex("e90dff")  # jmp 0xff00
    (tmp_path / "f").write_bytes(image)
    chip = start(flash=tmp_path / "f", accel="tcg", threads=threads)
    chip.link = chip.host()
    chip.view = chip.link.map_bar0()
    return chip


@pytest.fixture
def card(start, tmp_path):
    chip = running(start, tmp_path, threads=1)
    yield chip
    chip.view.close()


@pytest.fixture
def card2(start, tmp_path):
    """With a second CPU, which waits for its start-up interrupt."""
    chip = running(start, tmp_path, threads=2)
    yield chip
    chip.view.close()


def enter(card):
    """From reset into the poller, as a bootstrap enters an image."""
    card.view[0x502:0x506] = bytes(4)
    card.view[0x6000 : 0x6000 + len(POLLER)] = POLLER
    card.view[0x500:0x502] = GO
    card.train()


def call(card, timeout=5.0):
    card.view[0x502:0x504] = bytes(2)
    card.view[0x504:0x506] = GO
    wait_until(lambda: card.view[0x502:0x504] != bytes(2), timeout, what="the code at 0x7000 being run")
    return int.from_bytes(card.view[0x502:0x504], "little")


def reset(card):
    card.view[0x500:0x502] = bytes(2)
    card.link.sbox_write(RGCR, 1)
    wait_until(lambda: card.phase() == "held", what="the CPUs being reset")
    wait_until(lambda: card.phase() == "running", what="the card being back")


def put(card, version):
    card.view[0x7000 : 0x7000 + len(code(version))] = code(version)


def test_cpu_starts_in_flash_and_runs_what_the_host_put(card):
    put(card, 1)
    enter(card)
    assert call(card) == 1


def test_code_put_after_a_reset_is_what_runs(card):
    put(card, 1)
    enter(card)
    assert call(card) == 1
    for version in (2, 3, 4):
        reset(card)
        put(card, version)
        enter(card)
        assert call(card) == version


def test_code_put_before_the_boot_interrupt_is_what_runs(card):
    put(card, 1)
    enter(card)
    assert call(card) == 1
    for version in (2, 3, 4):
        put(card, version)
        card.link.sbox_write(0xAA0C, 0)
        card.link.sbox_write(0xAA08, 0x20E5)
        assert call(card) == version


def test_cpu_of_a_card_in_reset_does_not_run(card):
    put(card, 1)
    enter(card)
    assert call(card) == 1
    card.view[0x504:0x506] = bytes(2)
    card.link.sbox_write(RGCR, 1)
    wait_until(lambda: card.phase() == "held", what="the CPUs being reset")
    card.view[0x504:0x506] = GO
    wait_until(lambda: card.phase() == "running", what="the card being back")
    assert card.view[0x504:0x506] == GO


def test_triple_fault_leaves_the_card_dead_until_reset(card):
    card.view[0x7000:0x7008] = bytes.fromhex("0f011e0071cd0300")  # lidt [0x7100]; int 3
    card.view[0x7100:0x7106] = bytes(6)  # limit 0
    enter(card)
    card.link.write32(4, POST, 0x3231)
    card.view[0x504:0x506] = GO
    wait_until(lambda: card.phase() == "dead", what="the CPU shutting down")
    assert card.link.read32(4, POST) == 0x3231
    assert "triple fault" in card.guest_errors()
    put(card, 5)
    reset(card)
    enter(card)
    assert call(card) == 5


def test_twenty_resets_in_a_row(card):
    put(card, 1)
    for _ in range(20):
        enter(card)
        assert call(card) == 1
        card.link.sbox_write(SCRATCH2, 0x040001C1)
        reset(card)
        assert card.link.sbox(SCRATCH2) == 0
        assert card.link.read32(4, POST) == 0x6330


def test_code_changed_while_another_cpu_meets_it_is_what_runs(card2, tmp_path):
    source, obj, binary = pathlib.Path(__file__).with_name("changed_code.S"), tmp_path / "o", tmp_path / "b"
    subprocess.run(["gcc", "-c", "-m32", "-o", obj, source], check=True, timeout=60)
    subprocess.run(
        ["ld", "-m", "elf_i386", "-Ttext", "0x7000", "--oformat", "binary", "-o", binary, obj], check=True, timeout=60
    )
    program = binary.read_bytes()
    card2.view[0x510:0x51C] = bytes(12)
    card2.view[0x7000 : 0x7000 + len(program)] = program
    enter(card2)
    card2.link.sbox_write(0xA9D4, 1)
    card2.link.sbox_write(0xA9D0, 6 << 8 | 0x2008)  # start-up at 0x8000
    wait_until(lambda: card2.view[0x510:0x514] != bytes(4), what="the second CPU running")
    assert call(card2, timeout=60) == 1, f"old code ran in round {int.from_bytes(card2.view[0x518:0x51C], 'little')}"
