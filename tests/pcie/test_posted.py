# SPDX-License-Identifier: BSD-3-Clause
"""Posted writes: commands sent with No_reply, as a driver rings doorbells."""

import os
import struct
import threading
import time

import pytest

from vfio_user import BAR4, F_NO_REPLY, HEADER, REGION_WRITE, SET_IRQS, Gone, wait_until

SCRATCH5, RDMASR0 = 0x1AB34, 0x1B180
WINDOW = 0x80_0000_0000


def posted(offset, value, ident=1):
    payload = struct.pack("<QIII", offset, BAR4, 4, value)
    return HEADER.pack(ident, REGION_WRITE, HEADER.size + len(payload), F_NO_REPLY, 0) + payload


def rung(model):
    return model.property("x100-counters")["host-rdmasr-writes"]


def test_nothing_answers_a_posted_write(client):
    client.post(BAR4, SCRATCH5, struct.pack("<I", 7))
    assert client.read32(BAR4, SCRATCH5) == 7, "the first answer is that of the read"


@pytest.mark.parametrize(
    "command,payload",
    [
        (REGION_WRITE, struct.pack("<QIIH", SCRATCH5, BAR4, 2, 1)),
        (REGION_WRITE, struct.pack("<QII", 1 << 40, BAR4, 4) + bytes(4)),
        (REGION_WRITE, b"short"),
        (SET_IRQS, bytes(20)),
        (999, b""),
    ],
    ids=["width", "outside", "too short", "bad interrupts", "unknown"],
)
def test_failure_of_a_posted_command_is_logged_only(model, client, command, payload):
    client.send(command, payload, flags=F_NO_REPLY)
    assert client.config16(0) == 0x8086
    assert f"command {command} without an answer failed" in model.guest_errors()


def test_descriptors_of_a_posted_command_are_closed(model, client):
    def count():
        return len(os.listdir(f"/proc/{model.process.pid}/fd"))

    before = count()
    fd = os.memfd_create("x")
    for _ in range(20):
        client.send(REGION_WRITE, struct.pack("<QIII", SCRATCH5, BAR4, 4, 1), [fd] * 40, flags=F_NO_REPLY)
    os.close(fd)
    assert client.config16(0) == 0x8086
    wait_until(lambda: count() <= before, what="all descriptors closed")


def test_burst_of_doorbells_arrives_whole(model, client):
    """More than the socket holds, from one call: the model must take them while it goes on with everything else."""
    before = rung(model)
    doorbells = b"".join(posted(RDMASR0 + 4 * (n % 8), 0) for n in range(50000))
    sender = threading.Thread(target=client.sock.sendall, args=[doorbells])
    sender.start()
    for value in range(100):
        model.bus.write(0x8007DAB20, value)
        assert model.bus.read(0x8007DAB20) == value
    sender.join()
    assert client.config16(0) == 0x8086
    assert rung(model) - before == 50000


def test_posted_writes_keep_their_order(client):
    client.sock.sendall(b"".join(posted(SCRATCH5, n) for n in range(3000)))
    assert client.read32(BAR4, SCRATCH5) == 2999


def test_posted_writes_while_the_model_waits_for_memory(model, client):
    """The card reads host memory by message; the client rings 5000 times before it answers."""
    client.bus_master()
    client.dma_map(0, 0x1000)
    client.sbox_write(0x3100, 0)
    before = rung(model)
    values = []
    reader = threading.Thread(target=lambda: values.append(model.bus.read(WINDOW)))

    def answer(write, address, count):
        client.sock.sendall(b"".join(posted(RDMASR0, 0) for _ in range(5000)))
        return b"late"

    client.dma_handler = answer
    reader.start()
    assert client.pump(5)
    reader.join()
    assert values == [struct.unpack("<I", b"late")[0]]
    assert client.config16(0) == 0x8086
    assert rung(model) - before == 5000


def test_client_that_queues_without_end_while_it_owes_an_answer_is_dropped(model, client):
    client.bus_master()
    client.dma_map(0, 0x1000)
    client.sbox_write(0x3100, 0)
    reader = threading.Thread(target=lambda: model.bus.read(WINDOW))

    def answer(write, address, count):
        large = struct.pack("<QII", 0, 0, 1 << 20) + bytes(1 << 20)
        for _ in range(20):
            client.send(REGION_WRITE, large, flags=F_NO_REPLY)
        return bytes(count)

    client.dma_handler = answer
    reader.start()
    start = time.monotonic()
    with pytest.raises((Gone, ConnectionError)):
        client.pump(5)
        client.config16(0)
    reader.join()
    assert time.monotonic() - start < 5
    assert model.client().config16(0) == 0x8086
