# SPDX-License-Identifier: BSD-3-Clause
"""x100-io and x100-net as built for the host, with sanitizers: what they find and what they count.

Nothing is faked but the disk, which is a file, and the network, which is the loopback interface.
"""

import os
import re
import socket
import struct
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IO = os.path.join(TOP, "build/card-rootfs/sanitized/x100-io")
NET = os.path.join(TOP, "build/card-rootfs/sanitized/x100-net")

RIGHT, WRONG_DATA, USAGE, FAILED = 0, 1, 2, 3
SIZE, BLOCK = 1 << 20, 4096


def tool(path, *arguments, status=RIGHT):
    """Runs a tool; its key=value pairs, and what it complained about."""
    done = subprocess.run([path, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == status, f"{arguments}: {done.returncode}: {done.stdout}{done.stderr}"
    pairs = dict(pair.split("=") for pair in done.stdout.split() if "=" in pair)
    return {key: int(value) if value.isdigit() else value for key, value in pairs.items()}, done.stderr


# Block I/O. -B: the folder for temporary files may not know O_DIRECT.

@pytest.fixture(name="disk")
def fixture_disk(tmp_path):
    """A file that fill has written."""
    path = tmp_path / "disk"
    tool(IO, "fill", path, "-B", "-s", SIZE, "-q", 8)
    return path


def change(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def test_check_finds_what_fill_wrote(disk):
    result, _ = tool(IO, "check", disk, "-B", "-q", 32)
    assert (result["ops"], result["bytes"], result["bad"]) == (SIZE // BLOCK, SIZE, 0)
    assert result["ns"] > 0


def test_one_changed_byte_is_found(disk):
    change(disk, 77 * 512 + 300, b"\x00\xff")
    result, words = tool(IO, "check", disk, "-B", status=WRONG_DATA)
    assert result["bad"] == 1
    assert re.search(r"sector 77: torn or damaged: wrong from byte (296|304) on", words)


def test_misplaced_sector_is_named(disk):
    sector = disk.read_bytes()[512 * 9:512 * 10]
    change(disk, 512 * 40, sector)
    _, words = tool(IO, "check", disk, "-B", status=WRONG_DATA)
    assert "sector 40: holds sector 9 generation 1 seed 1" in words


def test_stale_sectors_are_named(disk):
    old = disk.read_bytes()
    tool(IO, "fill", disk, "-B", "-g", 2)
    change(disk, 512 * 8, old[512 * 8:512 * 16])
    result, words = tool(IO, "check", disk, "-B", "-g", 2, status=WRONG_DATA)
    assert result["bad"] == 8
    assert "sector 8: holds sector 8 generation 1 seed 1, not generation 2" in words


def test_data_of_another_run_is_found(disk):
    _, words = tool(IO, "check", disk, "-B", "-r", 2, status=WRONG_DATA)
    assert "seed 1, not generation 1 seed 2" in words


def test_zeros_are_no_data(tmp_path):
    path = tmp_path / "zeros"
    path.write_bytes(bytes(SIZE))
    result, _ = tool(IO, "check", path, "-B", status=WRONG_DATA)
    assert result["bad"] == SIZE // 512


@pytest.mark.parametrize("depth", [1, 32])
@pytest.mark.parametrize("block", [512, 4096, 65536])
def test_verify_reads_back_what_it_wrote(tmp_path, depth, block):
    result, words = tool(IO, "verify", tmp_path / "disk", "-B", "-s", "4M", "-b", block, "-q", depth, "-n", 2000, "-f", 100)
    assert result["bad"] == 0, words
    assert result["ops"] == 2000


@pytest.mark.parametrize("mode", ["randread", "randwrite", "read", "write"])
def test_speeds_count_requests_and_bytes(disk, mode):
    result, _ = tool(IO, mode, disk, "-B", "-q", 16, "-n", 1000)
    assert (result["mode"], result["ops"], result["bytes"]) == (mode, 1000, 1000 * BLOCK)
    assert disk.stat().st_size == SIZE


def test_speed_stops_after_the_time_asked_for(disk):
    result, _ = tool(IO, "randread", disk, "-B", "-t", 1)
    assert 900_000_000 < result["ns"] < 30_000_000_000


def test_file_for_reading_is_not_made(tmp_path):
    tool(IO, "check", tmp_path / "nothing", "-B", "-s", SIZE, status=FAILED)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("words", [
    ("fill",), ("polish", "x"), ("fill", "x", "-q", 0), ("fill", "x", "-b", 100), ("fill", "x", "-b", "4Q"),
    ("fill", "x", "-q", 100000), ("fill", "x", "-g", -1)])
def test_wrong_words_are_usage(tmp_path, words):
    tool(IO, *(tmp_path / word if word == "x" else word for word in words), status=USAGE)


# Network

@pytest.fixture(name="port", scope="module")
def fixture_port():
    """A server on a port of its own."""
    with subprocess.Popen([NET, "serve", "-p", "0", "-T", "20"], stdout=subprocess.PIPE, text=True) as server:
        yield int(server.stdout.readline().removeprefix("port="))
        server.terminate()


@pytest.mark.parametrize("mode", ["send", "recv"])
@pytest.mark.parametrize("count", [1, 65535, 65536, 5_000_000])
@pytest.mark.parametrize("plain", [[], ["-P"]])
def test_stream_arrives_whole(port, mode, count, plain):
    result, _ = tool(NET, mode, "127.0.0.1", "-p", port, "-n", count, "-r", 7, *plain)
    assert (result["mode"], result["bytes"], result["bad"]) == (mode, count, 0)


@pytest.mark.parametrize("mode", ["echo", "udp-echo"])
@pytest.mark.parametrize("size", [16, 64, 1472])
def test_round_trips_are_counted_and_timed(port, mode, size):
    result, _ = tool(NET, mode, "127.0.0.1", "-p", port, "-n", 50, "-z", size)
    assert (result["trips"], result["lost"], result["bad"]) == (50, 0, 0)
    assert 0 < result["least_ns"] <= result["mean_ns"] <= result["most_ns"]


@pytest.mark.parametrize("mode", ["udp-send", "udp-recv"])
def test_packets_are_counted(port, mode):
    # So few that a socket's buffer holds them all, however busy the machine.
    result, _ = tool(NET, mode, "127.0.0.1", "-p", port, "-n", 100)
    assert (result["packets"], result["sent"], result["bad"]) == (100, 100, 0)


def relayed(port, spoil):
    """The port of a relay to the server that passes what the client sends through spoil()."""
    listener = socket.create_server(("127.0.0.1", 0))
    if os.fork():
        relay_port = listener.getsockname()[1]
        listener.close()
        return relay_port
    try:
        client, _ = listener.accept()
        with socket.create_connection(("127.0.0.1", port)) as server:
            # The request is 40 bytes and goes through as it is.
            server.sendall(client.recv(40, socket.MSG_WAITALL))
            data = b""
            while len(data) < 100_000:
                data += client.recv(100_000 - len(data))
            server.sendall(spoil(data))
            client.sendall(server.recv(24, socket.MSG_WAITALL))
    finally:
        os._exit(0)


def test_one_wrong_byte_in_a_stream_is_found(port):
    spoiled = relayed(port, lambda data: data[:70_000] + bytes([data[70_000] ^ 1]) + data[70_001:])
    result, _ = tool(NET, "send", "127.0.0.1", "-p", spoiled, "-n", 100_000, status=WRONG_DATA)
    assert result["bad"] == 1
    os.wait()


def test_stream_that_ends_early_is_a_failure(port):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with subprocess.Popen([NET, "recv", "127.0.0.1", "-p", str(listener.getsockname()[1])],
                              stderr=subprocess.PIPE, text=True) as client:
            connection, _ = listener.accept()
            connection.recv(40, socket.MSG_WAITALL)
            connection.sendall(bytes(1000))
            connection.close()
            _, words = client.communicate(timeout=60)
    assert client.returncode == FAILED
    assert "closed the connection early" in words


def test_server_outlives_nonsense(port):
    for nonsense in (b"", b"GET / HTTP/1.0\r\n\r\n" + bytes(40), struct.pack("<QIIQQII", 0x31306e7430303178, 99, 64, 1, 1, 0, 0),
                     struct.pack("<QIIQQII", 0x31306e7430303178, 1, 1 << 31, 1, 1, 0, 0)):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(nonsense)
            connection.shutdown(socket.SHUT_WR)
            try:
                assert connection.recv(100) == b""
            except ConnectionResetError:
                pass
    tool(NET, "echo", "127.0.0.1", "-p", port, "-n", 1)


def test_silent_server_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _, words = tool(NET, "echo", "127.0.0.1", "-p", listener.getsockname()[1], "-T", 1, status=FAILED)
    assert "deadline" in words


def test_no_server_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    _, words = tool(NET, "send", "127.0.0.1", "-p", port, status=FAILED)
    assert "Connection refused" in words
