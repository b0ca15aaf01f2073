# SPDX-License-Identifier: BSD-3-Clause
"""A card that is no card: a vfio-user server that answers as an X100 and does with the device page whatever a
test wants, the well-behaved and the rude alike. The host under test connects to it as to the model.

`FakeCard` is the hardware (registers, card memory, interrupts, host memory behind the SMPT), `Driver` the card
OS (probe of the devices on the page, rings). Layouts are those of include/x100/devpage.h.
"""

import array
import mmap
import os
import socket
import struct
import threading
import time

from vfio_user import (BAR0, BAR4, CONFIG, DMA_MAP, DMA_UNMAP, F_ERROR, F_NO_REPLY, F_REPLY, GET_INFO,
                       GET_REGION_INFO, HEADER, REGION_READ, REGION_WRITE, RESET, SET_IRQS, VERSION)

DBOX_POST = 0x242C
SBOX = 0x10000
SPAD, RGCR, SMPT, SICR0, SICE0, SICC0, MXAR, SDBIC = 0xAB20, 0x4010, 0x3100, 0x9004, 0x900C, 0x9010, 0x9044, 0xCC90
ICR, RDMASR, ETC_LO, ETC_HI = 0xA9D0, 0xB180, 0x1074, 0x1078
WINDOW, PAGE_SHIFT = 0x8000000000, 34
READY_WORD = 0x04000000 | 1
VECTORS = 9

DESC_NEXT, DESC_WRITE, DESC_INDIRECT = 1, 2, 4
ACKNOWLEDGE, DRIVER, DRIVER_OK, FAILED = 1, 2, 4, 0x80
CHANGE_REMOVE, CHANGE_CONFIG, CHANGE_RESUME = 1, 2, 3
NET, BLOCK, CONSOLE, RNG = 1, 2, 3, 4
EVENT_IDX = 1 << 29


def post(text):
    """POST register value of two characters."""
    return ord(text[0]) | ord(text[1]) << 8


