# SPDX-License-Identifier: BSD-3-Clause
"""A client that goes while the card works, and the next one: what is gone, what stays, and that neither this nor
resets, in any order, harm the card or leave anything behind. X100_SOAK_SECONDS makes the last test longer."""

import os
import pathlib
import random
import time

import pytest

from vfio_user import BAR4, MSIX, eventfd_wait, wait_until
from window import INCREMENT, ONES, SBOX, SMPT, WINDOW, WRITE_THEN_READ, Memory

SECONDS = float(os.environ.get("X100_SOAK_SECONDS", "3"))
RGCR = 0x4010
SICR, SICE, SIAC, MXAR0, SDBIC0 = 0x9004, 0x900C, 0x9014, 0x9044, 0xCC90
ICR0, RDMASR0, SCRATCH5 = 0xA9D0, 0xB180, 0xAB34
RING = 0x80000000


@pytest.fixture
def events():
    fds = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(16)]
    yield fds
    for fd in fds:
        os.close(fd)


def next_client(card):
    card.host.close()
    card.host = card.client()
    return card.host


def route(host):
    """Doorbell 0 to vector 0, cleared by its message."""
    host.sbox_write(MXAR0, 1)
    host.sbox_write(SIAC, 0xFF0F)
    host.sbox_write(SICE, 0xFF0F)


def test_registers_that_stay(card):
    written = {SMPT + 4 * n: n << 2 for n in range(32)} | {MXAR0 + 4 * n: 1 << n % 4 for n in range(16)}
    written |= {SIAC: 0xFF0F, SICE: 0x0F, ICR0: 0x45, ICR0 + 4: 3, SCRATCH5: 0x1234}
    for offset, value in written.items():
        card.host.sbox_write(offset, value)
    host = next_client(card)
    assert {offset: host.sbox(offset) for offset in written} == written


def test_what_goes(card, memory, events):
    host = card.host
    host.dma_map(0, 1 << 20, memory.fd)
    host.listen(MSIX, events)
    host = next_client(card)
    assert not host.config16(4) & 4, "bus mastering"
    assert not host.config16(0x9A) & 0x8000, "MSI-X"
    assert all(host.read32(BAR4, 0x17000 + 16 * vector + 12) == 1 for vector in range(16)), "vectors are masked"
    host.bus_master()
    assert card.cpu.read(WINDOW) == ONES
    assert card.counters()["direct-mappings"] == 0


def test_running_card_sees_fresh_memory_at_the_old_address(card):
    old, new = Memory(), Memory()
    old.put(1)
    new.put(2)
    card.host.dma_map(0x10000, 1 << 20, old.fd)
    assert card.cpu.read(WINDOW + 0x10000) == 1
    host = next_client(card)
    host.dma_map(0x10000, 1 << 20, new.fd)
    assert card.cpu.read(WINDOW + 0x10000) == ONES, "no bus mastering yet"
    host.bus_master()
    assert card.cpu.read(WINDOW + 0x10000) == 2
    card.cpu.write(WINDOW + 0x10000, 3)
    assert (old.get(), new.get()) == (1, 3)
    assert card.counters()["direct-mappings"] == 1
    old.close()
    new.close()


@pytest.mark.parametrize("listen_first", [True, False])
def test_doorbell_rung_meanwhile_is_delivered_to_the_next_client(card, events, listen_first):
    card.host.listen(MSIX, events)
    route(card.host)
    card.host.close()
    for _ in range(3):
        card.cpu.do(WRITE_THEN_READ, SBOX + SDBIC0, RING, 0x600)
    host = card.host = card.client()
    assert host.sbox(SICR) & 1
    if listen_first:
        host.listen(MSIX, events)
        assert eventfd_wait(events[0], 0.1) == 0
        host.bus_master()
    else:
        host.bus_master()
        host.listen(MSIX, events)
    assert eventfd_wait(events[0]) == 1, "once"
    assert host.sbox(SICR) & 1 == 0, "auto-clear"
    host.sbox_write(SICE, 1)
    card.bus.write(SBOX + SDBIC0, RING)
    assert eventfd_wait(events[0]) == 1


def test_card_that_works_in_host_memory_through_twenty_clients(card, memory):
    card.cpu.begin(INCREMENT, WINDOW)
    for _ in range(20):
        card.host.dma_map(0, 1 << 20, memory.fd)
        card.host.bus_master()
        before = memory.get()
        wait_until(lambda: memory.get() != before, step=0, what="the CPU writing")
        card.host.close()
        card.host = card.client()
    card.cpu.stop()


