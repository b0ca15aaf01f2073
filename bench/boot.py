# SPDX-License-Identifier: BSD-3-Clause
"""Times and counts of booting the card OS: make run, reset to login, kernel log, link, memory."""

import glob
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time

from card import TOP, Model
from figure import Figure, outer_environment

RUNS = 5
RUN_BAR = 8
SHARE_BAR = 0.15
DEADLINE = 300  # seconds for one boot

# What the serial line shows, in this order, when a stage begins. The last is the login prompt.
MARKS = [
    ("bootstrap", b"x100 bootstrap"),
    ("push taken", b"push: "),
    ("kernel entered", b"kernel entered"),
    ("kernel speaks", b"Linux version"),
    ("login", b"login: "),
]


class Watch(threading.Thread):
    """Notes when the marks come in a growing log of a serial line, on the monotonic clock."""

    def __init__(self, find, start=0):
        super().__init__(daemon=True)
        self.find = find  # returns the path of the log, or None while there is none
        self.position = start
        self.seen = {}
        self.ended = threading.Event()
        self.start()

    def run(self):
        text, log = b"", None
        marks = list(MARKS)
        while marks and not self.ended.is_set():
            if log is None and self.find():
                self.seen["model started"] = time.monotonic()
                log = open(self.find(), "rb")  # pylint: disable=consider-using-with
                log.seek(self.position)
            more = log.read() if log else b""
            now = time.monotonic()
            text += more
            while marks:
                name, mark = marks[0]
                at = text.find(mark)
                if at < 0:
                    # A mark that never comes (a quiet kernel) must not hide the ones after it.
                    if len(marks) > 1 and marks[-1][1] in text:
                        marks.pop(0)
                        continue
                    break
                self.seen[name] = now
                text = text[at + len(mark):]
                marks.pop(0)
            # An interval of looking, not a handshake: it bounds the error of every stamp.
            self.ended.wait(0.002)
        if log:
            log.close()

    def stop(self):
        """Ends the watch; returns the stamps."""
        self.ended.set()
        self.join()
        return self.seen

    def until_login(self):
        """Waits for the login prompt; returns the stamps."""
        self.join(DEADLINE)
        assert "login" in self.seen, f"no login prompt within {DEADLINE} s; seen: {list(self.seen)}"
        return self.stop()


