# SPDX-License-Identifier: BSD-3-Clause
"""Host memory for the card: DMA mappings behind the SMPT window (x100-hardware.md 2.4)."""

import errno
import mmap
import os
import struct
import threading
import time

import pytest

from vfio_user import DMA_F_READ, DMA_F_WRITE, UNMAP_ALL, Refused

WINDOW = 0x80_0000_0000
PAGE = 1 << 34
SMPT = 0x3100
ONES = 0xFFFFFFFF


@pytest.fixture
def host(client):
    """A client with bus mastering and SMPT entry 3 pointing at host address 0."""
    client.bus_master()
    client.sbox_write(SMPT + 4 * 3, 0)
    return client


@pytest.fixture
def memory():
    fd = os.memfd_create("host")
    os.ftruncate(fd, 1 << 20)
    view = mmap.mmap(fd, 1 << 20)
    yield fd, view
    view.close()
    os.close(fd)


def seen(host_address):
    return WINDOW + 3 * PAGE + host_address


def test_card_reads_and_writes_mapped_memory(model, host, memory):
    fd, view = memory
    host.dma_map(0x10000, 1 << 20, fd)
    view[0x40:0x44] = b"host"
    assert model.bus.read(seen(0x10040)) == struct.unpack("<I", b"host")[0]
    model.bus.write(seen(0x10FF0), 0xCA4D0001)
    assert view[0xFF0:0xFF4] == struct.pack("<I", 0xCA4D0001)


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_every_width(model, host, memory, size):
    fd, view = memory
    host.dma_map(0, 1 << 20, fd)
    view[0:16] = bytes(range(0x10, 0x20))
    assert model.bus.read(seen(8), size) == int.from_bytes(bytes(range(0x18, 0x18 + size)), "little")
    model.bus.write(seen(0x100), 0x8877665544332211 & (1 << 8 * size) - 1, size)
    assert view[0x100 : 0x100 + size + 1] == struct.pack("<Q", 0x8877665544332211)[:size] + b"\0"


def test_smpt_entry_selects_the_host_page(model, host, memory):
    fd, view = memory
    host.dma_map(5 * PAGE, 1 << 20, fd)
    view[0:4] = b"high"
    host.sbox_write(SMPT + 4 * 31, 5 << 2)
    assert model.bus.read(WINDOW + 31 * PAGE) == struct.unpack("<I", b"high")[0]


def test_mapping_starts_at_its_offset_in_the_file(model, host, memory):
    fd, view = memory
    view[0x3000:0x3004] = b"page"
    host.dma_map(0x1000, 0x1000, fd, offset=0x3000)
    assert model.bus.read(seen(0x1000)) == struct.unpack("<I", b"page")[0]


def test_access_outside_every_mapping_is_refused(model, host, memory):
    fd, view = memory
    host.dma_map(0x10000, 0x1000, fd)
    for address in (0xFFFC, 0x11000, 0x3_0000_0000):
        assert model.bus.read(seen(address)) == ONES
        model.bus.write(seen(address), 0)
    assert view[:0x1000] == b"\0" * 0x1000
    assert "not mapped by the host" in model.guest_errors()
    assert host.config16(6) & 1 << 13, "received master abort"
    host.write(7, 6, b"\x00\x20")
    assert not host.config16(6) & 1 << 13, "and it can be cleared"


def test_mapping_ends_with_its_last_byte(model, host, memory):
    fd, view = memory
    host.dma_map(0, 0x1000, fd)
    view[0xFF8:0x1000] = b"\1" * 8
    assert model.bus.read(seen(0xFFC)) == 0x01010101
    assert model.bus.read(seen(0xFF8), 8) == 0x0101010101010101
    assert model.bus.read(seen(0x1000)) == ONES


def test_adjacent_mappings_are_separate(model, host, memory):
    fd, view = memory
    view[0:4], view[0x1000:0x1004] = b"1st.", b"2nd."
    host.dma_map(0x2000, 0x1000, fd, offset=0)
    host.dma_map(0x1000, 0x1000, fd, offset=0x1000)
    assert model.bus.read(seen(0x2000)) == struct.unpack("<I", b"1st.")[0]
    assert model.bus.read(seen(0x1000)) == struct.unpack("<I", b"2nd.")[0]


