# SPDX-License-Identifier: BSD-3-Clause
"""Host memory as RAM: a CPU of the card reaches sealed client memory in the system memory window without the
model's help, and never what it may not reach. The CPU is real and runs window.S; its mailbox in GDDR outlives
every client."""

import fcntl
import mmap
import os
import pathlib
import struct
import time

import pytest

from qmp import Qmp
from vfio_user import DMA_F_READ, UNMAP_ALL, Refused, wait_until
from window import CALL, COMPARE, FLIP, INCREMENT, ONES, PAGE, PML4, SBOX, SMPT, WINDOW, WRITE_THEN_READ, Memory, reset


def direct(card):
    return card.counters()["direct-mappings"]


def seen_by_callbacks(card, access):
    """How many accesses to host memory the model made itself during `access`."""
    before = card.counters()
    access()
    after = card.counters()
    return sum(after[name] - before[name] for name in ("dma-reads", "dma-writes"))


def test_sealed_memory_is_ram_to_the_cpu(card, memory):
    card.host.dma_map(0x200000, 1 << 20, memory.fd)
    memory.put(0x1122334455667788, 0x1238)
    assert seen_by_callbacks(card, lambda: card.cpu.read(WINDOW + 0x201238)) == 0
    assert card.cpu.result() == 0x1122334455667788
    assert seen_by_callbacks(card, lambda: card.cpu.write(WINDOW + 0x2FFFF8, 0xCAFE)) == 0
    assert memory.get(0xFFFF8) == 0xCAFE
    assert direct(card) == 1


def test_other_ways_into_it_see_the_same(card, memory):
    card.host.dma_map(0, 1 << 20, memory.fd)
    memory.put(0x0123456789ABCDEF, 0x40)
    assert card.bus.read(WINDOW + 0x40, 8) == 0x0123456789ABCDEF
    card.bus.write(WINDOW + 0x44, 0x55, 1)
    assert memory.get(0x40) == 0x0123455589ABCDEF


def test_locked_instructions_work(card, memory):
    card.host.dma_map(0, 1 << 20, memory.fd)
    card.cpu.begin(INCREMENT, WINDOW + 0x100)
    wait_until(lambda: memory.get(0x100) > 10000, what="10000 increments")
    card.cpu.stop()


def unsealed():
    return Memory(seals=0)


def growing():
    return Memory(seals=fcntl.F_SEAL_GROW)


@pytest.mark.parametrize("make", [unsealed, growing])
def test_file_that_can_be_cut_short_stays_with_the_callbacks(card, make):
    memory = make()
    card.host.dma_map(0, 1 << 20, memory.fd)
    memory.put(77, 8)
    assert seen_by_callbacks(card, lambda: card.cpu.read(WINDOW + 8)) >= 1
    assert card.cpu.result() == 77
    os.ftruncate(memory.fd, 0x1000)
    assert card.cpu.read(WINDOW + 0x8000) == ONES
    assert direct(card) == 0
    memory.close()


