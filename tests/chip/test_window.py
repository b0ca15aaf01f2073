# SPDX-License-Identifier: BSD-3-Clause
"""System memory window and SMPT (x100-hardware.md 2.4)."""

import json
import os
import pathlib

import pytest

WINDOW, PAGE = 0x8000000000, 1 << 34
ONES = 0xFFFFFFFF


def smpt(chip, n, host_address):
    chip.sbox_write(0x3100 + 4 * n, (host_address >> 34) << 2)


@pytest.fixture
def memory(chip):
    """One page of host memory at bus address 0x40000, as a file descriptor."""
    fd = os.memfd_create("host")
    os.truncate(fd, 0x1000)
    host = chip.host()
    host.dma_map(0x40000, 0x1000, fd)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("entry", [0, 7, 31])
def test_access_goes_where_the_entry_points(chip, memory, entry):
    smpt(chip, entry, 0)
    address = WINDOW + entry * PAGE + 0x40010
    os.pwrite(memory, b"\x78\x56\x34\x12", 0x10)
    assert chip.bus.read(address) == 0x12345678
    chip.bus.write(address, 0xCAFE)
    assert os.pread(memory, 4, 0x10) == b"\xfe\xca\0\0"


def test_entry_selects_the_16_gib_page(chip):
    fd = os.memfd_create("high")
    os.truncate(fd, 0x1000)
    os.pwrite(fd, b"high", 0)
    chip.host().dma_map(5 * PAGE + 0x123000, 0x1000, fd)
    smpt(chip, 2, 5 * PAGE)
    assert chip.bus.read_bytes(WINDOW + 2 * PAGE + 0x123000, 4) == b"high"
    os.close(fd)


def test_reserved_bit_reads_0_and_no_snoop_is_kept(chip):
    chip.sbox_write(0x3100, ONES)
    assert chip.sbox(0x3100) == ONES & ~2


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_every_width_works(chip, memory, size):
    smpt(chip, 0, 0)
    chip.bus.write(WINDOW + 0x40000, 0x1122334455667788 & (1 << 8 * size) - 1, size=size)
    assert os.pread(memory, size, 0) == bytes.fromhex("8877665544332211")[:size]


def test_unmapped_host_memory_reads_ones_and_is_counted(chip, memory):
    smpt(chip, 0, 0)
    assert chip.bus.read(WINDOW + 0x50000) == ONES
    chip.bus.write(WINDOW + 0x50000, 1)
    assert chip.counter("window-faults") == 2
    assert chip.counter("window-reads") == chip.counter("window-writes") == 1
    assert chip.guest_errors() != ""


def test_entry_never_set_leads_nowhere(chip, memory):
    assert chip.sbox(0x3100) == 0
    assert chip.bus.read(WINDOW + 0x40000) == ONES
    assert "SMPT entry 0, not set" in chip.guest_errors()


def test_without_bus_master_nothing_passes(chip, memory):
    smpt(chip, 0, 0)
    chip.closing[0].bus_master(False)
    assert chip.bus.read(WINDOW + 0x40000) == ONES


VECTORS = json.loads((pathlib.Path(__file__).resolve().parents[1] / "vectors" / "smpt.json").read_text())


def test_table_recorded_from_the_old_host_maps_as_it_expects(chip):
    """Each entry of the recorded table, with one page of host memory behind its base."""
    host = chip.host()
    fd = os.memfd_create("host")
    os.truncate(fd, 0x1000)
    for row in VECTORS["initial_table"]:
        host.write32(4, int(row["offset"], 16), int(row["value"], 16))
        assert host.read32(4, int(row["offset"], 16)) == int(row["value"], 16)
        os.pwrite(fd, row["entry"].to_bytes(4, "little"), 0)
        host.dma_map(int(row["host_base"], 16), 0x1000, fd)
        assert chip.bus.read(int(row["card_base"], 16)) == row["entry"]
    os.close(fd)
