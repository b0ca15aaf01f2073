# SPDX-License-Identifier: BSD-3-Clause
"""A running model of the card with a private folder for its sockets: for scripts/run, tests and benchmarks."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAUNCHER = os.path.join(TOP, "model/x100-model")
X100 = os.path.join(TOP, "build/host-loader/x100")
KERNEL = os.path.join(TOP, "build/card-kernel-patches/bzImage")
INITRD = os.path.join(TOP, "build/card-rootfs/initramfs.cpio.gz")

START = 30  # seconds a model may take to open a socket; the machine may be busy
END = 10  # seconds it may take to end


def end_group(process, seconds):
    """Ends a process that leads a group of its own, and the group; kills it if it takes longer than that."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sig)
            process.wait(seconds)
            break
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.poll()


class ModelFailed(Exception):
    """What went wrong with the model, in a sentence."""


class ModelProcess:
    """
    model/x100-model with these options. What it prints goes to log_path, by default in its folder. prefix: words in
    front of the command, such as those that enter a network namespace.
    """

    def __init__(self, *options, log_path=None, parent=None, prefix=()):
        self.folder = tempfile.mkdtemp(prefix="x100-", dir=parent)
        self.socket = os.path.join(self.folder, "card0.sock")
        self.device = "model:" + self.socket
        self.log_path = log_path or os.path.join(self.folder, "model.log")
        with open(self.log_path, "wb") as log:
            # A session of its own: Ctrl-C at our terminal must not reach the model before us.
            self.process = subprocess.Popen(
                [*prefix, LAUNCHER, "--socket", self.socket, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def log(self):
        """What the model printed."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_for(self, path):
        """Until the model has made the socket at path."""
        end = time.monotonic() + START
        while not os.path.exists(path):
            if self.process.poll() is not None:
                lines = [line.strip() for line in self.log().splitlines() if line.strip()]
                raise ModelFailed(f"the model ended at once (exit status {self.process.returncode}):"
                                  f" {lines[-1] if lines else 'it said nothing'}")
            if time.monotonic() > end:
                raise ModelFailed(f"the model did not open {path} within {START} s")
            time.sleep(0.01)

    def end(self):
        """Ends the model; its folder stays."""
        end_group(self.process, END)

    def stop(self):
        """Ends the model and removes its folder."""
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)