def test_ordinary_file_stays_with_the_callbacks(card, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(struct.pack("<Q", 99) * 512)
    with open(path, "r+b") as file:
        card.host.dma_map(0, 4096, file.fileno())
    assert card.cpu.read(WINDOW) == 99
    assert direct(card) == 0


def test_read_only_mapping_stays_with_the_callbacks(card, memory):
    card.host.dma_map(0, 1 << 20, memory.fd, flags=DMA_F_READ)
    card.cpu.write(WINDOW, 5)
    assert memory.get() == 0
    assert direct(card) == 0


@pytest.mark.parametrize("address,size", [(0x800, 0x1000), (0, 0x1800)])
def test_part_of_a_page_stays_with_the_callbacks(card, memory, address, size):
    card.host.dma_map(address, size, memory.fd)
    memory.put(12, 0x10)
    assert card.cpu.read(WINDOW + address + 0x10) == 12
    assert card.cpu.read(WINDOW + address + size) == ONES
    assert direct(card) == 0


def test_around_a_mapping_reads_give_ones_and_are_counted(card, memory):
    card.host.dma_map(0x200000, 0x1000, memory.fd)
    for address in (0x1FFFF8, 0x201000):
        before = card.counters()["dma-refused"]
        assert card.cpu.read(WINDOW + address) == ONES
        assert card.counters()["dma-refused"] > before
    assert "not mapped by the host" in card.guest_errors()


def test_access_across_the_end_of_a_mapping(card, memory):
    card.host.dma_map(0, 0x1000, memory.fd)
    memory.put(0, 0xFF8)
    assert card.cpu.read(WINDOW + 0xFFC) == 0xFFFFFFFF_00000000


def test_trace_mode_counts_every_access(start, flash, memory):
    card = start(flash=flash, trace="on")
    card.host = card.client()
    card.host.bus_master()
    card.host.sbox_write(SMPT, 0)
    card.host.dma_map(0, 1 << 20, memory.fd)
    before = card.counters()
    for _ in range(10):
        card.bus.read(WINDOW, 8)
    assert card.counters()["dma-reads"] - before["dma-reads"] == 10
    assert direct(card) == 0


def test_each_smpt_entry_shows_its_page(card, memory):
    other = Memory()
    card.host.dma_map(0x1000, 0x1000, memory.fd)
    card.host.dma_map(5 * PAGE + 0x1000, 0x1000, other.fd)
    memory.put(1)
    other.put(2)
    card.host.sbox_write(SMPT + 4, 5 << 2)
    card.host.sbox_write(SMPT + 8, 0)
    assert [card.cpu.read(WINDOW + n * PAGE + 0x1000) for n in range(4)] == [1, 2, 1, ONES]
    card.host.sbox_write(SMPT, 5 << 2)
    assert [card.cpu.read(WINDOW + n * PAGE + 0x1000) for n in range(4)] == [2, 2, 1, ONES]
    card.host.sbox_write(SMPT, 7 << 2)
    assert card.cpu.read(WINDOW + 0x1000) == ONES
    other.close()


def test_entry_that_the_cpu_writes_itself_counts_for_its_next_instruction(card, memory):
    other = Memory()
    card.host.dma_map(0, 0x1000, memory.fd)
    card.host.dma_map(3 * PAGE, 0x1000, other.fd)
    memory.put(1)
    other.put(2)
    for entry, value in [(3, 2), (0, 1), (9, ONES), (0, 1)]:
        assert card.cpu.do(WRITE_THEN_READ, SBOX + SMPT, entry << 2, WINDOW) == value
    other.close()


def test_entries_are_lost_in_a_reset(card, memory):
    card.host.dma_map(0, 1 << 20, memory.fd)
    memory.put(3)
    assert card.cpu.read(WINDOW) == 3
    reset(card)
    assert card.bus.read(WINDOW, 8) == ONES
    card.host.sbox_write(SMPT, 0)
    assert card.bus.read(WINDOW, 8) == 3
    assert direct(card) == 1, "the client's mapping is not the card's to lose"


def test_reset_while_the_cpu_is_busy_there(card, memory):
    card.host.dma_map(0, 1 << 20, memory.fd)
    for _ in range(20):
        card.host.sbox_write(SMPT, 0)
        card.cpu.begin(INCREMENT, WINDOW)
        before = memory.get()
        wait_until(lambda: memory.get() > before, step=0, what="the CPU writing")
        reset(card)
        at_reset = memory.get()
        card.cpu.go()
        card.cpu.do(INCREMENT, WINDOW)
        assert memory.get() == at_reset, "the entry is lost"


def test_bus_master_bit_switches_it_off_and_on(card, memory):
    card.host.dma_map(0, 1 << 20, memory.fd)
    memory.put(4)
    for _ in range(3):
        assert card.cpu.read(WINDOW) == 4
        card.host.bus_master(False)
        assert card.cpu.read(WINDOW) == ONES
        card.host.bus_master()
    assert "bus mastering" in card.guest_errors()


def test_no_write_after_the_answer_to_unmap(card, memory):
    for turn in range(200):
        card.host.dma_map(0, 1 << 20, memory.fd)
        before = memory.get(0x40)
        card.cpu.begin(INCREMENT, WINDOW + 0x40)
        wait_until(lambda: memory.get(0x40) != before, step=0, what="the CPU writing")
        if turn % 2:
            card.host.dma_unmap(0, 1 << 20)
        else:
            card.host.dma_unmap(0, 0, UNMAP_ALL)
        at_the_answer = memory.get(0x40)
        goal = card.cpu.rounds() + 100
        wait_until(lambda: card.cpu.rounds() > goal, step=0, what="the CPU going on")
        assert memory.get(0x40) == at_the_answer
        card.cpu.stop()
    assert card.cpu.read(WINDOW + 0x40) == ONES


def test_memory_that_follows_at_the_same_place_is_not_touched_through_old_mappings(card, memory):
    """Another file is mapped for another bus address at once: what the CPU still has in its TLB must not lead there."""
    other = Memory()
    card.cpu.begin(INCREMENT, WINDOW)
    for _ in range(500):
        card.host.dma_map(0, 1 << 20, memory.fd)
        card.host.dma_unmap(0, 1 << 20)
        card.host.dma_map(1 << 20, 1 << 20, other.fd)
        card.host.dma_unmap(1 << 20, 1 << 20)
    card.cpu.stop()
    assert memory.get() > 0
    assert other.get() == 0
    other.close()


def test_client_that_goes_takes_its_memory_with_it(card, memory):
    for _ in range(50):
        card.host.dma_map(0, 1 << 20, memory.fd)
        card.cpu.begin(INCREMENT, WINDOW)
        card.host.close()
        card.host = card.client()
        assert direct(card) == 0
        at_the_end = memory.get()
        goal = card.cpu.rounds() + 100
        wait_until(lambda: card.cpu.rounds() > goal, step=0, what="the CPU going on")
        card.cpu.stop()
        assert memory.get() == at_the_end
        assert card.cpu.read(WINDOW) == ONES
        card.host.bus_master()
        assert card.cpu.read(WINDOW) == ONES


def test_what_answers_by_callbacks_is_reached_while_the_map_changes(card, memory):
    """A CPU's own table of regions must not change under it: it would look up another device."""
    slow = unsealed()
    slow.put(0x600D600D, 0x8000)
    card.host.dma_map(1 << 29, 1 << 20, slow.fd)
    card.cpu.begin(COMPARE, WINDOW + (1 << 29) + 0x8000, 0x600D600D)
    for _ in range(1000):
        card.host.dma_map(0, 1 << 20, memory.fd)
        card.host.dma_unmap(0, 1 << 20)
    assert card.cpu.stop() == 0
    slow.close()


def program(value):
    return b"\xb8" + struct.pack("<I", value) + b"\xc3"  # mov value to eax; ret


def test_code_in_host_memory_runs_and_is_not_found_after_it_went(card, memory):
    for value in range(1, 100):
        memory.view[0x3000:0x3006] = program(value)
        card.host.dma_map(0, 1 << 20, memory.fd)
        assert card.cpu.call(WINDOW + 0x3000) == value
        card.host.dma_unmap(0, 1 << 20)
        assert card.alive()


def test_code_in_host_memory_that_goes_while_it_runs_kills_the_card_only(card, memory):
    memory.view[0:6] = program(1)
    card.host.dma_map(0, 1 << 20, memory.fd)
    card.cpu.begin(CALL, WINDOW)
    card.host.dma_unmap(0, 1 << 20)
    wait_until(lambda: "triple fault" in card.guest_errors(), what="the CPU running into ones")
    reset(card)
    card.cpu.go()
    card.host.dma_map(0, 1 << 20, memory.fd)
    card.host.sbox_write(SMPT, 0)
    assert card.cpu.call(WINDOW) == 1


def test_code_in_host_memory_behind_callbacks(card):
    memory = unsealed()
    memory.view[0:6] = program(17)
    card.host.dma_map(0, 1 << 20, memory.fd)
    assert card.cpu.call(WINDOW) == 17
    memory.close()


def test_page_tables_in_host_memory(card, memory):
    memory.put(0x0000_0000_0060_0083, 0x0000)
    memory.put(5, 0x2000)
    card.host.dma_map(0, 1 << 20, memory.fd)
    card.cpu.view[PML4 + 8 * 2 : PML4 + 8 * 3] = struct.pack("<Q", PML4 + 0x20000 | 3)
    card.cpu.view[PML4 + 0x20000 : PML4 + 0x20008] = struct.pack("<Q", WINDOW | 3)
    card.cpu.view[0x600018 : 0x600020] = struct.pack("<Q", 6)
    assert card.cpu.read(2 << 39 | 0x18) == 6
    assert memory.get() & 0x20, "the accessed bit"


def test_more_mappings_than_can_be_direct(card):
    memory = Memory(100 << 12)
    for index in range(100):
        memory.put(index + 1, index << 12)
        card.host.dma_map(index << 13, 0x1000, memory.fd, index << 12)
    assert direct(card) == 64
    for index in range(0, 100, 9):
        assert card.cpu.read(WINDOW + (index << 13)) == index + 1
        assert card.cpu.read(WINDOW + (index << 13) + 0x1000) == ONES
    card.host.dma_unmap(0, 0, UNMAP_ALL)
    assert direct(card) == 0
    memory.close()


def test_mapping_too_large_to_be_direct(card):
    memory = Memory(20 << 30)
    memory.put(8)
    card.host.dma_map(0, 20 << 30, memory.fd)
    assert card.cpu.read(WINDOW) == 8
    assert direct(card) == 0
    memory.close()


def test_mapping_across_two_smpt_pages(card):
    memory = Memory(2 << 20)
    card.host.dma_map(PAGE - (1 << 20), 2 << 20, memory.fd)
    os.pwrite(memory.fd, struct.pack("<Q", 9), 1 << 20)
    os.pwrite(memory.fd, struct.pack("<Q", 8), (1 << 20) - 8)
    card.host.sbox_write(SMPT + 4, 1 << 2)
    assert card.cpu.read(WINDOW + PAGE) == 9
    assert card.bus.read(WINDOW + PAGE - 8, 8) == 8
    memory.close()


def test_top_of_the_host_bus(card, memory):
    card.host.dma_map(2**64 - 0x1000, 0x1000, memory.fd)
    memory.put(6, 0xFF8)
    card.host.sbox_write(SMPT + 4 * 31, (2**64 - PAGE >> 34) << 2)
    assert card.bus.read(WINDOW + 32 * PAGE - 8, 8) == 6
    assert direct(card) == 1


def test_entry_that_is_written_again_unchanged_costs_no_map_change(card, memory):
    """A host sets all 32 entries at each push. A changed map takes all TLBs: count the changes a monitor sees."""
    card.host.dma_map(0, 1 << 20, memory.fd)
    start = time.monotonic()
    for _ in range(100):
        for entry in range(32):
            card.host.post(4, 0x10000 + SMPT + 4 * entry, struct.pack("<I", entry << 2))
    card.host.config16(0)
    assert time.monotonic() - start < 2
    memory.put(1)
    assert card.cpu.read(WINDOW) == 1


def resident(card):
    return int(pathlib.Path(f"/proc/{card.process.pid}/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_ten_thousand_mappings_leave_nothing_behind(card, memory):
    """Memory is given back some time after an unmap, in batches: it has to stop growing, and so has the time."""

    def turns(count):
        start = time.monotonic()
        for _ in range(count):
            card.host.dma_map(0, 1 << 20, memory.fd)
            card.host.dma_unmap(0, 1 << 20)
        return time.monotonic() - start

    def slices():
        """Those not free yet. A CPU that never leaves its code keeps the last ones until it is disturbed."""
        turns(1)
        return pathlib.Path(f"/proc/{card.process.pid}/maps").read_text().count("x100-ones")

    def regions():
        qmp = Qmp(card.qmp)
        try:
            return len(qmp("qom-list", path="/machine/unattached"))
        finally:
            qmp.close()

    regions_before = regions()
    times, sizes = [], []
    while len(times) < 5 or (len(times) < 20 and min(sizes[-3:-1]) + (1 << 20) < sizes[-1]):
        times.append(turns(2000))
        sizes.append(resident(card))
    assert min(sizes[-3:-1]) + (1 << 20) >= sizes[-1], "memory grows and grows"
    assert min(times[-3:]) < 3 * min(times[:3])
    assert regions() == regions_before
    wait_until(lambda: slices() <= 5, what="the slices being free again")


def test_cpu_that_writes_its_smpt_for_ever_fills_no_memory(card, memory):
    other = Memory()
    card.host.dma_map(0, 1 << 20, memory.fd)
    card.host.dma_map(PAGE, 1 << 20, other.fd)
    memory.put(1)
    other.put(2)
    before = resident(card)
    card.cpu.begin(FLIP, SBOX + SMPT, 0 << 2, 1 << 2)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        time.sleep(0.1)
        assert resident(card) < before + (64 << 20), f"after {card.cpu.rounds()} entries"
    card.cpu.stop()
    for entry, value in [(0, 1), (1, 2)]:
        card.host.sbox_write(SMPT, entry << 2)
        assert card.cpu.read(WINDOW) == value
    wait_until(lambda: not seen_by_callbacks(card, lambda: card.cpu.read(WINDOW)), what="host memory being RAM again")
    other.close()


def test_bad_unmap_leaves_it_alone(card, memory):
    card.host.dma_map(0, 1 << 20, memory.fd)
    with pytest.raises(Refused):
        card.host.dma_unmap(0, 0x1000)
    memory.put(2)
    assert card.cpu.read(WINDOW) == 2
