# SPDX-License-Identifier: BSD-3-Clause
"""Cards for system tests: the real binaries over real sockets.

Model is a model of a card that x100 talks to directly; its shell is on the serial line. Served is a card that
a daemon lends devices; its shell is on the virtio console. A test with one card:

    with served() as card:
        card.login()
        assert "inet" in card.run("ip addr show eth0")

and with more, or with a daemon that comes and goes:

    with Model() as first, Model() as second, Daemon({"mic0": first, "mic1": second}) as daemon:
        daemon["mic0"].login()
        daemon.kill()
        daemon.start()
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time

import pexpect
from pexpect.fdpexpect import fdspawn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts"))

from x100_daemon import DISK, DaemonProcess, copy_disk  # noqa: E402,F401
from x100_model import INITRD, KERNEL, LAUNCHER, TOP, X100, ModelProcess  # noqa: E402,F401

FLASH = os.path.join(TOP, "build/bootstrap/flash.bin")
HOST_TOOLS = os.path.join(TOP, "build/card-rootfs/host")  # x100-io and x100-net, this end

# Exit statuses of x100, as its help and man page give them.
DONE, USAGE, BAD_FILE, HOST, PEER, CARD, REFUSED = 0, 2, 3, 4, 5, 6, 7

# Seconds; the machine may be busy with other tests.
BOOT, COMMAND = 180, 60

PROMPT = "# "


class Shell:
    """A terminal of the card, as a pexpect object."""

    def __init__(self, terminal):
        self.terminal = terminal

    def login(self):
        """From the login prompt to a shell."""
        self.terminal.expect("login: ", timeout=BOOT)
        self.terminal.send("root\n")
        self.terminal.expect(PROMPT, timeout=COMMAND)
        self.run("alias ls='ls --color=never'")

    def run(self, command, status=0, timeout=COMMAND):
        """Output of a shell command, whose exit status has to be this one (None: any)."""
        got, out = self.run_status(command, timeout)
        assert status is None or got == status, f"{command}: exit status {got}, not {status}: {out}"
        return out

    def run_status(self, command, timeout=COMMAND):
        """Exit status and output of a shell command."""
        # The quotes keep the marks out of the echo of what is typed. (Without echo, busybox's shell would end at the
        # first SIGCHLD: a defect of its input for terminals that are not edited.)
        self.terminal.send(f"echo x100-'begin'; {command}; echo x100-'end' $?\n")
        # Kernel messages may stand in between, also within a line end.
        self.terminal.expect(r"x100-begin\s(.*)x100-end (\d+)\s", timeout=timeout)
        out, status = self.terminal.match.groups()
        self.terminal.expect(PROMPT, timeout=COMMAND)
        return int(status), out.replace("\r", "").lstrip("\n")


class Commands:
    """What a test asks of a card through x100; self.device names the card, self.environment goes to x100."""

    device = None
    environment = None

    def start_x100(self, *arguments, device=None, **popen):
        """The x100 command on this card, running."""
        return subprocess.Popen([X100, "-d", device or self.device, *arguments],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                errors="replace", env=self.environment, **popen)

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

    def wait_status(self, condition, timeout=COMMAND):
        """Until condition(status) holds; returns the status."""
        end = time.monotonic() + timeout
        while True:
            status = self.status()
            if condition(status):
                return status
            assert time.monotonic() < end, f"not after {timeout} s: {status}"
            time.sleep(0.05)

    def wait_state(self, *states, timeout=COMMAND):
        """Until the card is in one of these states; returns the status."""
        return self.wait_status(lambda status: status["state"] in states, timeout)

    def push(self, *options, kernel=KERNEL, initrd=INITRD, wait="running", status=DONE):
        """Pushes the card OS."""
        ramdisk = ["--initrd", initrd] if initrd else []
        return self.x100("push", kernel, *ramdisk, "--wait", wait, *options, status=status)


class Model(Commands, ModelProcess):
    """A running model and what a test does with it; ends with the with-block."""

    def __init__(self, *options, prefix=()):
        super().__init__(*options, prefix=prefix)
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

    def login(self, *push_options):
        """Boots the card OS and logs in as root on the serial line."""
        shell = Shell(self.line())
        self.push(*push_options)
        shell.login()

    def monitor(self, command):
        """What the QEMU monitor answers, without its echo."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(COMMAND)
            line.connect(self.socket + ".monitor")
            text = b""
            for part in (None, command):
                if part:
                    line.sendall(part.encode() + b"\n")
                    text = b""
                while not text.endswith(b"(qemu) "):
                    more = line.recv(65536)
                    assert more, "the monitor closed"
                    text += more
        return text.decode(errors="replace").split("\n", 1)[1].rsplit("(qemu) ", 1)[0]

    def counters(self):
        """What the model counted so far: the chip's counters and, as pcie-*, those of the PCIe side."""
        return json.loads(self.monitor("qom-get /machine/chip x100-counters"))

    def run(self, command, status=None, timeout=COMMAND):
        """Output of a shell command on the card's serial line; login() came before."""
        return Shell(self.line()).run(command, status, timeout)


