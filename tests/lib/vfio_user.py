# SPDX-License-Identifier: BSD-3-Clause
"""A small vfio-user client (protocol 0.1) for tests: every message a host of the card needs.

Nothing is hidden: `Client.command` sends any payload with any descriptors, so that tests can be rude.
"""

import array
import errno
import json
import mmap
import os
import select
import socket
import struct
import time

VERSION, DMA_MAP, DMA_UNMAP, GET_INFO, GET_REGION_INFO, GET_REGION_IO_FDS = 1, 2, 3, 4, 5, 6
GET_IRQ_INFO, SET_IRQS, REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE, RESET, DIRTY_PAGES = range(7, 15)

BAR0, BAR4, ROM, CONFIG = 0, 4, 6, 7
INTX, MSI, MSIX, ERR, REQ = range(5)

F_REPLY, F_NO_REPLY, F_ERROR = 0x1, 0x10, 0x20
DATA_NONE, DATA_BOOL, DATA_EVENTFD = 1, 2, 4
ACTION_MASK, ACTION_UNMASK, ACTION_TRIGGER = 8, 16, 32
DMA_F_READ, DMA_F_WRITE = 1, 2
UNMAP_ALL = 2

HEADER = struct.Struct("<HHIII")


class Gone(Exception):
    """The server closed the connection."""


class Refused(OSError):
    """The server answered with an error."""

    def __init__(self, code):
        super().__init__(code, errno.errorcode.get(code, str(code)))


class RegionInfo:
    def __init__(self, data, fds):
        (_, self.flags, self.index, cap, self.size, self.offset) = struct.unpack_from("<IIIIQQ", data)
        self.readable, self.writable = bool(self.flags & 1), bool(self.flags & 2)
        self.mappable = bool(self.flags & 4)
        self.fds = fds
        self.areas = []
        while cap:
            ident, _, nxt = struct.unpack_from("<HHI", data, cap)
            if ident == 1:
                (count,) = struct.unpack_from("<I", data, cap + 8)
                self.areas = [struct.unpack_from("<QQ", data, cap + 16 + 16 * i) for i in range(count)]
            cap = nxt


