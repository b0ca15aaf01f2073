# SPDX-License-Identifier: BSD-3-Clause
"""Configuration space as x100-hardware.md section 1 has it."""

import struct

import pytest

from vfio_user import BAR4, CONFIG

PRODUCTS = {  # device, revision, subsystem, BAR0 size, pin
    "3120A": (0x225D, 0x20, 0x3C98, 16 << 30, 2),
    "5110P": (0x2250, 0x11, 0x2500, 8 << 30, 1),
    "7120P": (0x225C, 0x20, 0xD804, 16 << 30, 1),
}


def size_of_bar64(client, offset):
    old = client.read(CONFIG, offset, 8)
    client.write(CONFIG, offset, b"\xff" * 8)
    (value,) = struct.unpack("<Q", client.read(CONFIG, offset, 8))
    client.write(CONFIG, offset, old)
    return (~(value & ~0xF) + 1) & (1 << 64) - 1


@pytest.mark.parametrize("product", PRODUCTS)
def test_identity_of_each_product(start, product):
    device, revision, subsystem, bar0, pin = PRODUCTS[product]
    client = start(product=product).client()
    assert client.config16(0x00) == 0x8086
    assert client.config16(0x02) == device
    assert client.read32(CONFIG, 0x08) == 0x0B4000 << 8 | revision
    assert (client.config16(0x2C), client.config16(0x2E)) == (0x8086, subsystem)
    assert client.read(CONFIG, 0x3D, 1)[0] == pin
    assert size_of_bar64(client, 0x10) == bar0
    assert client.region_info(0).size == bar0


def test_unknown_product_is_refused(start):
    model = start(product="5120X", wait=False)
    assert model.process.wait(20) != 0
    assert "5120X" in model.text()


def test_bar_types(client):
    assert client.read32(CONFIG, 0x10) & 0xF == 0xC, "BAR0: 64-bit, prefetchable"
    assert client.read32(CONFIG, 0x20) & 0xF == 0x4, "BAR4: 64-bit, not prefetchable"
    assert size_of_bar64(client, 0x20) == 128 << 10
    for absent in (0x18, 0x1C, 0x30):
        client.write32(CONFIG, absent, 0xFFFFFFFF)
        assert client.read32(CONFIG, absent) == 0


def test_bar_keeps_the_address_written(client):
    client.write(CONFIG, 0x10, struct.pack("<Q", 0x380_0000_0000))
    assert struct.unpack("<Q", client.read(CONFIG, 0x10, 8))[0] == 0x380_0000_000C


def test_capability_chain(client):
    assert client.config16(0x06) & 0x10, "capability list bit"
    at, chain = client.read(CONFIG, 0x34, 1)[0], []
    while at:
        ident, following = client.read(CONFIG, at, 2)
        chain.append((at, ident))
        at = following
    assert chain == [(0x44, 0x01), (0x4C, 0x10), (0x88, 0x05), (0x98, 0x11)]


def test_power_management_capability(client):
    pmc, pmcsr = client.config16(0x46), client.config16(0x48)
    assert pmc == 3, "version 3, no D1, D2 or PME"
    assert pmcsr & 8, "NoSoftRst+"


def test_express_capability(client):
    flags, devcap = client.config16(0x4E), client.read32(CONFIG, 0x50)
    assert flags & 0xF == 2 and flags >> 4 & 0xF == 0 and flags >> 9 == 0
    assert devcap & 7 == 1, "256 bytes of payload"
    assert devcap & 1 << 5, "ExtTag+"
    assert not devcap & 1 << 28, "FLReset-"
    linkcap = client.read32(CONFIG, 0x58)
    assert linkcap & 0xF == 2 and linkcap >> 4 & 0x3F == 16, "5 GT/s, x16"
    assert client.read32(CONFIG, 0x70) & 0xF == 3, "completion timeout ranges A and B"


def test_function_level_reset_cannot_be_asked_for(client):
    client.write(CONFIG, 0x54, struct.pack("<H", 0xFFFF))
    assert client.config16(0x54) == 0x7FFF


def test_msi_capability(client):
    control = client.config16(0x8A)
    assert control >> 1 & 7 == 4, "16 messages"
    assert control & 0x80, "64-bit"
    assert not control & 0x100, "no mask bits"


def test_msix_capability(client):
    assert client.config16(0x9A) & 0x7FF == 15
    assert client.read32(CONFIG, 0x9C) == 0x17000 | 4
    assert client.read32(CONFIG, 0xA0) == 0x18000 | 4


def test_aer_is_the_only_extended_capability(client):
    assert client.read32(CONFIG, 0x100) == 0x00010001


def test_read_only_bits_stay(client):
    before = client.read(CONFIG, 0, 64)
    for offset in (0x00, 0x08, 0x2C, 0x34):
        client.write32(CONFIG, offset, 0xFFFFFFFF)
    assert client.read(CONFIG, 0, 64) == before


def test_d1_and_d2_do_not_exist(client):
    for state in (1, 2):
        client.write(CONFIG, 0x48, bytes([state]))
        assert client.config16(0x48) & 3 == 0


def test_d3_switches_the_bars_off_and_d0_on(client):
    client.sbox_write(0xAB20, 0x12345678)
    client.write(CONFIG, 0x48, b"\x03")
    assert client.config16(0x48) & 3 == 3
    assert client.sbox(0xAB20) == 0xFFFFFFFF
    client.write(CONFIG, 0x48, b"\x00")
    assert client.sbox(0xAB20) == 0x12345678, "NoSoftRst: nothing is lost"


def test_memory_decoding_can_be_switched_off(client):
    assert client.config16(4) & 2, "on as vfio-pci leaves it"
    client.sbox_write(0xAB20, 0x12345678)
    client.write(CONFIG, 4, b"\x00\x00")
    assert client.sbox(0xAB20) == 0xFFFFFFFF
    client.sbox_write(0xAB20, 0)
    client.write(CONFIG, 4, b"\x02\x00")
    assert client.sbox(0xAB20) == 0x12345678


def test_accesses_of_any_length_and_beyond_the_end(client):
    whole = client.read(CONFIG, 0, 4096)
    assert whole[:4] == b"\x86\x80\x50\x22"
    with pytest.raises(OSError) as error:
        client.read(CONFIG, 4094, 4)
    assert error.value.errno == 22


def test_shadow_in_the_sbox(client):
    assert client.read32(BAR4, 0x15800) == client.read32(CONFIG, 0)
    assert client.read32(BAR4, 0x15808) == client.read32(CONFIG, 8)
    assert client.read32(BAR4, 0x1582C) == client.read32(CONFIG, 0x2C)
