# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's machine protocol, one command at a time."""

import json
import socket


class Qmp:
    """Start the model with `-qmp unix:PATH,server=on,wait=off`."""

    def __init__(self, path, timeout=10.0):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.lines = self.sock.makefile("r")
        self.lines.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.sock.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self.lines.readline())
            if "error" in answer:
                raise RuntimeError(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def counters(self):
        """What the model counted so far: the chip's counters and, as pcie-*, those of the PCIe side."""
        return self("qom-get", path="/machine/chip", property="x100-counters")

    def close(self):
        self.lines.close()
        self.sock.close()
