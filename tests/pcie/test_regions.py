# SPDX-License-Identifier: BSD-3-Clause
"""BAR0 and BAR4: what is there, how wide, through mmap and through the socket."""

import mmap
import os
import struct

import pytest

from vfio_user import BAR0, BAR4, CONFIG, GET_REGION_IO_FDS, Refused

GIB = 1 << 30
TOP_1G = GIB * 31 // 32
SCRATCH = 0x1AB20


def test_device_info(client):
    flags, regions, irqs = client.device_info()
    assert flags == 3, "PCI, can be reset"
    assert regions == 9 and irqs == 5


def test_regions(client):
    sizes = [client.region_info(index).size for index in range(9)]
    assert sizes == [8 * GIB, 0, 0, 0, 128 << 10, 0, 0, 4096, 0]
    with pytest.raises(Refused):
        client.region_info(9)


def test_only_bar0_can_be_mapped(client):
    assert [client.region_info(index).mappable for index in (BAR0, BAR4, CONFIG)] == [True, False, False]


def test_mappable_area_ends_at_the_visible_gddr(client):
    info = client.region_info(BAR0)
    assert info.areas == [(0, TOP_1G)]
    assert len(info.fds) == 1
    os.close(info.fds[0])


def test_eight_gib_have_a_hole_below_4_gib(start):
    client = start(gddr="8G").client()
    info = client.region_info(BAR0)
    assert info.areas == [(0, 0xFEE00000), (4 * GIB, 8 * GIB * 31 // 32 - 4 * GIB)]
    assert len(info.fds) == 2
    low = mmap.mmap(info.fds[0], 4096, offset=info.offset)
    high = mmap.mmap(info.fds[1], 4096, offset=info.offset + 4 * GIB)
    low[:4], high[:4] = b"low.", b"high"
    assert client.read(BAR0, 0, 4) == b"low."
    assert client.read(BAR0, 4 * GIB, 4) == b"high"
    assert client.read(BAR0, 0xFEE00000, 8) == b"\xff" * 8
    for fd in info.fds:
        os.close(fd)


def test_client_that_takes_one_descriptor_gets_one(start):
    client = start(gddr="8G").client(max_fds=None)
    info = client.region_info(BAR0)
    assert len(info.areas) == 2 and len(info.fds) == 1
    os.close(info.fds[0])


def test_short_reply_buffer_is_told_the_size(client):
    info = client.region_info(BAR0, argsz=32)
    assert info.mappable and not info.areas and not info.fds


def test_mapped_view_and_socket_view_are_the_same_memory(client):
    view = client.map_bar0()
    for at in (0, 0x1000, 0x4000000, TOP_1G - 8):
        view[at : at + 8] = struct.pack("<Q", 0x0123456789ABCDEF ^ at)
        assert client.read(BAR0, at, 8) == struct.pack("<Q", 0x0123456789ABCDEF ^ at)
        client.write(BAR0, at, b"backward")
        assert view[at : at + 8] == b"backward"
    view.close()


def test_card_sees_what_the_host_wrote(model, client):
    view = client.map_bar0()
    view[0x4000000:0x4000004] = struct.pack("<I", 0xCAFEF00D)
    assert model.bus.read(0x4000000) == 0xCAFEF00D
    model.bus.write(0x4000004, 0x600DF00D)
    assert client.read32(BAR0, 0x4000004) == 0x600DF00D
    view.close()


def test_gddr_file_cannot_be_shortened_by_the_client(client):
    info = client.region_info(BAR0)
    with pytest.raises(PermissionError):
        os.ftruncate(info.fds[0], 4096)
    os.close(info.fds[0])


def test_a_mebibyte_in_one_message(client):
    data = os.urandom(1 << 20)
    client.write(BAR0, 0x100000, data)
    assert client.read(BAR0, 0x100000, 1 << 20) == data
    with pytest.raises(Refused):
        client.read(BAR0, 0, (1 << 20) + 1)


def test_above_gddr_reads_give_ones_and_writes_vanish(model, client):
    assert client.read(BAR0, TOP_1G, 16) == b"\xff" * 16
    client.write(BAR0, 4 * GIB, b"lost")
    assert client.read(BAR0, 4 * GIB, 4) == b"\xff" * 4
    assert "no GDDR there" in model.guest_errors()


def test_access_across_the_top_is_split(client):
    client.write(BAR0, TOP_1G - 4, b"lastlost")
    assert client.read(BAR0, TOP_1G - 4, 8) == b"last\xff\xff\xff\xff"


def test_access_beyond_the_bar_is_an_error(client):
    for region, offset, count in ((BAR0, 8 * GIB - 4, 8), (BAR4, 0x20000, 4), (BAR0, 2**64 - 4, 8), (1, 0, 4), (77, 0, 4)):
        with pytest.raises(Refused):
            client.read(region, offset, count)


def test_registers_are_32_bits_wide(model, client):
    client.write32(BAR4, SCRATCH, 0x11223344)
    for offset, count in ((SCRATCH, 1), (SCRATCH, 2), (SCRATCH + 2, 4), (SCRATCH, 16)):
        with pytest.raises(Refused):
            client.read(BAR4, offset, count)
        with pytest.raises(Refused):
            client.write(BAR4, offset, b"\0" * count)
    assert client.read32(BAR4, SCRATCH) == 0x11223344
    assert "32 bits wide" in model.guest_errors()


def test_64_bits_are_two_registers_low_first(client):
    client.write(BAR4, SCRATCH, struct.pack("<II", 0xAAAA0001, 0xBBBB0002))
    assert client.read32(BAR4, SCRATCH) == 0xAAAA0001
    assert client.read32(BAR4, SCRATCH + 4) == 0xBBBB0002
    assert client.read(BAR4, SCRATCH, 8) == struct.pack("<II", 0xAAAA0001, 0xBBBB0002)


def test_empty_access_is_fine(client):
    assert client.read(BAR4, 0, 0) == b""
    client.write(BAR0, 0, b"")


def test_posted_writes_need_no_answer(client):
    for value in range(100):
        client.post(BAR4, SCRATCH, struct.pack("<I", value))
    assert client.read32(BAR4, SCRATCH) == 99


def test_no_ioeventfds_are_offered(client):
    data, fds = client.command(GET_REGION_IO_FDS, struct.pack("<IIII", 16, 0, BAR4, 0))
    assert struct.unpack("<IIII", data) == (16, 0, BAR4, 0) and not fds


def test_traced_mode_offers_no_mapping(start):
    client = start(trace="on").client()
    info = client.region_info(BAR0)
    assert not info.mappable and not info.areas and not info.fds
    client.write(BAR0, 0x1000, b"still works")
    assert client.read(BAR0, 0x1000, 11) == b"still works"
