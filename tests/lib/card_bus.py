# SPDX-License-Identifier: BSD-3-Clause
"""Card physical memory of a running model, as the card's CPU 0 sees it, over QEMU's qtest socket."""

import socket

from vfio_user import wait_until


class CardBus:
    """Start the model with `-qtest unix:PATH,server=on,wait=off`; works beside running CPUs."""

    def __init__(self, path, timeout=10.0):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        wait_until(lambda: self._connected(path), timeout, what="the qtest socket")
        self.lines = self.sock.makefile("r")

    def _connected(self, path):
        """QEMU's socket has its name a moment before it listens."""
        try:
            self.sock.connect(path)
        except ConnectionRefusedError:
            return False
        return True

    def close(self):
        self.lines.close()
        self.sock.close()

    def _ask(self, text):
        self.sock.sendall(text.encode() + b"\n")
        while True:
            words = self.lines.readline().split()
            if not words:
                raise ConnectionError("the model closed its qtest socket")
            if words[0] == "IRQ":
                continue
            if words[0] != "OK":
                raise RuntimeError(f"{text}: {' '.join(words)}")
            return words[1:]

    def read(self, address, size=4):
        letter = {1: "b", 2: "w", 4: "l", 8: "q"}[size]
        return int(self._ask(f"read{letter} {address:#x}")[0], 16)

    def write(self, address, value, size=4):
        letter = {1: "b", 2: "w", 4: "l", 8: "q"}[size]
        self._ask(f"write{letter} {address:#x} {value:#x}")

    def read_bytes(self, address, count):
        return bytes.fromhex(self._ask(f"read {address:#x} {count:#x}")[0][2:])
