# SPDX-License-Identifier: BSD-3-Clause
"""A model of a card and its host tool for system tests: the real binaries over real sockets."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from pexpect.fdpexpect import fdspawn

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
X100 = os.path.join(TOP, "build/host-loader/x100")
KERNEL = os.path.join(TOP, "build/card-kernel-patches/bzImage")
INITRD = os.path.join(TOP, "build/card-rootfs/initramfs.cpio.gz")
FLASH = os.path.join(TOP, "build/bootstrap/flash.bin")
LAUNCHER = os.path.join(TOP, "model/x100-model")

# Exit statuses of x100, as its help and man page give them.
DONE, USAGE, BAD_FILE, HOST, PEER, CARD, REFUSED = 0, 2, 3, 4, 5, 6, 7

# Seconds; the machine may be busy with other tests.
START, BOOT, COMMAND = 30, 180, 60


class Model:
    """A running model with a private folder; ends with the with-block."""

    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix="x100-")
        self.socket = os.path.join(self.folder, "card0.sock")
        self.log_path = os.path.join(self.folder, "model.log")
        self.serial = None
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [LAUNCHER, "--socket", self.socket, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def __enter__(self):
        self.wait_for(self.socket)
        return self

    def __exit__(self, *_):
        self.stop()

    def wait_for(self, path):
        """Until the model has made the socket at path."""
        end = time.monotonic() + START
        while not os.path.exists(path):
            assert self.process.poll() is None, f"the model ended: {self.log()}"
            assert time.monotonic() < end, f"{path} did not appear: {self.log()}"
            time.sleep(0.01)

    def log(self):
        """What the model printed."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        """Ends the model and removes its folder."""
        if self.serial:
            self.serial.close()
            self.serial = None
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sig)
                self.process.wait(10)
                break
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_x100(self, *arguments, device=None, **popen):
        """The x100 command on this card, running."""
        return subprocess.Popen([X100, "-d", device or "model:" + self.socket, *arguments],
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
