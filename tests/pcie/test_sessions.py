# SPDX-License-Identifier: BSD-3-Clause
"""Clients that come, go, die and misbehave; the socket file."""

import errno
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

import pytest

from vfio_user import (
    BAR0,
    BAR4,
    DIRTY_PAGES,
    GET_INFO,
    HEADER,
    MSIX,
    REGION_READ,
    REGION_WRITE,
    VERSION,
    Client,
    Gone,
    Refused,
    eventfd_wait,
    wait_until,
)

SCRATCH5 = 0x1AB34
WINDOW = 0x80_0000_0000


def test_version_answer(client):
    version, caps = client.server_version
    assert version == (0, 1)
    assert caps["capabilities"]["max_data_xfer_size"] == 1 << 20
    assert caps["capabilities"]["max_msg_fds"] >= 16


def test_lower_minor_version_is_taken(model):
    assert model.client(version=(0, 0)).server_version[0] == (0, 0)


def test_other_major_version_is_refused(model):
    with pytest.raises(Refused) as error:
        model.client(version=(1, 0))
    assert error.value.errno == errno.EINVAL
    model.client()


@pytest.mark.parametrize("text", [b"", b"{", b"[]\0", b"{}", b'{"capabilities":{"max_msg_fds":"x"}', b"\xff\xfe\0", b"{" * 2000 + b"\0"])
def test_bad_capabilities_are_refused_or_ignored(model, text):
    client = model.client(hello=False)
    ident = client.send(VERSION, struct.pack("<HH", 0, 1) + text)
    if text:
        with pytest.raises((Refused, Gone)):
            client.wait_reply(ident, VERSION)
    else:
        client.wait_reply(ident, VERSION)
    client.close()
    model.client()


@pytest.mark.parametrize("value", [-1, 0, 2**63 - 1, 1.5, None])
def test_odd_numbers_in_capabilities(model, value):
    client = model.client(hello=False)
    caps = {"capabilities": {"max_msg_fds": value, "max_data_xfer_size": value}}
    client.command(VERSION, struct.pack("<HH", 0, 1) + json.dumps(caps).encode() + b"\0")
    assert client.region_info(BAR0).mappable


def test_first_message_must_be_version(model):
    client = model.client(hello=False)
    with pytest.raises(Refused):
        client.device_info()
    with pytest.raises((Gone, ConnectionError)):
        client.receive()
    model.client()


def test_second_client_gets_ebusy_and_the_door(model, client):
    second = model.client(hello=False)
    with pytest.raises(Refused) as error:
        second.hello()
    assert error.value.errno == errno.EBUSY
    with pytest.raises((Gone, ConnectionError)):
        second.receive()
    assert client.config16(0) == 0x8086


def test_many_second_clients(model, client):
    for _ in range(50):
        with pytest.raises(Refused):
            model.client()
    assert client.config16(0) == 0x8086


def test_connections_that_say_nothing_do_not_take_the_place(model):
    silent = [model.client(hello=False) for _ in range(10)]
    assert model.client().config16(0) == 0x8086
    for client in silent:
        client.sock.settimeout(8)
        with pytest.raises((Gone, ConnectionError)):
            client.receive()


def test_client_that_follows_at_once_gets_in(model):
    for value in range(300):
        client = Client(model.socket)
        client.post(BAR4, SCRATCH5, struct.pack("<I", value))
        client.close()
        with Client(model.socket) as following:
            assert following.read32(BAR4, SCRATCH5) == value, "the last posted write was not lost"


CHILD = """
import os, sys
sys.path.insert(0, sys.argv[2])
from vfio_user import *
client = Client(sys.argv[1])
fd = os.memfd_create("host"); os.ftruncate(fd, 1 << 20); os.pwrite(fd, b"mine", 0)
client.bus_master(); client.dma_map(0, 1 << 20, fd)
client.sbox_write(0x3100, 0)
client.listen(MSIX, [os.eventfd(0) for _ in range(16)])
client.write32(BAR4, 0x1AB34, 0x5ca1ab1e)
exec(sys.argv[3])
print("ready", flush=True)
import time; time.sleep(60)
"""

