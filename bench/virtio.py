# SPDX-License-Identifier: BSD-3-Clause
"""The devices a host lends the card against QEMU's own virtio-pci devices.

Both run the same kernel (one with PCI, config.pci), the same user space and the same QEMU binary with
the same processor; files lie in the same folder; networks are libslirp's on both sides, then TAP interfaces of one
network namespace. Rounds are taken in turns and every figure is a ratio of medians. "Ours" is a card, a link and a
daemon; "theirs" is inside QEMU.
"""

import contextlib
import fcntl
import os
import re
import select
import statistics
import subprocess
import time

from card import BOOT, INITRD, TOP, X100, Daemon, Model, Namespace, Shell, net_server, values
from figure import Figure

KERNEL = os.path.join(TOP, "build/card-kernel-patches/bzImage.pci")
CMDLINE = "x100.ssh=off x100.ip="
CORES = ("--cores", "2", "--threads", "1")
DISK_SIZE = 256 << 20
HOST = "10.0.2.2"
ROUNDS = 9
PING_BAR = 1.3

# name, x100-io arguments, bar. Ratios of operations per second.
BLOCK = [
    ("4 KiB random read, depth 1", "randread /dev/vda -b 4K -q 1 -t 1", None),
    ("4 KiB random write, depth 1", "randwrite /dev/vda -b 4K -q 1 -t 1", None),
    ("4 KiB random read, depth 32", "randread /dev/vda -b 4K -q 32 -t 1", 0.8),
    ("4 KiB random write, depth 32", "randwrite /dev/vda -b 4K -q 32 -t 1", 0.8),
    ("1 MiB sequential read", "read /dev/vda -b 1M -q 4 -t 2", 1.0),
    ("1 MiB sequential write", "write /dev/vda -b 1M -q 4 -t 2", 1.0),
]

# name, mode and arguments of x100-net, bar.
UDP = [
    ("UDP of 64 bytes, card to host", "udp-send", "-P -z 64 -n 20000", None),
    ("UDP of 64 bytes, host to card", "udp-recv", "-P -z 64 -n 20000", None),
]


def tcp(size):
    """The same for TCP of that many bytes, each way; less than a second of them shows more of the scheduler."""
    return [("TCP, card to host", "send", f"-P -n {size}", 1.0), ("TCP, host to card", "recv", f"-P -n {size}", 1.0)]


class Side:
    """One of the two, with a shell on its serial line; `host` is the other end of its network."""

    def __init__(self, model, host):
        self.model, self.host = model, host
        self.shell = Shell(model.line())

    def run(self, command):
        return self.shell.run(command, timeout=BOOT)

    def start(self, push, address):
        """Boots and gets a shell and an address."""
        push("--cmdline", CMDLINE + address, kernel=KERNEL, initrd=INITRD)
        self.shell.login()
        self.run("until ip -4 addr show eth0 | grep -qw inet; do usleep 50000; done")
        self.run("dmesg -n 1")


class Ours(Side):
    """A card with a daemon that lends it devices, (key, value) pairs of x100d.conf."""

    def __init__(self, stack, devices, host=HOST, address="dhcp", prefix=()):
        model = stack.enter_context(Model(*CORES))
        self.daemon = stack.enter_context(Daemon({"mic0": (model, [("boot", "manual"), *devices])}, prefix=prefix))
        super().__init__(model, host)
        self.start(self.daemon["mic0"].push, address)

    @contextlib.contextmanager
    def console(self):
        """Both ends of the virtio console as file descriptors of this process: (read, write)."""
        with subprocess.Popen([X100, "-d", "mic0", "console", "--scrollback", "0"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, env=self.daemon.environment()) as viewer:
            try:
                yield viewer.stdout.fileno(), viewer.stdin.fileno()
            finally:
                viewer.kill()


class Theirs(Side):
    """The same processor with a PCI bus and QEMU's devices on it."""

    def __init__(self, stack, devices, host=HOST, address="dhcp", prefix=()):
        model = stack.enter_context(Model(*CORES, "--pci", "--", *devices, prefix=prefix))
        super().__init__(model, host)
        self.start(model.push, address)


class TheirsWithConsole(Theirs):
    """
    That with a console, whose other end is a pair of FIFOs. QEMU drops what its console's other end does not take at
    once, and a socket takes fewer than 300 pieces of output, however small.
    """

    def __init__(self, stack, devices, path):
        self.path = path
        for end in (".in", ".out"):
            os.mkfifo(path + end)
        super().__init__(stack, [*devices, "-chardev", f"pipe,id=console,path={path}",
                                 "-device", "virtio-serial-pci", "-device", "virtconsole,chardev=console"])

    @contextlib.contextmanager
    def console(self):
        """Both ends of the virtio console as file descriptors of this process: (read, write)."""
        with open(self.path + ".out", "rb", buffering=0) as source, open(self.path + ".in", "wb", buffering=0) as sink:
            fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, 2 * CONSOLE_BYTES)
            yield source.fileno(), sink.fileno()