def test_permissions(model, host, memory):
    fd, view = memory
    host.dma_map(0x0000, 0x1000, fd, flags=DMA_F_READ)
    host.dma_map(0x1000, 0x1000, fd, offset=0x1000, flags=DMA_F_WRITE)
    model.bus.write(seen(0x10), 1)
    assert view[0x10:0x14] == b"\0" * 4
    assert model.bus.read(seen(0x1010)) == ONES
    model.bus.write(seen(0x1010), 2)
    assert view[0x1010:0x1014] == b"\2\0\0\0"
    assert "not permitted" in model.guest_errors()


def test_read_only_file_can_be_mapped_for_reading(model, host, tmp_path):
    path = tmp_path / "rom"
    path.write_bytes(b"rom." * 1024)
    with open(path, "rb") as file:
        with pytest.raises(Refused):
            host.dma_map(0, 4096, file.fileno())
        host.dma_map(0, 4096, file.fileno(), flags=DMA_F_READ)
    assert model.bus.read(seen(0)) == struct.unpack("<I", b"rom.")[0]


def test_unmap(model, host, memory):
    fd, _ = memory
    host.dma_map(0, 0x1000, fd)
    host.dma_map(0x1000, 0x1000, fd, offset=0x1000)
    with pytest.raises(Refused) as error:
        host.dma_unmap(0, 0x2000)
    assert error.value.errno == errno.ENOENT
    host.dma_unmap(0, 0x1000)
    assert model.bus.read(seen(0)) == ONES
    assert model.bus.read(seen(0x1000)) == 0
    host.dma_unmap(0, 0, UNMAP_ALL)
    assert model.bus.read(seen(0x1000)) == ONES


@pytest.mark.parametrize("address,size", [(0x1000, 0x1000), (0, 0x1001), (0x1FFF, 1), (0x1800, 0x10000), (0, 0x4000)])
def test_overlap_is_refused(host, memory, address, size):
    fd, _ = memory
    host.dma_map(0x1000, 0x1000, fd)
    with pytest.raises(Refused) as error:
        host.dma_map(address, size, fd)
    assert error.value.errno == errno.EEXIST


@pytest.mark.parametrize(
    "address,size,offset,flags",
    [
        (0, 0, 0, 3),
        (2**64 - 0x1000, 0x2000, 0, 3),
        (0, 2**64 - 1, 0, 3),
        (0, 0x1000, 0x800, 3),
        (0, 0x1000, 1 << 20, 3),
        (0, 0x2000, (1 << 20) - 0x1000, 3),
        (0, 0x1000, 2**63, 3),
        (0, 0x1000, 0, 0),
        (0, 0x1000, 0, 7),
    ],
)
def test_bad_mapping_is_refused(host, memory, address, size, offset, flags):
    fd, _ = memory
    with pytest.raises(Refused):
        host.dma_map(address, size, fd, offset, flags)
    host.dma_map(0, 0x1000, fd)


def test_last_byte_of_the_address_space_can_be_mapped(host, memory):
    fd, _ = memory
    host.dma_map(2**64 - 0x1000, 0x1000, fd)
    host.dma_unmap(2**64 - 0x1000, 0x1000)


def test_too_many_mappings(host):
    for index in range(4096):
        host.dma_map(index * 0x2000, 0x1000)
    with pytest.raises(Refused) as error:
        host.dma_map(4096 * 0x2000, 0x1000)
    assert error.value.errno == errno.ENOSPC


def test_without_bus_mastering_the_card_reaches_nothing(model, host, memory):
    fd, _ = memory
    host.dma_map(0, 0x1000, fd)
    host.bus_master(False)
    assert model.bus.read(seen(0)) == ONES
    assert "bus mastering" in model.guest_errors()
    host.bus_master()
    assert model.bus.read(seen(0)) == 0


def test_without_a_client_the_card_reaches_nothing(model):
    assert model.bus.read(WINDOW) == ONES
    assert model.alive()