def one_make_run():
    """Stamps of one `make run` without a terminal, in seconds from its start."""
    # Short, because the paths of Unix sockets are.
    runtime = tempfile.mkdtemp(prefix="x100-bench-")
    start = time.monotonic()
    watch = Watch(lambda: next(iter(glob.glob(runtime + "/x100-*/card0.sock.serial.log")), None))
    with subprocess.Popen(["make", "-C", TOP, "run"], env=outer_environment(XDG_RUNTIME_DIR=runtime),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", start_new_session=True) as process:
        try:
            out, _ = process.communicate(timeout=DEADLINE)
        finally:
            # Also when a person stops the measurement.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
    end = time.monotonic()
    seen = watch.stop()
    shutil.rmtree(runtime, ignore_errors=True)
    assert process.returncode == 0, f"make run failed: {out[-2000:]}"
    assert "login" in seen, f"no login prompt in the serial log; seen: {list(seen)}"
    return {name: at - start for name, at in seen.items()} | {"ended": end - start}


def stages(stamps):
    """From the start to each stage, as one line."""
    return ", ".join(f"{name} {at:.2f}" for name, at in stamps.items())


def make_run():
    """The built tree: make run from its start to the login prompt."""
    runs = [one_make_run() for _ in range(RUNS)]
    logins = [run["login"] for run in runs]
    best = min(runs, key=lambda run: run["login"])
    return Figure(
        "built tree: make run to login", statistics.median(logins), "s", RUN_BAR,
        note=f"best {min(logins):.2f}, all of {RUNS}: {', '.join(f'{s:.2f}' for s in logins)}\n"
             f"seconds into the best one: {stages(best)}",
        detail={"runs": runs})


def card_stages(card):
    """First code after reset and entry of the image, in ns since 1970, as x100 timeline puts them."""
    events = json.loads(card.x100("timeline", "--json"))
    times = {event["what"][:3]: event["time_ns"] for event in events if event["side"] == "card"}
    assert "0c:" in times and "FF:" in times, f"the boot record lacks a stage: {events}"
    return times["0c:"], times["FF:"]


def one_share(card):
    """Resets the card and boots it; returns stages in seconds from the start of x100 reset."""
    log = card.socket + ".serial.log"
    watch = Watch(lambda: log, os.path.getsize(log))
    real, monotonic = time.time(), time.monotonic()
    card.x100("reset")
    card.push(wait="ready")
    login = watch.until_login()["login"] - monotonic
    first, entered = (ns / 1e9 - real for ns in card_stages(card))
    return {"first code": first, "entered": entered, "login": login,
            "share": (entered - first) / (login - first), "share with reset": entered / login}


def share():
    """Part of reset-to-login that is over when the kernel is entered; training takes no time."""
    runs = []
    with Model("--training-ms", "0") as card:
        card.wait_state("ready")
        for _ in range(RUNS):
            runs.append(one_share(card))
    middle = sorted(runs, key=lambda run: run["share"])[len(runs) // 2]
    whole = statistics.median(run["share with reset"] for run in runs)
    ms = {name: f"{middle[name] * 1000:.0f}" for name in ("first code", "entered", "login")}
    return Figure(
        "share of reset-to-login before kernel entry", middle["share"], "", SHARE_BAR,
        note=f"x100 reset, {ms['first code']} ms later the first instruction, {ms['entered']} the kernel's, {ms['login']}"
             f" the prompt; median of {len(runs)}.\nCounted from the first instruction. With the 210 ms for which the"
             f" model's reset keeps the card off the bus: {whole:.3f}",
        detail={"runs": runs, "share with reset": whole})


def memory_kib(card):
    """Resident memory of the model."""
    with open(f"/proc/{card.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1))


LINK = [
    ("PCIe writes", ("pcie-mmio-writes", "pcie-config-writes")),
    ("PCIe reads", ("pcie-mmio-reads", "pcie-config-reads")),
    ("doorbells", ("doorbells-to-card", "doorbells-to-host")),
    ("MSI-X", ("pcie-interrupts",)),
    ("DMA bytes", ("pcie-dma-read-bytes", "pcie-dma-write-bytes")),
]


def link():
    """What one push and boot costs on the link, the mapped aperture apart."""
    with Model() as card:
        card.wait_state("ready")
        before = card.counters()
        log = card.socket + ".serial.log"
        watch = Watch(lambda: log, os.path.getsize(log))
        card.push(wait="ready")
        taken = card.counters()
        watch.until_login()
        after = card.counters()
        kernel_log = card.x100("log")
    pushed = {name: taken[name] - before[name] for name in taken}
    counts = [Figure(f"one push: {name}", sum(pushed[key] for key in keys)) for name, keys in LINK]
    accesses = sum(after[key] - taken[key] for key in ("card-reads", "card-writes"))
    counts.append(Figure("kernel to login: register accesses of the card", accesses,
                         note=f"bytes sent on the serial line: {after['uart-tx'] - taken['uart-tx']:,}"))
    counts[0].detail = {"push": pushed, "boot": {name: after[name] - taken[name] for name in after}}
    return counts + [kernel_phases(kernel_log)]


def kernel_phases(log):
    """Where the kernel's own time stamps leave the largest gaps."""
    lines = re.findall(r"^(?:<\d+>)?\[\s*(\d+\.\d+)\] (.*)$", log, re.M)
    gaps = sorted(((float(b[0]) - float(a[0]), a[1], b[1]) for a, b in zip(lines, lines[1:])), reverse=True)
    shown = [f"{gap:6.3f} s before: {text[:90]}" for gap, _, text in gaps[:8] if gap >= 0.02]
    return Figure("kernel log: time stamp of the last line", float(lines[-1][0]) if lines else None, "s",
                  note="\n".join(shown) if lines else "no time stamps in the kernel's log",
                  detail={"gaps": [{"s": gap, "after": a, "before": b} for gap, a, b in gaps[:20]]})


def memory():
    """Resident memory of the model at the login prompt, by card memory."""
    figures = []
    for size, product in ((1, "5110P"), (8, "5110P"), (16, "7120P")):
        with Model("--gddr", f"{size}G", "--product", product) as card:
            card.wait_state("ready")
            log = card.socket + ".serial.log"
            watch = Watch(lambda: log, os.path.getsize(log))  # pylint: disable=cell-var-from-loop
            card.push(wait="ready")
            watch.until_login()
            figures.append(Figure(f"memory of the model at login, {size} GiB card", memory_kib(card) >> 10, "MiB"))
    return figures