LAST_WORDS = {
    "idle": "",
    "half a header": "client.sock.sendall(HEADER.pack(7, REGION_READ, 32, 0, 0)[:9])",
    "header only": "client.sock.sendall(HEADER.pack(7, REGION_WRITE, 16 + 16 + 4096, 0, 0))",
    "half a body": "client.sock.sendall(HEADER.pack(7, REGION_WRITE, 16 + 16 + 4096, 0, 0) + bytes(100))",
    "descriptors without the rest": "import socket, array; client.sock.sendmsg([HEADER.pack(7, SET_IRQS, 64, 0, 0)], "
    "[(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd] * 8))])",
    "answers not taken": "client.sock.setblocking(False)\n"
    "try:\n  while True: client.send(REGION_READ, struct.pack('<QII', 0, 0, 1 << 20))\nexcept BlockingIOError: pass",
}


@pytest.mark.parametrize("words", LAST_WORDS)
def test_killed_client_leaves_the_card_running_and_the_next_one_attaches(model, words):
    lib = os.path.dirname(sys.modules["vfio_user"].__file__)
    child = subprocess.Popen([sys.executable, "-c", CHILD, model.socket, lib, LAST_WORDS[words]], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    client = model.client()
    assert client.read32(BAR4, SCRATCH5) == 0x5CA1AB1E, "the card's state is as it was"
    assert not client.config16(4) & 4, "bus mastering is off"
    assert not client.config16(0x9A) & 0x8000, "MSI-X is off"
    client.bus_master()
    assert model.bus.read(WINDOW) == 0xFFFFFFFF, "the dead client's memory is gone"


def test_descriptors_of_dead_clients_are_closed(model):
    def count():
        return len(os.listdir(f"/proc/{model.process.pid}/fd"))

    with model.client() as client:
        client.config16(0)
    model.client().close()
    before = count()
    for _ in range(20):
        client = model.client()
        events = [os.eventfd(0) for _ in range(16)]
        client.listen(MSIX, events)
        memory = os.memfd_create("host")
        os.ftruncate(memory, 4096)
        client.dma_map(0, 4096, memory)
        client.set_irqs_fds = events
        with pytest.raises(Refused):
            client.command(GET_INFO, b"", [memory] * 20)
        for fd in [*events, memory]:
            os.close(fd)
        client.close()
    wait_until(lambda: count() <= before, what="all descriptors closed")


def test_half_a_message_stops_neither_the_card_nor_the_model(model, client):
    client.sock.sendall(HEADER.pack(7, REGION_WRITE, 16 + 16 + 4, 0, 0))
    start = time.monotonic()
    for index in range(100):
        model.bus.write(0x8007DAB20, index)
        assert model.bus.read(0x8007DAB20) == index
    assert time.monotonic() - start < 5
    with pytest.raises(Refused):
        model.client()
    client.sock.sendall(struct.pack("<QII", SCRATCH5, BAR4, 4) + struct.pack("<I", 0x11111111))
    client.wait_reply(7, REGION_WRITE)
    assert client.read32(BAR4, SCRATCH5) == 0x11111111


def test_message_in_single_bytes(client):
    data = HEADER.pack(9, REGION_READ, 32, 0, 0) + struct.pack("<QII", 0, 7, 2)
    for byte in data:
        client.sock.sendall(bytes([byte]))
    payload, _ = client.wait_reply(9, REGION_READ)
    assert payload[16:] == b"\x86\x80"


def test_many_messages_at_once_are_answered_in_order(client):
    request = b"".join(
        HEADER.pack(ident, REGION_READ, 32, 0, 0) + struct.pack("<QII", 0, 7, 2) for ident in range(1, 501)
    )
    client.sock.sendall(request)
    assert [client.receive()[0] for _ in range(500)] == list(range(1, 501))


@pytest.mark.parametrize("size", [0, 15, (1 << 20) + 81, 2**32 - 1])
def test_impossible_message_size_ends_the_connection(model, client, size):
    client.sock.sendall(HEADER.pack(1, REGION_READ, size, 0, 0))
    with pytest.raises((Gone, ConnectionError)):
        client.receive()
    model.client()


@pytest.mark.parametrize("command", [0, VERSION, 11, DIRTY_PAGES, 15, 0xFFFF])
def test_unknown_command_is_an_error_answer(client, command):
    with pytest.raises(Refused) as error:
        client.command(command, b"\0" * 32)
    assert error.value.errno in (errno.ENOTSUP, errno.EINVAL)
    assert client.config16(0) == 0x8086


@pytest.mark.parametrize("command", range(2, 14))
def test_short_payload_is_an_error_answer(client, command):
    for length in (0, 1, 7):
        if command != 13:
            with pytest.raises(Refused):
                client.command(command, b"\1" * length)
    assert client.config16(0) == 0x8086


def test_lying_counts_are_refused(client):
    for payload in (
        struct.pack("<QII", 0, BAR0, 8) + b"1234",
        struct.pack("<QII", 0, BAR0, 4) + b"12345678",
        struct.pack("<QII", 0, BAR0, 2**32 - 1),
    ):
        with pytest.raises(Refused):
            client.command(REGION_WRITE, payload)
    with pytest.raises(Refused):
        client.command(REGION_READ, struct.pack("<QII", 0, BAR0, 4) + b"more")


def test_more_descriptors_than_allowed(client):
    fd = os.memfd_create("x")
    with pytest.raises(Refused) as error:
        client.command(GET_INFO, struct.pack("<IIII", 16, 0, 0, 0), [fd] * 60)
    assert error.value.errno == errno.E2BIG
    os.close(fd)
    assert client.device_info()[0] == 3


def test_socket_is_private_and_its_folder_is_made(start, tmp_path):
    model = start(socket=tmp_path / "deep" / "er" / "card.sock")
    assert stat.S_IMODE(os.stat(model.socket).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(tmp_path / "deep").st_mode) == 0o700


def test_socket_is_removed_at_the_end(model):
    assert model.stop() == 0
    assert not os.path.exists(model.socket)
    assert not os.path.exists(model.socket + ".lock")


def test_socket_of_a_killed_model_is_replaced(start, tmp_path):
    path = tmp_path / "card.sock"
    first = start(socket=path)
    first.process.kill()
    first.process.wait()
    assert path.exists()
    second = start(socket=path, wait=False)
    wait_until(lambda: not second.alive() or second.process.poll() is None and can_connect(path), what="second model")
    assert Client(str(path)).config16(0) == 0x8086


def can_connect(path):
    try:
        Client(str(path)).close()
    except OSError:
        return False
    return True


def test_socket_of_a_living_model_is_not_stolen(model, start):
    second = start(socket=model.socket, wait=False)
    assert second.process.wait(20) == 1
    assert "another model is running" in second.text() and model.socket in second.text()
    assert model.client().config16(0) == 0x8086


def test_socket_of_another_program_is_not_stolen(start, tmp_path):
    path = tmp_path / "card.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen(1)
        second = start(socket=path, wait=False)
        assert second.process.wait(20) == 1
        assert "another program is listening" in second.text()
        assert path.exists()


def test_path_that_is_no_socket_is_left_alone(start, tmp_path):
    path = tmp_path / "precious"
    path.write_text("data")
    model = start(socket=path, wait=False)
    assert model.process.wait(20) == 1
    assert "not a socket" in model.text()
    assert path.read_text() == "data"


def test_path_that_is_too_long_is_a_clear_error(start, tmp_path):
    model = start(socket=tmp_path / ("x" * 120), wait=False)
    assert model.process.wait(20) == 1
    assert "too long" in model.text()


def test_event_of_the_previous_client_is_not_delivered_to_the_next(model, client):
    events = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(16)]
    client.bus_master()
    client.listen(MSIX, events)
    client.write32(BAR4, 0x17000 + 12, 1)
    client.sbox_write(0x9044, 1)
    client.sbox_write(0x9014, 0xFF0F)
    client.sbox_write(0x900C, 0xFF0F)
    client.sbox_write(0x9008, 1)
    assert client.read32(BAR4, 0x18000) == 1
    client.close()
    following = model.client()
    assert following.read32(BAR4, 0x18000) == 0
    following.bus_master()
    following.listen(MSIX, events)
    assert eventfd_wait(events[0], 0.2) == 0
    for fd in events:
        os.close(fd)