def test_file_cut_short_under_the_mapping_only_fails_the_access(model, host, memory):
    fd, _ = memory
    host.dma_map(0, 1 << 20, fd)
    os.ftruncate(fd, 0x1000)
    assert model.bus.read(seen(0)) == 0
    assert model.bus.read(seen(0x8000)) == ONES
    model.bus.write(seen(0x8000), 1)
    assert "took the memory away" in model.guest_errors()
    os.ftruncate(fd, 1 << 20)
    assert model.bus.read(seen(0x8000)) == 0
    assert model.alive()


class Served:
    """Serves DMA messages of a client in a thread, from a dictionary-like bytearray."""

    def __init__(self, client):
        self.client = client
        self.memory = bytearray(0x4000)
        client.dma_handler = self.handle
        self.stop = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def handle(self, write, address, data):
        if address >= 0x3000:
            raise OSError(errno.EACCES, "not this page")
        if write:
            self.memory[address : address + len(data)] = data
            return b""
        return bytes(self.memory[address : address + data])

    def run(self):
        while not self.stop:
            self.client.pump(0.05)

    def end(self):
        self.stop = True
        self.thread.join()


@pytest.fixture
def served(host):
    host.dma_map(0, 0x4000)
    server = Served(host)
    yield server
    server.end()


def test_memory_without_a_descriptor_is_reached_by_message(model, host, served):
    served.memory[0x20:0x28] = b"messages"
    assert model.bus.read(seen(0x20), 8) == struct.unpack("<Q", b"messages")[0]
    model.bus.write(seen(0x30), 0x1234, 2)
    assert served.memory[0x2F:0x33] == b"\0\x34\x12\0"
    assert host.dma_log == [(False, 0x20, 8), (True, 0x30, b"\x34\x12")]


def test_error_answer_refuses_the_access(model, served):
    assert model.bus.read(seen(0x3000)) == ONES
    assert model.bus.read(seen(0x2000)) == 0


def test_dma_message_while_the_client_waits_for_an_answer(model, host):
    """The card's CPU reads host memory while the host waits for a register: both must go on."""
    host.dma_map(0, 0x4000)
    host.dma_handler = lambda write, address, data: b"\x5a" * data if not write else b""
    values = []
    reader = threading.Thread(target=lambda: values.extend(model.bus.read(seen(4 * i)) for i in range(200)))
    reader.start()
    while reader.is_alive():
        assert host.config16(0) == 0x8086
    reader.join()
    assert values == [0x5A5A5A5A] * 200


def test_client_that_does_not_answer_is_refused_and_may_come_back(model, host):
    host.dma_map(0, 0x4000)
    start = time.monotonic()
    assert model.bus.read(seen(0)) == ONES
    assert time.monotonic() - start < 2
    assert "does not answer" in model.guest_errors()
    start = time.monotonic()
    assert [model.bus.read(seen(0)) for _ in range(100)] == [ONES] * 100
    assert time.monotonic() - start < 2, "a deaf client is not asked again"
    host.dma_handler = lambda write, address, data: b"late"[:data]
    assert host.config16(0) == 0x8086, "registers still answer, the late request is answered on the way"
    host.config16(0)
    server = Served(host)
    try:
        server.memory[0:4] = b"back"
        assert model.bus.read(seen(0)) == struct.unpack("<I", b"back")[0]
    finally:
        server.end()


def test_client_that_dies_while_asked(model, host):
    host.dma_map(0, 0x4000)

    def die(write, address, data):
        host.sock.shutdown(2)
        raise OSError(errno.EIO, "gone")

    host.dma_handler = die
    thread = threading.Thread(target=lambda: pytest.raises(OSError, host.pump, 5))
    thread.start()
    assert model.bus.read(seen(0)) == ONES
    thread.join()
    assert model.client().config16(0) == 0x8086


def test_answer_for_another_address_is_refused(model, host):
    host.dma_map(0, 0x4000)

    def answer():
        ident, cmd, *_ = host.receive()
        body = struct.pack("<QQ", 0x1000, 4) + b"evil"
        host.sock.sendall(struct.pack("<HHIII", ident, cmd, 16 + len(body), 1, 0) + body)

    thread = threading.Thread(target=answer)
    thread.start()
    assert model.bus.read(seen(0)) == ONES
    thread.join()
    assert host.config16(0) == 0x8086