def back(card):
    wait_until(lambda: card.phase() == "running", what="the card being back")
    card.cpu.clear()
    card.train()
    card.cpu.go()
    card.host.sbox_write(SMPT, 0)


def reset_rgcr(card):
    card.host.sbox_write(RGCR, 1)
    back(card)


def reset_platform(card):
    card.host.reset()
    back(card)


@pytest.mark.parametrize("how", [reset_rgcr, reset_platform])
def test_reset_loop_with_memory_and_doorbells_in_use(card, memory, events, how):
    card.host.dma_map(0, 1 << 20, memory.fd)
    card.host.listen(MSIX, events)
    for _ in range(30):
        route(card.host)
        before = memory.get()
        card.cpu.begin(INCREMENT, WINDOW)
        wait_until(lambda: memory.get() != before, step=0, what="the CPU writing")
        card.bus.write(SBOX + SDBIC0, RING)
        assert eventfd_wait(events[0]) >= 1
        how(card)
        assert card.host.sbox(SICE) == 0
    assert card.cpu.read(WINDOW) == memory.get()


def test_resets_while_a_reset_is_under_way(card):
    for _ in range(100):
        card.host.post(BAR4, 0x10000 + RGCR, b"\1\0\0\0")
        card.host.reset()
        card.host.post(BAR4, 0x10000 + RGCR, b"\1\0\0\0")
    wait_until(lambda: card.phase() == "running", what="the card being back")
    back(card)
    assert card.cpu.read(WINDOW) == ONES


class Disorder:
    """Random things a client and a card do, one after the other."""

    def __init__(self, card, events, seed):
        self.card, self.events, self.dice = card, events, random.Random(seed)
        self.files = [Memory() for _ in range(4)]
        self.mapped = {}

    def map(self):
        index = self.dice.randrange(4)
        if index not in self.mapped:
            self.card.host.dma_map(index << 21, 1 << 20, self.files[index].fd)
            self.mapped[index] = True

    def unmap(self):
        if self.mapped:
            index = self.dice.choice(list(self.mapped))
            self.card.host.dma_unmap(index << 21, 1 << 20)
            del self.mapped[index]

    def smpt(self):
        self.card.host.sbox_write(SMPT, self.dice.randrange(2) << 2)

    def master(self):
        self.card.host.bus_master(self.dice.random() < 0.8)

    def ring(self):
        for _ in range(self.dice.randrange(100)):
            self.card.host.post(BAR4, 0x10000 + RDMASR0, bytes(4))

    def answer(self):
        self.card.cpu.put(16, SBOX + SDBIC0)
        self.card.cpu.put(24, RING)
        self.card.cpu.put(40, WINDOW + (self.dice.randrange(4) << 21))
        self.card.cpu.put(8, WRITE_THEN_READ)

    def work(self):
        self.card.cpu.put(16, WINDOW + (self.dice.randrange(4) << 21))
        self.card.cpu.put(8, INCREMENT)

    def listen(self):
        self.card.host.silence(MSIX)
        self.card.host.listen(MSIX, self.events)
        route(self.card.host)

    def leave(self):
        next_client(self.card)
        self.mapped.clear()

    def reset(self):
        self.card.cpu.put(8, 0)
        self.dice.choice([reset_rgcr, reset_platform])(self.card)

    def run(self, seconds):
        often = [self.map, self.unmap, self.smpt, self.master, self.ring, self.answer, self.work]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(100):
                self.dice.choice(often)()
            self.dice.choice([self.listen, self.leave, self.reset])()

    def close(self):
        for file in self.files:
            file.close()


def test_disorder_leaves_nothing_behind(card, events):
    def size():
        return int(pathlib.Path(f"/proc/{card.process.pid}/statm").read_text().split()[1]) << 12

    def descriptors():
        return len(os.listdir(f"/proc/{card.process.pid}/fd"))

    disorder = Disorder(card, events, 1)
    disorder.run(SECONDS / 5)
    disorder.leave()
    size_before, descriptors_before = size(), descriptors()
    disorder.run(SECONDS)
    disorder.leave()
    assert card.alive()
    reset_platform(card)
    assert card.cpu.read(WINDOW) == ONES
    wait_until(lambda: descriptors() <= descriptors_before, what="descriptors closed")
    # Without a bound it was more than 1 GiB.
    wait_until(lambda: size() < size_before + (256 << 20), what="memory given back")
    disorder.close()