def all_devices(stack, folder):
    """Both sides with all devices, networks through slirp."""
    sides = [
        Ours(stack, [("console", "scrollback=8M"),  # nothing is skipped
                     ("net", "slirp,ssh=no"), ("disk", disk_file(os.path.join(folder, "ours.img"))), ("rng", "yes")]),
        TheirsWithConsole(stack, [
            "-drive", f"if=none,id=disk,file={disk_file(os.path.join(folder, 'theirs.img'))},"
                      "format=raw,cache=writeback,aio=io_uring",
            "-device", "virtio-blk-pci,drive=disk",
            "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net"], os.path.join(folder, "console")),
    ]
    for side in sides:
        side.run("until [ -b /dev/vda ] && [ -e /dev/hvc0 ]; do usleep 50000; done")
    return sides


def on_tap(stack, space):
    """Both sides with TAP interfaces of a namespace, with vnet header and offloads."""
    ours = Ours(stack, [("net", "tap,ifname=ours,addr=172.31.1.254/24")], "172.31.1.254", "172.31.1.1/24", space.prefix)
    # QEMU makes the interface and leaves it down, without an address.
    model = ["-netdev", "tap,id=net,ifname=theirs,script=no,downscript=no", "-device", "virtio-net-pci,netdev=net"]
    theirs = Theirs(stack, model, "172.31.2.254", "172.31.2.1/24", space.prefix)
    space.run("ip", "addr", "add", "172.31.2.254/24", "dev", "theirs")
    space.run("ip", "link", "set", "theirs", "up")
    return [ours, theirs]


def disk_file(path):
    """A file without holes, in the page cache."""
    with open(path, "wb") as disk:
        for _ in range(DISK_SIZE >> 20):
            disk.write(os.urandom(1 << 20))
        disk.flush()
        os.fsync(disk.fileno())
    return path


def in_turns(sides, measure):
    """Medians of `measure(side)` for each side, taken in turns after a first round that does not count."""
    taken = [[] for _ in sides]
    for turn in range(ROUNDS + 1):
        for at, side in enumerate(sides):
            value = measure(side)
            if turn:
                taken[at].append(value)
    return [statistics.median(values_) for values_ in taken], taken


def compare(name, sides, measure, unit, bar=None, at_least=True):
    """A figure: ours / theirs."""
    (ours, theirs), taken = in_turns(sides, measure)
    return Figure(f"{name}, ours / virtio-pci", ours / theirs, "", bar, at_least=at_least,
                  note=f"{ours:,.0f} / {theirs:,.0f} {unit}", detail={"ours": taken[0], "theirs": taken[1]})


def rate(text, what):
    """Units per second that a tool counted."""
    got = values(text)
    assert not got["bad"], text
    return got[what] * 1e9 / got["ns"]


def block(sides):
    """Disk figures."""
    return [compare(name, sides, lambda side, a=arguments: rate(side.run(f"x100-io {a}"), "ops"),
                    "requests/s", bar) for name, arguments, bar in BLOCK]


def per_request(ours):
    """Doorbells and interrupts that a request costs on the link."""
    figures = []
    for depth, bar in ((1, 1.0), (32, 0.2)):
        before = ours.model.counters()
        ops = values(ours.run(f"x100-io randread /dev/vda -b 4K -q {depth} -t 1"))["ops"]
        after = ours.model.counters()
        for words, key in (("doorbells of the card", "doorbells-to-host"), ("interrupts to the card", "doorbells-to-card")):
            figures.append(Figure(f"{words} per 4 KiB read, depth {depth}", round((after[key] - before[key]) / ops, 3), "",
                                  bar, note=f"{ops:,} requests"))
    return figures