class Served(Commands):
    """A card of a daemon. Its console is attached when first used, and again after the daemon was away."""

    def __init__(self, daemon, name, model):
        self.daemon, self.device, self.model = daemon, name, model
        self.environment = daemon.environment()
        self.child = None
        self.jobs = 0

    def push(self, *options, **keys):
        """Pushes the card OS; root may log in over SSH unless the test says something else on the command line."""
        words = () if "--cmdline" in options else ("--cmdline", "x100.ssh=open")
        return super().push(*words, *options, **keys)

    def attach(self, *options):
        """Another `x100 console` on this card, as a pexpect object on a terminal of 24 x 80."""
        child = pexpect.spawn(X100, ["-d", self.device, "console", *options], env=self.environment, encoding="utf-8",
                              codec_errors="replace", timeout=BOOT)
        child.delaybeforesend = None
        child.expect_exact("leave with Ctrl-]")
        return child

    def detach(self):
        """Leaves the console, if it is attached."""
        if self.child is not None:
            self.child.close(force=True)
            self.child = None

    def console(self):
        """The card's virtio console as a pexpect object."""
        if self.child is not None and not self.child.isalive():
            self.detach()
        if self.child is None:
            self.child = self.attach("--scrollback", "0")
        return self.child

    def login(self, *push_options):
        """Boots the card OS and logs in as root on the virtio console."""
        self.detach()
        # Attached before the push, so that the login prompt seen is that of this boot.
        self.child = self.attach("--scrollback", "0")
        self.push(*push_options)
        Shell(self.child).login()

    def run(self, command, status=0, timeout=COMMAND):
        """Output of a shell command on the virtio console, which has to have this exit status (None: any)."""
        return Shell(self.console()).run(command, status, timeout)

    def run_status(self, command, timeout=COMMAND):
        """Exit status and output of a shell command on the virtio console."""
        return Shell(self.console()).run_status(command, timeout)

    def shut_down(self, command="poweroff"):
        """Lets the card OS end by poweroff, halt or reboot; returns the status (a card whose reboot is left alone)."""
        # Not run(): the shell may be gone before it could say that the command is done.
        self.console().send(command + "\n")
        return self.wait_state({"poweroff": "off", "halt": "halted", "reboot": "restart-wanted"}[command])

    def start(self, command):
        """Starts a shell command in the background of the card; it goes on whatever becomes of the console."""
        self.jobs += 1
        return Job(self, command, f"/tmp/job{self.jobs}")

    def address(self, interface="eth0", timeout=COMMAND):
        """The card's IPv4 address, waiting for DHCP."""
        out = self.run(f"until ip -4 addr show {interface} | grep -w inet; do usleep 50000; done", timeout=timeout)
        return re.search(r"inet ([\d.]+)/", out).group(1)

    def wait_mounted(self, timeout=COMMAND):
        """Until the disk of the card is mounted."""
        self.run("until mountpoint -q /data; do usleep 50000; done", timeout=timeout)

    def devices(self):
        """name -> status of each device."""
        return {device["name"]: device for device in self.status()["devices"]}

    def add(self, name, spec, status=DONE):
        """Adds a device while the card runs."""
        return self.x100("device", "add", f"{name}={spec}", status=status)

    def remove(self, name, status=DONE):
        """Removes a device while the card runs."""
        return self.x100("device", "remove", name, status=status)

    def wait_ssh(self, timeout=COMMAND):
        """Until the card's SSH server runs."""
        self.run("until [ -e /run/dropbear.pid ]; do usleep 50000; done", timeout=timeout)

    def ssh_port(self, name="net0"):
        """The port of 127.0.0.1 that libslirp forwards to the card's SSH server."""
        return int(self.devices()[name]["ssh"].rpartition(":")[2])

    def ssh(self, command, port=None, options=(), timeout=COMMAND):
        """Runs a command over SSH, by default on the port that net0 has forwarded; the finished process. wait_ssh() comes before."""
        return subprocess.run(
            ["ssh", "-p", str(port or self.ssh_port()), "-o", "BatchMode=yes",
             "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
             "-o", f"ConnectTimeout={timeout}", *options, "root@127.0.0.1", command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)


class Job:
    """A command in the background of a card."""

    def __init__(self, card, command, path):
        self.card, self.command, self.path = card, command, path
        card.run(f"({{ {command} ; }} >{path}.out 2>&1 </dev/null; echo $? >{path}.tmp; mv {path}.tmp {path}.status) & true")

    def finished(self):
        """Whether the command has ended."""
        return self.card.run_status(f"test -e {self.path}.status")[0] == 0

    def wait(self, status=0, timeout=BOOT):
        """Until the command has ended, with this exit status; returns its output."""
        self.card.run(f"until [ -e {self.path}.status ]; do usleep 100000; done", timeout=timeout)
        out = self.card.run(f"cat {self.path}.out")
        got = int(self.card.run(f"cat {self.path}.status"))
        assert status is None or got == status, f"{self.command}: exit status {got}, not {status}: {out}"
        return out


class Daemon(DaemonProcess):
    """
    x100d serving models: name -> model, or (model, entries) with what the configuration says of the card as (key, value)
    pairs; without entries it lends a console, a network with SSH forwarded, a disk and random numbers. daemon[name] is
    the card.
    """

    def __init__(self, cards, **options):
        self.disks = {}
        self.models = {name: card[0] if isinstance(card, tuple) else card for name, card in cards.items()}
        super().__init__({}, **options)
        self.write_config({name: [("device", self.models[name].device),
                                  *(card[1] if isinstance(card, tuple) else self.usual_entries(name))]
                           for name, card in cards.items()})
        self.cards = {name: Served(self, name, model) for name, model in self.models.items()}

    def usual_entries(self, name):
        """What a card is lent in most tests."""
        self.disks[name] = copy_disk(os.path.join(self.folder, f"{name}.img"))
        return [("boot", "manual"), ("on-restart", "leave"), ("on-crash", "leave"), ("console", "scrollback=256K"),
                ("net", "slirp"), ("disk", self.disks[name]), ("rng", "yes")]

    def __getitem__(self, name):
        return self.cards[name]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the daemon and removes its folder."""
        for card in self.cards.values():
            card.detach()
        super().stop()


@contextlib.contextmanager
def served(*model_options, entries=None):
    """A card "mic0" with a model and a daemon of its own."""
    with Model(*model_options) as model:
        with Daemon({"mic0": (model, entries) if entries is not None else model}) as daemon:
            yield daemon["mic0"]


def values(line):
    """The key=value pairs that x100-io and x100-net print, numbers as int."""
    return {key: int(value) if value.isdigit() else value for key, value in re.findall(r"(\w+)=(\S+)", line)}


@contextlib.contextmanager
def net_server(prefix=()):
    """x100-net serving on the host; its port. Through slirp a card reaches it at the address of its gateway."""
    with subprocess.Popen([*prefix, os.path.join(HOST_TOOLS, "x100-net"), "serve", "-p", "0"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, start_new_session=True) as server:
        try:
            yield int(server.stdout.readline().removeprefix("port="))
        finally:
            # Its children are connections that are still open.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, 15)


class Namespace:
    """
    A network namespace, so that TAP needs nothing of the machine's own network; only root makes one. What starts with
    `prefix` in front runs in it.
    """

    def __init__(self):
        self.name = f"x100-{os.getpid()}"
        self.prefix = ("ip", "netns", "exec", self.name)

    def run(self, *command):
        """Runs a command in it that has to succeed."""
        subprocess.run([*self.prefix, *command], check=True, timeout=COMMAND)

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True, timeout=COMMAND)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.name], check=False, timeout=COMMAND)