class Client:
    """One connection. Every wait ends after `timeout` seconds with TimeoutError."""

    def __init__(self, path, timeout=10.0, hello=True, max_fds=32, version=(0, 1)):
        self.timeout = timeout
        self.next_id = 1
        self.dma_handler = None  # called as handler(write, address, data or count), returns bytes for a read
        self.dma_log = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(timeout)
            self.sock.connect(path)
            if hello:
                self.server_version = self.hello(max_fds, version)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # Messages

    def send(self, cmd, payload=b"", fds=(), flags=0, ident=None):
        if ident is None:
            ident = self.next_id
            self.next_id = self.next_id % 0xFFFF + 1
        data = HEADER.pack(ident, cmd, HEADER.size + len(payload), flags, 0) + payload
        control = []
        if fds:
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        sent = self.sock.sendmsg([data], control)
        if sent < len(data):
            self.sock.sendall(data[sent:])
        return ident

    def _receive(self, count):
        data, fds = b"", []
        while len(data) < count:
            part, control, _, _ = self.sock.recvmsg(count - len(data), socket.CMSG_SPACE(4 * 64))
            for level, kind, raw in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    more = array.array("i")
                    more.frombytes(raw[: len(raw) - len(raw) % more.itemsize])
                    fds += list(more)
            if not part:
                raise Gone("the server closed the connection")
            data += part
        return data, fds

    def receive(self):
        """Returns (id, command, flags, error, payload, descriptors) of the next message."""
        head, fds = self._receive(HEADER.size)
        ident, cmd, size, flags, error = HEADER.unpack(head)
        payload, more = self._receive(size - HEADER.size)
        return ident, cmd, flags, error, payload, fds + more

    def serve_dma(self, ident, cmd, payload):
        """Answers one DMA_READ or DMA_WRITE of the server through dma_handler."""
        address, count = struct.unpack_from("<QQ", payload)
        write = cmd == DMA_WRITE
        self.dma_log.append((write, address, payload[16:] if write else count))
        try:
            data = self.dma_handler(write, address, payload[16:] if write else count)
        except OSError as error:
            head = HEADER.pack(ident, cmd, HEADER.size, F_REPLY | F_ERROR, error.errno)
            self.sock.sendall(head)
            return
        body = struct.pack("<QQ", address, count) + (b"" if write else data)
        self.sock.sendall(HEADER.pack(ident, cmd, HEADER.size + len(body), F_REPLY, 0) + body)

    def wait_reply(self, ident, cmd):
        while True:
            got, what, flags, error, payload, fds = self.receive()
            if flags & 0xF == 0 and what in (DMA_READ, DMA_WRITE) and self.dma_handler:
                self.serve_dma(got, what, payload)
                continue
            break
        if (got, what, flags & 0xF) != (ident, cmd, F_REPLY):
            raise AssertionError(f"answer {got}/{what}/{flags:#x} to message {ident}/{cmd}")
        if flags & F_ERROR:
            raise Refused(error)
        return payload, fds

    def command(self, cmd, payload=b"", fds=()):
        return self.wait_reply(self.send(cmd, payload, fds), cmd)

    def pump(self, seconds):
        """Serves DMA messages for a while, or until one came with `seconds` as the limit for it."""
        ready, _, _ = select.select([self.sock], [], [], seconds)
        if ready:
            ident, cmd, _, _, payload, _ = self.receive()
            self.serve_dma(ident, cmd, payload)
        return bool(ready)

    # Commands

    def hello(self, max_fds=32, version=(0, 1)):
        payload = struct.pack("<HH", *version)
        if max_fds is not None:
            caps = {"capabilities": {"max_msg_fds": max_fds, "max_data_xfer_size": 1 << 20}}
            payload += json.dumps(caps).encode() + b"\0"
        data, _ = self.command(VERSION, payload)
        return struct.unpack_from("<HH", data), json.loads(data[4:].rstrip(b"\0"))

    def device_info(self):
        data, _ = self.command(GET_INFO, struct.pack("<IIII", 16, 0, 0, 0))
        _, flags, regions, irqs = struct.unpack("<IIII", data)
        return flags, regions, irqs

    def region_info(self, index, argsz=256):
        data, fds = self.command(GET_REGION_INFO, struct.pack("<IIIIQQ", argsz, 0, index, 0, 0, 0))
        return RegionInfo(data, fds)

    def irq_info(self, index):
        data, _ = self.command(GET_IRQ_INFO, struct.pack("<IIII", 16, 0, index, 0))
        _, flags, _, count = struct.unpack("<IIII", data)
        return flags, count

    def set_irqs(self, index, flags, start=0, count=0, data=b"", fds=()):
        payload = struct.pack("<IIIII", 20 + len(data), flags, index, start, count) + data
        self.command(SET_IRQS, payload, fds)

    def listen(self, index, fds, start=0):
        self.set_irqs(index, DATA_EVENTFD | ACTION_TRIGGER, start, len(fds), fds=fds)

    def silence(self, index):
        self.set_irqs(index, DATA_NONE | ACTION_TRIGGER)

    def read(self, region, offset, count):
        data, _ = self.command(REGION_READ, struct.pack("<QII", offset, region, count))
        return data[16:]

    def write(self, region, offset, data):
        self.command(REGION_WRITE, struct.pack("<QII", offset, region, len(data)) + data)

    def post(self, region, offset, data):
        """A write without an answer, as a posted write on a link."""
        self.send(REGION_WRITE, struct.pack("<QII", offset, region, len(data)) + data, flags=F_NO_REPLY)

    def read32(self, region, offset):
        return struct.unpack("<I", self.read(region, offset, 4))[0]

    def write32(self, region, offset, value):
        self.write(region, offset, struct.pack("<I", value & 0xFFFFFFFF))

    def dma_map(self, address, size, fd=None, offset=0, flags=DMA_F_READ | DMA_F_WRITE):
        payload = struct.pack("<IIQQQ", 32, flags, offset, address, size)
        self.command(DMA_MAP, payload, [fd] if fd is not None else [])

    def dma_unmap(self, address, size, flags=0):
        self.command(DMA_UNMAP, struct.pack("<IIQQ", 24, flags, address, size))

    def reset(self):
        self.command(RESET)

    # What a driver does on top

    def config16(self, offset):
        return struct.unpack("<H", self.read(CONFIG, offset, 2))[0]

    def bus_master(self, on=True):
        value = self.config16(4)
        self.write(CONFIG, 4, struct.pack("<H", value | 4 if on else value & ~4))

    def sbox(self, offset):
        return self.read32(BAR4, 0x10000 + offset)

    def sbox_write(self, offset, value):
        self.write32(BAR4, 0x10000 + offset, value)

    def map_bar0(self):
        """Maps the first area of BAR0. The caller closes the mapping."""
        info = self.region_info(BAR0)
        start, size = info.areas[0]
        view = mmap.mmap(info.fds[0], size, offset=info.offset + start)
        for fd in info.fds:
            os.close(fd)
        return view


def eventfd_wait(fd, timeout=5.0):
    """Returns the count of an eventfd, 0 if nothing came within `timeout` seconds."""
    ready, _, _ = select.select([fd], [], [], timeout)
    return struct.unpack("<Q", os.read(fd, 8))[0] if ready else 0


def wait_until(test, timeout=5.0, step=0.01, what="condition"):
    """Polls `test` until it gives something true, which is returned."""
    end = time.monotonic() + timeout
    while True:
        value = test()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what} not met within {timeout} s")
        time.sleep(step)
