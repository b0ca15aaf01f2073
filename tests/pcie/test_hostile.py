# SPDX-License-Identifier: BSD-3-Clause
"""Random and broken messages: the model must answer or hang up, and run on. X100_FUZZ_SECONDS makes it longer."""

import os
import random
import select
import struct
import time

import pytest

from vfio_user import BAR0, BAR4, CONFIG, HEADER, RESET, SET_IRQS, Gone, Refused
from window import SMPT, Memory

SECONDS = float(os.environ.get("X100_FUZZ_SECONDS", "3"))
INTERESTING = [0, 1, 2, 3, 4, 7, 8, 15, 16, 20, 24, 32, 0x7FF, 0x1000, 0xFFFF, 0x17000, 0x18000, 0x1FFFC, 1 << 20, 1 << 31]
INTERESTING += [0xFFFFFFFF, 0xFEE00000, 1 << 32, (1 << 33) - 4, 1 << 63, 2**64 - 1, 2**64 - 0x1000]


def number(dice, bits):
    value = dice.choice(INTERESTING) if dice.random() < 0.8 else dice.getrandbits(bits)
    return value & (1 << bits) - 1


def payload(dice, command):
    """Something that looks like the command's payload, with wild numbers."""
    if command in (9, 10):
        region = dice.choice([BAR0, BAR4, CONFIG, number(dice, 32)])
        count = dice.choice([1, 2, 4, 8, 64, number(dice, 32)])
        data = b"" if command == 9 else dice.randbytes(count if dice.random() < 0.9 and count < 4096 else dice.randrange(64))
        return struct.pack("<QII", number(dice, 64), region, count) + data
    if command == SET_IRQS:
        flags = dice.choice([33, 34, 36, 9, 17, number(dice, 32)])
        return struct.pack("<5I", number(dice, 32), flags, dice.randrange(7), number(dice, 32), dice.randrange(20))
    if command == 2:
        return struct.pack("<IIQQQ", 32, dice.randrange(5), *(number(dice, 64) & ~0xFFF for _ in range(3)))
    if command == 3:
        return struct.pack("<IIQQ", 24, dice.randrange(4), number(dice, 64), number(dice, 64))
    if command in (4, 5, 6, 7):
        return struct.pack("<IIIIQQ", number(dice, 32), dice.randrange(2), dice.randrange(12), 0, 0, 0)
    return dice.randbytes(dice.randrange(48))


def drain(client, seconds):
    while select.select([client.sock], [], [], seconds)[0]:
        if not client.sock.recv(1 << 20):
            raise Gone()
        seconds = 0


def make_room(client):
    """A server that cannot send reads no more either, so its answers have to be taken first."""
    while not select.select([], [client.sock], [], 0)[1]:
        drain(client, 0.1)


def one_message(dice, client, fds):
    command = dice.choice([*range(2, 8), 8, 8, 9, 9, 9, 10, 10, 10, 11, 12, 14, 0, dice.getrandbits(16)])
    if command == RESET:
        command = 9
    data = payload(dice, command)
    if dice.random() < 0.1:
        data = data[: dice.randrange(len(data) + 1)]
    passed = dice.sample(fds, dice.choice([0, 0, 0, 1, 2, 5]))
    flags = dice.choice([0, 0, 0, 0, 0x10, 0x1, 0x20, 0xFFFFFFF0])
    make_room(client)
    client.send(command, data, passed, flags=flags, ident=dice.getrandbits(16))
    drain(client, 0)


@pytest.mark.parametrize("seed", range(2))
def test_model_survives_random_messages(model, seed):
    dice = random.Random(seed)
    memory = os.memfd_create("host")
    os.ftruncate(memory, 1 << 16)
    sealed = Memory()
    fds = [memory, sealed.fd, sealed.fd, os.open("/dev/null", os.O_RDWR), *(os.eventfd(0, os.EFD_NONBLOCK) for _ in range(6))]
    end = time.monotonic() + SECONDS / 2
    messages = 0
    while time.monotonic() < end:
        client = model.client()
        try:
            client.bus_master()
            client.sbox_write(SMPT, 0)
            for _ in range(200):
                one_message(dice, client, fds)
                messages += 1
            if dice.random() < 0.5:
                make_room(client)
                client.sock.sendall(HEADER.pack(1, 9, number(dice, 32), 0, 0) + dice.randbytes(dice.randrange(100)))
        except (Gone, ConnectionError, Refused):
            pass
        client.close()
        assert model.alive(), model.text()
        model.bus.read(0x8007DAB20)
    assert messages > 100
    with model.client() as client:
        assert client.config16(0) == 0x8086
    sealed.view.close()
    for fd in set(fds):
        os.close(fd)
