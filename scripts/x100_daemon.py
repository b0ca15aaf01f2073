# SPDX-License-Identifier: BSD-3-Clause
"""A running x100d with a configuration, state and control socket of its own: for scripts/run, tests and benchmarks."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

from x100_model import TOP, end_group

X100D = os.path.join(TOP, "build/host-loader/x100d")
DISK = os.path.join(TOP, "build/card-rootfs/disk.img")

START = 30  # seconds the daemon may take until it is ready
END = 20  # seconds it may take to end


class DaemonFailed(Exception):
    """What went wrong with the daemon, in a sentence."""


def copy_disk(path, source=DISK):
    """A sparse copy of a disk image, for one card to write to."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, path], check=True, timeout=60)
    return path


def section(title, entries):
    """A section of x100d.conf from (key, value) pairs."""
    return "".join([f"[{title}]\n", *(f"{key} = {value}\n" for key, value in entries), "\n"])


class DaemonProcess:
    """
    x100d serving these cards: name -> (key, value) pairs of the card's section, devices among them. prefix: words in
    front of the command, such as those that enter a network namespace.
    """

    def __init__(self, cards, *, folder=None, log_path=None, prefix=()):
        self.prefix = prefix
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="x100d-")
        self.log_path = log_path or os.path.join(self.folder, "x100d.log")
        self.control = os.path.join(self.folder, "control")
        self.config = os.path.join(self.folder, "x100d.conf")
        self.state = os.path.join(self.folder, "state")
        self.process = None
        self.write_config(cards)

    def write_config(self, cards):
        """Takes effect with the next start."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(section("daemon", [("socket", self.control), ("state", self.state)]))
            for name, entries in cards.items():
                file.write(section(f"card {name}", entries))

    def environment(self):
        """For an x100 that is to talk to this daemon."""
        return dict(os.environ, X100D_SOCKET=self.control)

    def log(self):
        """What the daemon printed, over all its starts."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def start(self):
        """Starts the daemon, also again after it ended, and waits until it says that it is ready."""
        path = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open(self.log_path, "ab") as log:
            if os.path.exists(path):
                os.unlink(path)
            notify.bind(path)
            notify.settimeout(0.1)
            self.process = subprocess.Popen(
                [*self.prefix, X100D, "--config", self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, env=dict(os.environ, NOTIFY_SOCKET=path))
            end = time.monotonic() + START
            while True:
                try:
                    if b"READY=1" in notify.recv(4096).split(b"\n"):
                        return
                except TimeoutError:
                    pass
                if self.process.poll() is not None:
                    lines = [line.strip() for line in self.log().splitlines() if line.strip()]
                    raise DaemonFailed(f"x100d ended at once (exit status {self.process.returncode}):"
                                       f" {lines[-1] if lines else 'it said nothing'}")
                if time.monotonic() > end:
                    raise DaemonFailed(f"x100d was not ready within {START} s")

    def kill(self):
        """SIGKILL: the daemon gets no chance to put anything in order."""
        self.process.kill()
        self.process.wait(END)

    def end(self):
        """Ends the daemon; its folder stays."""
        if self.process is None:
            return
        end_group(self.process, END)

    def stop(self):
        """Ends the daemon and removes its folder, if it has one of its own."""
        self.end()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
