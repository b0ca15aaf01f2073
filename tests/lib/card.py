# SPDX-License-Identifier: BSD-3-Clause
"""A model of a card and its host tool for system tests: the real binaries over real sockets."""

import json
import os
import socket
import subprocess
import sys
import time

from pexpect.fdpexpect import fdspawn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts"))

from x100_model import INITRD, KERNEL, LAUNCHER, TOP, X100, ModelProcess  # noqa: E402,F401

FLASH = os.path.join(TOP, "build/bootstrap/flash.bin")

# Exit statuses of x100, as its help and man page give them.
DONE, USAGE, BAD_FILE, HOST, PEER, CARD, REFUSED = 0, 2, 3, 4, 5, 6, 7

# Seconds; the machine may be busy with other tests.
BOOT, COMMAND = 180, 60


class Model(ModelProcess):
    """A running model and what a test does with it; ends with the with-block."""

    def __init__(self, *options):
        super().__init__(*options)
        self.serial = None

    def __enter__(self):
        self.wait_for(self.socket)
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the model and removes its folder."""
        if self.serial:
            self.serial.close()
            self.serial = None
        super().stop()

    def start_x100(self, *arguments, device=None, **popen):
        """The x100 command on this card, running."""
        return subprocess.Popen([X100, "-d", device or self.device, *arguments],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, errors="replace", **popen)

    def x100(self, *arguments, status=DONE, device=None, timeout=BOOT):
        """Runs x100 on this card, checks its exit status, returns what it printed."""
        process = self.start_x100(*arguments, device=device)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"x100 {arguments} took more than {timeout} s: {out}{err}") from None
        assert process.returncode == status, \
            f"x100 {arguments}: status {process.returncode}, not {status}: {out}{err}"
        return out + err

    def status(self):
        """x100 status --json."""
        return json.loads(self.x100("status", "--json"))

    def wait_state(self, *states, timeout=COMMAND):
        """Until the card is in one of these states; returns the status."""
        end = time.monotonic() + timeout
        while True:
            status = self.status()
            if status["state"] in states:
                return status
            assert time.monotonic() < end, f"state {status['state']}, not {states}: {status}"
            time.sleep(0.05)

    def push(self, *options, kernel=KERNEL, initrd=INITRD, wait="running", status=DONE):
        """Pushes the card OS."""
        ramdisk = ["--initrd", initrd] if initrd else []
        return self.x100("push", kernel, *ramdisk, "--wait", wait, *options, status=status)

    def line(self):
        """The card's serial line as a pexpect object; bytes from now on."""
        if self.serial is None:
            path = self.socket + ".serial"
            self.wait_for(path)
            self.serial = socket.socket(socket.AF_UNIX)
            self.serial.connect(path)
            self.expect = fdspawn(self.serial.fileno(), encoding="utf-8",
                                  codec_errors="replace", timeout=BOOT)
        return self.expect

    def login(self):
        """Boots the card OS and logs in as root."""
        line = self.line()
        self.push()
        line.expect("login: ")
        line.send("root\n")
        line.expect("# ", timeout=COMMAND)

    def run(self, command):
        """Output of a shell command on the card; login() came before."""
        line = self.line()
        # The quotes keep the marks out of the echo of what is typed.
        line.send(f"echo x100-'begin'; {command}; echo x100-'end'\n")
        # Kernel messages may stand in between, also within a line end.
        line.expect(r"x100-begin\s(.*)x100-end\s", timeout=COMMAND)
        out = line.match.group(1).replace("\r", "").lstrip("\n")
        line.expect("# ", timeout=COMMAND)
        return out