class FakeCard:
    """The hardware. Every register access of the host is served by one thread."""

    def __init__(self, path, gddr=256 << 20):
        self.path, self.gddr = path, gddr
        self.fd = os.memfd_create("fake-gddr", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, gddr)
        self.memory = mmap.mmap(self.fd, gddr)
        self.config = bytearray(256)
        struct.pack_into("<IIII", self.config, 0, 0x22508086, 0x00100000, 0x0B400020, 0)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.maps = []      # (bus address, size, mmap)
        self.irqs = []      # event descriptors of the MSI-X vectors
        self.rung = [0] * 16  # doorbells of the host
        self.boots = 0
        self.client = None
        self.closing = False
        self.free = 0x8000000
        self.regs = {}
        self._fresh()
        self.early = 0
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.closing = True
        self.hang_up()
        # A blocked accept() is woken by a connection.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wake:
            try:
                wake.connect(self.path)
            except OSError:
                pass
        self.thread.join(10)
        self.listener.close()
        os.unlink(self.path)
        self.memory.close()
        os.close(self.fd)

    def hang_up(self):
        """Ends the connection with the host, as a model that dies."""
        client = self.client
        if client:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # Registers

    def _fresh(self):
        """What the bootstrap leaves."""
        self.regs = {SBOX + SPAD: self.gddr & ~7, SBOX + SPAD + 8: READY_WORD, DBOX_POST: post("12")}
        self.regs[SBOX + SPAD] = (self.gddr >> 10) << 3
        self.free = 0x8000000

    def _read32(self, offset):
        if offset in (SBOX + ETC_LO, SBOX + ETC_HI):
            ticks = (time.monotonic_ns() // 64) << 5
            return ticks >> (32 if offset == SBOX + ETC_HI else 0) & 0xFFFFFFFF
        if offset == DBOX_POST and self.early:
            self.early -= 1
            if not self.early:
                self._fresh()
            return post("0c")
        return self.regs.get(offset, 0)

    def _write32(self, offset, value):
        sbox = offset - SBOX
        if sbox == RGCR and value & 1:
            self.regs[SBOX + SPAD + 8] = 0
            self.early = 3
        elif sbox == SICE0:
            self.regs[offset] = self.regs.get(offset, 0) | value
        elif sbox == SICC0:
            self.regs[SBOX + SICE0] = self.regs.get(SBOX + SICE0, 0) & ~value
        elif sbox == SICR0:
            self.regs[offset] = self.regs.get(offset, 0) & ~value
        elif ICR <= sbox < ICR + 64 and not (sbox - ICR) % 8:
            self.regs[offset] = value & ~(1 << 13)
            index = (sbox - ICR) // 8
            if value & 1 << 13 and index == 7 and value & 0xFF == 229:
                self.boots += 1
                self.regs[DBOX_POST] = post("FF")
            elif value & 1 << 13:
                self.rung[index] += 1
        elif RDMASR <= sbox < RDMASR + 32:
            self.rung[8 + (sbox - RDMASR) // 4] += 1
        else:
            self.regs[offset] = value
        self.changed.notify_all()

    def os_state(self, text):
        """The card OS shows a POST code: "up" when it runs."""
        with self.lock:
            self.regs[DBOX_POST] = post(text)

    def spad(self, index):
        return self.regs.get(SBOX + SPAD + 4 * index, 0)

    # The socket

    def _serve(self):
        while not self.closing:
            conn, _ = self.listener.accept()
            if self.closing:
                conn.close()
                return
            self.client = conn
            try:
                while self._message(conn):
                    pass
            except OSError:
                pass
            with self.lock:
                self.client = None
                for _, _, view in self.maps:
                    view.close()
                self.maps = []
                for fd in self.irqs:
                    os.close(fd)
                self.irqs = []
                self.changed.notify_all()
            conn.close()

    def _take(self, conn, count):
        data, fds = b"", []
        while len(data) < count:
            part, control, _, _ = conn.recvmsg(count - len(data), socket.CMSG_SPACE(4 * 64))
            for level, kind, raw in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    more = array.array("i")
                    more.frombytes(raw[: len(raw) - len(raw) % more.itemsize])
                    fds += list(more)
            if not part:
                return None, fds
            data += part
        return data, fds

    def _message(self, conn):
        head, fds = self._take(conn, HEADER.size)
        if head is None:
            return False
        ident, cmd, size, flags, _ = HEADER.unpack(head)
        body, more = self._take(conn, size - HEADER.size)
        if body is None:
            return False
        fds += more
        with self.lock:
            answer, send, error = self._command(cmd, body, fds)
        if flags & F_NO_REPLY:
            return True
        kind = F_REPLY | (F_ERROR if error else 0)
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", send))] if send else []
        conn.sendmsg([HEADER.pack(ident, cmd, HEADER.size + len(answer), kind, error) + answer], control)
        return True

    def _command(self, cmd, body, fds):
        if cmd == VERSION:
            return struct.pack("<HH", 0, 1) + b'{"capabilities":{"max_msg_fds":16}}\0', [], 0
        if cmd == GET_INFO:
            return struct.pack("<IIII", 16, 2, 9, 5), [], 0
        if cmd == GET_REGION_INFO:
            index = struct.unpack_from("<III", body)[2]
            size = {BAR0: self.gddr, BAR4: 0x20000, CONFIG: 256}.get(index, 0)
            mapped = index == BAR0
            flags = (3 | (4 if mapped else 0)) if size else 0
            return struct.pack("<IIIIQQ", 32, flags, index, 0, size, 0), [self.fd] if mapped else [], 0
        if cmd == DMA_MAP:
            _, _, offset, bus, size = struct.unpack("<IIQQQ", body)
            self.maps.append((bus, size, mmap.mmap(fds[0], size, offset=offset)))
            os.close(fds[0])
            self.changed.notify_all()
            return b"", [], 0
        if cmd == DMA_UNMAP:
            _, _, bus, size = struct.unpack("<IIQQ", body)
            for entry in [m for m in self.maps if m[:2] == (bus, size)]:
                self.maps.remove(entry)
                entry[2].close()
            return body, [], 0
        if cmd == SET_IRQS:
            for fd in self.irqs:
                os.close(fd)
            self.irqs = fds
            return b"", [], 0
        if cmd in (REGION_READ, REGION_WRITE):
            return self._region(cmd, body)
        return b"", [], 0 if cmd == RESET else 95

    def _region(self, cmd, body):
        offset, region, count = struct.unpack_from("<QII", body)
        data = body[16:]
        space = {BAR0: self.memory, CONFIG: self.config}.get(region)
        if space is not None:
            if cmd == REGION_WRITE:
                space[offset:offset + count] = data
                return body[:16], [], 0
            return body[:16] + bytes(space[offset:offset + count]), [], 0
        if region != BAR4 or count != 4:
            return b"", [], 22
        if cmd == REGION_WRITE:
            self._write32(offset, struct.unpack("<I", data)[0])
            return body[:16], [], 0
        return body[:16] + struct.pack("<I", self._read32(offset)), [], 0

    # What the card sees of the host

    def _host(self, address, size):
        with self.lock:
            entry = self.regs.get(SBOX + SMPT + 4 * ((address - WINDOW) >> PAGE_SHIFT), 0)
            bus = (entry >> 2) << PAGE_SHIFT | address & (1 << PAGE_SHIFT) - 1
            for start, length, view in self.maps:
                if start <= bus and bus + size <= start + length:
                    return view, bus - start
        raise LookupError(f"the host did not map 0x{address:x}")

    def reaches(self, address, size):
        """True when the card could read or write that host memory."""
        try:
            self._host(address, size)
            return True
        except LookupError:
            return False

    def host_read(self, address, size):
        view, at = self._host(address, size)
        return view[at:at + size]

    def host_write(self, address, data):
        view, at = self._host(address, len(data))
        view[at:at + len(data)] = data

    def ring(self, doorbell, word=0x80000000):
        """Doorbell `doorbell` to the host."""
        with self.lock:
            self.regs[SBOX + SDBIC + 4 * doorbell] = word
            self.raise_causes(1 << doorbell)

    def raise_causes(self, causes):
        """Interrupts by cause bits, enabled or not does not matter to a rude card."""
        with self.lock:
            for vector in range(min(VECTORS, len(self.irqs))):
                if self.regs.get(SBOX + MXAR + 4 * vector, 0) & causes:
                    os.write(self.irqs[vector], struct.pack("<Q", 1))

    def wait(self, test, timeout=10.0, what="condition"):
        """Waits until test() is true; looks again after each register write of the host."""
        end = time.monotonic() + timeout
        with self.lock:
            while not test():
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{what} not met within {timeout} s")
                self.changed.wait(min(left, 0.01))

    def allocate(self, size, align=64):
        """Card memory for buffers and rings."""
        at = (self.free + align - 1) // align * align
        self.free = at + size
        self.memory[at:at + size] = bytes(size)
        return at


class Queue:
    """One virtqueue as the card's driver keeps it."""

    def __init__(self, device, index):
        card = device.card
        self.device, self.index = device, index
        self.config_at = device.at + 8 + 24 * index
        self.ring_at, _, self.num = struct.unpack("<QQH", card.host_read(self.config_at, 18))
        self.avail_at = self.ring_at + 16 * self.num
        # As the old card driver does before it uses a ring (x100-abi.md 2.7): all but the trailer.
        card.host_write(self.ring_at, bytes((self.avail_at + 6 + 2 * self.num - self.ring_at + 4095) // 4096 * 4096
                                            + 6 + 8 * self.num))
        self.used_at = card.allocate(6 + 8 * self.num, 4096)
        self.avail_idx = self.used_idx = self.next_desc = 0

    def describe(self, index, address, size, flags=0, following=0):
        self.device.card.host_write(self.ring_at + 16 * index,
                                    struct.pack("<QIHH", address, size, flags, following))

    def offer(self, head, idx=None):
        """Puts one head into the avail ring and publishes it; idx: what avail.idx says instead."""
        card = self.device.card
        card.host_write(self.avail_at + 4 + 2 * (self.avail_idx % self.num), struct.pack("<H", head))
        self.avail_idx = (self.avail_idx + 1) & 0xFFFF if idx is None else idx
        card.host_write(self.avail_at + 2, struct.pack("<H", self.avail_idx))

    def add(self, parts):
        """A chain of (address, size, writable); returns its head. Descriptors are taken in turn."""
        first = self.next_desc
        for i, (address, size, writable) in enumerate(parts):
            last = i == len(parts) - 1
            flags = (DESC_WRITE if writable else 0) | (0 if last else DESC_NEXT)
            self.describe((first + i) % self.num, address, size, flags, 0 if last else (first + i + 1) % self.num)
        self.next_desc = (first + len(parts)) % self.num
        self.offer(first)
        return first

    def used(self):
        """Elements (head, bytes) that the host put into the used ring since the last call."""
        memory, result = self.device.card.memory, []
        (idx,) = struct.unpack_from("<H", memory, self.used_at + 2)
        while self.used_idx != idx:
            result.append(struct.unpack_from("<II", memory, self.used_at + 4 + 8 * (self.used_idx % self.num)))
            self.used_idx = (self.used_idx + 1) & 0xFFFF
        return result

    def wait_used(self, timeout=5.0):
        """The next elements, at least one."""
        found = []

        def look():
            found.extend(self.used())
            return found

        self.device.card.wait(look, timeout, f"used element of queue {self.index}")
        return found


class Device:
    """One descriptor of the page and the driver bound to it."""

    def __init__(self, card, page, offset, doorbell=8):
        self.card, self.at, self.doorbell = card, page + offset, doorbell
        (self.type, self.num_vq, self.feature_len, self.config_len) = struct.unpack("<bBBB", card.host_read(self.at, 4))
        self.features_at = self.at + 8 + 24 * self.num_vq
        self.guest_at = self.features_at + self.feature_len
        self.config_at = self.guest_at + self.feature_len
        size = 8 + 24 * self.num_vq + 2 * self.feature_len + self.config_len
        self.ctrl = self.at + (size + 7) // 8 * 8
        self.total = (size + 7) // 8 * 8 + 16
        self.queues = []

    def byte(self, offset):
        return self.card.host_read(self.ctrl + offset, 1)[0]

    def set_byte(self, offset, value):
        self.card.host_write(self.ctrl + offset, bytes([value & 0xFF]))

    @property
    def config_change(self):
        return self.byte(8)

    @property
    def c2h(self):
        return struct.unpack("<b", bytes([self.byte(13)]))[0]

    def kick(self):
        self.card.ring(self.c2h)

    def status(self, value, ring=True):
        self.card.host_write(self.at + 4, bytes([value]))
        if ring:
            self.kick()

    def read_status(self):
        return self.card.host_read(self.at + 4, 1)[0]

    def offered(self):
        return int.from_bytes(self.card.host_read(self.features_at, self.feature_len), "little")

    def accept(self, features):
        self.card.host_write(self.guest_at, features.to_bytes(self.feature_len, "little"))

    def config(self):
        return self.card.host_read(self.config_at, self.config_len)

    def reset(self, timeout=10.0):
        """The reset handshake (x100-abi.md 2.10 step 9)."""
        self.set_byte(11, 0)
        self.set_byte(9, 1)
        self.kick()
        self.card.wait(lambda: self.byte(11) == 1, timeout, "host_ack of a reset")
        self.queues = []

    def probe(self, features=0, live=True, resume=False):
        """Everything up to DRIVER_OK. Leaves out what comes after the queues with live=False."""
        self.set_byte(14, self.doorbell)
        self.set_byte(15, 1 if resume else 0)
        self.reset()
        self.status(ACKNOWLEDGE)
        self.status(ACKNOWLEDGE | DRIVER)
        self.accept(features & self.offered())
        self.queues = [Queue(self, i) for i in range(self.num_vq)]
        for queue in self.queues:
            self.card.host_write(queue.config_at + 8, struct.pack("<Q", queue.used_at))
        if live:
            self.publish_used()
            self.status(ACKNOWLEDGE | DRIVER | DRIVER_OK)
        return self

    def publish_used(self, timeout=10.0):
        self.set_byte(12, 1)
        self.kick()
        self.card.wait(lambda: self.byte(12) == 0, timeout, "used_address_updated to be cleared")

    def remove_ack(self):
        """What a card does when told to remove: reset, type -1, guest_ack."""
        self.reset()
        self.set_byte(14, 0xFF)
        self.card.host_write(self.at, b"\xff")
        self.set_byte(10, 1)


class Driver:
    """The card OS as far as the device page goes."""

    def __init__(self, card, config_doorbell=15):
        self.card = card
        self.page = card.spad(14) | card.spad(15) << 32
        assert card.host_read(self.page, 4) == struct.pack("<I", 0xC0FFEE00), "no device page"
        self.config_doorbell = config_doorbell

    def publish(self):
        """The config doorbell, from when on the host tells of changes."""
        self.card.host_write(self.page + 4, bytes([self.config_doorbell & 0xFF]))

    def devices(self, first=24):
        """The devices on the page, in its order; deleted slots left out."""
        at, result = first, []
        while at < 4096 - 8:
            kind = struct.unpack("<b", self.card.host_read(self.page + at, 1))[0]
            if kind == 0:
                break
            device = Device(self.card, self.page, at, doorbell=8 + len(result) % 7)
            if kind != -1:
                result.append(device)
            at += device.total
        return result