def throughput(sides, how, kinds, server_prefix=()):
    """Figures of x100-net against a server on the host; `how` names the way there."""
    figures = []
    with net_server(server_prefix) as port:
        for name, mode, arguments, bar in kinds:
            unit = "bytes" if "TCP" in name else "packets"

            def measure(side, mode=mode, arguments=arguments, unit=unit):
                return rate(side.run(f"x100-net {mode} {side.host} -p {port} {arguments}"), unit)

            figures.append(compare(f"{name}{how}", sides, measure, f"{unit}/s", bar))
        figures.append(compare(f"TCP round trip of 64 bytes{how}", sides, lambda side: values(
            side.run(f"x100-net echo {side.host} -p {port} -n 500"))["mean_ns"] / 1000, "us", at_least=False))
    return figures + [compare(f"ping round trip{how}", sides, ping, "us", PING_BAR, at_least=False)]


def network(sides):
    """Network figures through slirp: each with its own MTU (ours 9000, QEMU's 1500), then both with 1500."""
    figures = throughput(sides, ", slirp", tcp("48M") + UDP)
    for side in sides:
        side.run("ip link set eth0 mtu 1500")
    return figures + throughput(sides, ", slirp, MTU 1500", tcp("48M"))


def tap():
    """Network figures through TAP, MTU 1500."""
    if os.geteuid() != 0:
        return [Figure("networks through TAP, ours / virtio-pci", None, note="only root makes a network namespace")]
    with Namespace() as space, contextlib.ExitStack() as stack:
        return throughput(on_tap(stack, space), ", TAP", tcp("256M") + UDP, space.prefix)


def ping(side):
    """Mean round trip to the host's end of the network, us."""
    out = side.run(f"ping -c 100 -i 0.01 -q {side.host}")
    return float(re.search(r"= [\d.]+/([\d.]+)/", out).group(1)) * 1000


CONSOLE_BYTES = 512 << 10  # fits into the FIFO of their side: nobody may be slower than the console


def console_rate(side):
    """Bytes per second that a program on the card gets rid of, all of which have to arrive at the other end."""
    with side.console() as (source, _):
        drain(source)
        out = side.run(f"dd if=/dev/zero of=/dev/hvc0 bs=4096 count={CONSOLE_BYTES // 4096} 2>&1")
        got = 0
        while got < CONSOLE_BYTES:
            got += len(take(source, 65536))
        return CONSOLE_BYTES / float(re.search(r"([\d.]+) seconds", out).group(1))


def console_echo(side):
    """Mean time until a key shows at the login prompt, us."""
    with side.console() as (source, sink):
        drain(source)
        start = time.monotonic()
        for _ in range(100):
            os.write(sink, b"x")
            assert b"x" in take(source, 64)
            os.write(sink, b"\x7f")
            take(source, 64)
        return (time.monotonic() - start) / 200 * 1e6


def take(source, size):
    """What comes within ten seconds."""
    assert select.select([source], [], [], 10)[0], "nothing came from the console"
    part = os.read(source, size)
    assert part, "the console ended"
    return part


def drain(source, quiet=0.3):
    """Reads until nothing came for a while."""
    while select.select([source], [], [], quiet)[0]:
        assert os.read(source, 65536)


def console(sides):
    """Console figures, each by itself: what cannot be measured says why."""
    figures = []
    for name, one, unit, at_least in (("console, card to host", console_rate, "bytes/s", True),
                                      ("console, echo of a key", console_echo, "us", False)):
        try:
            figures.append(compare(name, sides, one, unit, at_least=at_least))
        except AssertionError as error:
            figures.append(Figure(f"{name}, ours / virtio-pci", None, note=str(error)))
    return figures


def measure(folder):
    """All of it."""
    with contextlib.ExitStack() as stack:
        sides = all_devices(stack, folder)
        figures = block(sides) + per_request(sides[0]) + network(sides) + console(sides)
    return figures + tap()
