# SPDX-License-Identifier: BSD-3-Clause
"""Under test: x100d, built with the sanitizers, and x100 through it: who may, what clients do, what cards do.

Faked: the card, by the model; clients that keep to no rule, by this test.
"""

import json
import os
import pathlib
import pwd
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pexpect
import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))

from card import (BAD_FILE, COMMAND, HOST, INITRD, KERNEL, PEER, REFUSED, TOP, USAGE, X100, Daemon,  # noqa: E402
                  Model, served)
import x100_daemon  # noqa: E402 (card has set the path to it)

x100_daemon.X100D = os.path.join(TOP, "build/host-loader/tests/x100d")

CONSOLE = [("console", "scrollback=64K"), ("rng", "yes")]
NOBODY = pwd.getpwnam("nobody")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def until(condition, timeout=COMMAND):
    """Waits until the condition holds; returns what it gave."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {timeout} s"
        time.sleep(0.02)


class Client:
    """A connection to the control socket."""

    def __init__(self, daemon):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(COMMAND)
        self.socket.connect(daemon.control)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def line(self):
        """The next object."""
        while b"\n" not in self.data:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        return json.loads(line)

    def ask(self, **request):
        """The answer to a request, events skipped."""
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self.line()
            if "event" not in answer:
                return answer

    def frames(self):
        """Reads frames of a console stream: pairs of type and payload."""
        while True:
            while len(self.data) < 4 or len(self.data) < 4 + int.from_bytes(self.data[2:4], "little"):
                more = self.socket.recv(65536)
                if not more:
                    return
                self.data += more
            size = int.from_bytes(self.data[2:4], "little")
            frame = self.data[0], self.data[4:4 + size]
            self.data = self.data[4 + size:]
            yield frame


@pytest.fixture(name="idle", scope="module")
def fixture_idle():
    """A daemon with a card that is ready and stays so."""
    with served(entries=CONSOLE) as card:
        card.x100("reset", "--wait")
        yield card
        card.daemon.end()
        assert card.daemon.process.returncode == 0
        assert "ERROR" not in card.daemon.log()


@pytest.fixture(name="booted", scope="module")
def fixture_booted():
    """A daemon with a card on which root is logged in."""
    with served() as card:
        card.login()
        yield card


# Who may.


@pytest.fixture(name="open_folder")
def fixture_open_folder():
    """A folder that others than this user reach."""
    with tempfile.TemporaryDirectory(prefix="x100d-") as name:
        os.chmod(name, 0o755)
        yield pathlib.Path(name)


@needs_root
@pytest.mark.parametrize("line, allowed", [("", None), ("allow-users = root", False),
                                           ("allow-users = nobody", True), ("allow-groups = daemon", False),
                                           (f"allow-groups = {NOBODY.pw_gid}", True), ("allow-groups = 54321", True)])
def test_who_may_control(open_folder, line, allowed):
    config = open_folder / "x100d.conf"
    config.write_text(f"[daemon]\nsocket={open_folder}/control\nstate={open_folder}/state\n{line}\n"
                      "[card mic0]\ndevice = model:/nowhere\n")
    daemon = subprocess.Popen([x100_daemon.X100D, "--config", str(config)], stderr=subprocess.PIPE, text=True)
    try:
        while "ready" not in daemon.stderr.readline():
            assert daemon.poll() is None
        client = subprocess.run(
            [sys.executable, "-c", "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
             "try:\n    s.sendall(b'{\"op\": \"list\"}\\n')\nexcept BrokenPipeError:\n    pass\n"
             "print(s.recv(65536).decode())", f"{open_folder}/control"],
            user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[54321], capture_output=True, text=True,
            timeout=COMMAND, check=False)
        if allowed is None:
            assert "PermissionError" in client.stderr
        else:
            answer = json.loads(client.stdout)
            assert answer["ok"] == allowed
            assert allowed or answer["error"] == "PERMISSION"
        # Root always may.
        listed = subprocess.run([X100, "list"], env=dict(os.environ, X100D_SOCKET=f"{open_folder}/control"),
                                capture_output=True, text=True, timeout=COMMAND, check=True)
        assert "mic0" in listed.stdout and "served by x100d" in listed.stdout
    finally:
        daemon.terminate()
        daemon.wait(COMMAND)
        daemon.stderr.close()


def test_a_second_daemon_at_the_same_socket_is_refused(idle):
    second = subprocess.run([x100_daemon.X100D, "--socket", idle.daemon.control, "--state", idle.daemon.state,
                             "--card", "mic1=model:/x"], capture_output=True, text=True, timeout=COMMAND, check=False)
    assert second.returncode == PEER and "another x100d" in second.stderr
    assert idle.status()["state"] == "ready"


def test_check_tells_every_mistake_with_its_line(tmp_path):
    config = tmp_path / "x100d.conf"
    config.write_text("[daemon]\ncolour = blue\n[card mic0]\nboot = never\n")
    check = subprocess.run([x100_daemon.X100D, "--check", "--config", str(config)], capture_output=True, text=True,
                           timeout=COMMAND, check=False)
    assert check.returncode == 3
    assert re.findall(r"x100d.conf:(\d+): ", check.stderr) == ["2", "4", "3"]
    config.write_text("[card mic0]\ndevice = model:/x\nconsole = pty\nnet = slirp\ndisk = /a.img,ro\nrng = yes\n")
    assert subprocess.run([x100_daemon.X100D, "--check", "--config", str(config)], timeout=COMMAND,
                          check=False).returncode == 0


@pytest.mark.parametrize("arguments", [[], ["--nonsense"], ["extra"], ["--card", "mic0=model:/x", "extra"]])
def test_wrong_arguments_end_with_status_2(arguments):
    wrong = subprocess.run([x100_daemon.X100D, *arguments], capture_output=True, text=True, timeout=COMMAND, check=False)
    assert wrong.returncode == USAGE and "--help" in wrong.stderr


def test_the_manual_pages_know_every_option_and_key():
    def text(path):
        with open(os.path.join(TOP, "host-loader", path), encoding="utf-8") as file:
            return file.read().replace("\\-", "-")

    options = subprocess.run([x100_daemon.X100D, "--help"], capture_output=True, text=True, timeout=COMMAND, check=True)
    for option in set(re.findall(r"--[a-z]+", options.stdout)):
        assert option in text("man/x100d.8"), option
    for operation in re.findall(r'\{ "([a-z-]+)", \w+ \}', text("daemon/request.c")):
        assert operation in text("man/x100d.8"), operation
    keys = re.findall(r'\[(?:DAEMON|CARD)_\w+\] = "([a-z-]+)"', text("daemon/config.c"))
    assert len(keys) == 14
    for key in keys:
        assert key in text("man/x100d.conf.5"), key
        assert key in text("systemd/x100d.conf.example"), key


def test_the_example_configuration_has_no_mistakes_also_with_its_comments_taken_away(tmp_path):
    example = os.path.join(TOP, "host-loader/systemd/x100d.conf.example")
    check = [x100_daemon.X100D, "--check", "--config"]
    subprocess.run([*check, example], timeout=COMMAND, check=True)
    bare = tmp_path / "x100d.conf"
    with open(example, encoding="utf-8") as file:
        bare.write_text(re.sub(r"^#(?=[a-z-]+ = )", "", file.read(), flags=re.M))
    done = subprocess.run([*check, str(bare)], capture_output=True, text=True, timeout=COMMAND, check=False)
    # Names of people that are not here.
    assert all("there is no user" in line or "there is no group" in line for line in done.stderr.splitlines())


def test_what_is_installed(tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key != "MFLAGS"}
    subprocess.run(["make", "-C", os.path.join(TOP, "host-loader"), "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"],
                   env=environment, capture_output=True, timeout=300, check=True)
    for path in ("bin/x100", "sbin/x100d", "share/man/man1/x100.1", "share/man/man5/x100d.conf.5",
                 "share/man/man8/x100d.8", "share/bash-completion/completions/x100"):
        assert (tmp_path / "usr" / path).is_file(), path
    unit = (tmp_path / "usr/lib/systemd/system/x100d@.service").read_text()
    assert "ExecStart=/usr/sbin/x100d --config /etc/x100/%i.conf\n" in unit and "@" not in unit.split("[Service]")[1]


def test_lines_for_the_journal_have_priorities(tmp_path):
    with open(tmp_path / "log", "w+", encoding="utf-8") as log:
        st = os.fstat(log.fileno())
        daemon = subprocess.Popen([x100_daemon.X100D, "--socket", f"{tmp_path}/control", "--state", str(tmp_path),
                                   "--card", "mic0=model:/nowhere"], stderr=log,
                                  env=dict(os.environ, JOURNAL_STREAM=f"{st.st_dev}:{st.st_ino}"))
        try:
            lines = until(lambda: (tmp_path / "log").read_text().count("\n") == 2
                          and (tmp_path / "log").read_text().splitlines())
        finally:
            daemon.terminate()
            assert daemon.wait(COMMAND) == 0
    assert sorted(line[:4] for line in lines) == ["<4>m", "<6>r"]


# Clients.


@pytest.mark.parametrize("garbage", [b"\n\n\n", b"garbage\n", b"\0" * 1000 + b"\n", b"{" * 5000 + b"\n", b"\xff" * 70000,
                                     b'{"op": "status"' + b" " * 70000, os.urandom(60000) + b"\n"],
                         ids=["empty", "words", "zeros", "deep", "endless", "long", "noise"])
def test_garbage_hurts_its_sender_only(idle, garbage):
    with Client(idle.daemon) as client:
        try:
            client.socket.sendall(garbage)
            client.socket.shutdown(socket.SHUT_WR)
            while client.socket.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert idle.status()["state"] == "ready"


def test_a_hundred_clients_are_served(idle):
    clients = [Client(idle.daemon) for _ in range(100)]
    for client in clients:
        client.socket.sendall(b'{"op": "status", "card": "mic0"}\n')
    for client in clients:
        assert client.line()["state"] == "ready"
        client.socket.close()


def test_more_clients_than_it_takes_are_told_so(idle):
    clients = [Client(idle.daemon) for _ in range(300)]
    last = clients[-1].line()
    assert last["error"] == "BUSY" and last["hint"]
    for client in clients:
        client.socket.close()
    until(lambda: idle.start_x100("status").wait(COMMAND) == 0)


def test_a_client_that_says_nothing_is_let_go(idle):
    with Client(idle.daemon) as client:
        client.socket.sendall(b'{"op": "li')
        start = time.monotonic()
        with pytest.raises(EOFError):
            client.line()
        assert 5 < time.monotonic() - start < 30


def test_requests_are_answered_one_after_the_other(idle):
    with Client(idle.daemon) as client:
        client.socket.sendall(b'{"op": "status"}\n{"op": "dance"}\n{"op": "timeline"}\n')
        assert client.line()["state"] == "ready"
        assert client.line()["error"] == "ARGUMENT"
        assert "events" in client.line()


def test_running_out_of_descriptors_is_survived():
    with Daemon({}, prefix=["prlimit", "--nofile=24:24"]) as daemon:
        clients = [Client(daemon) for _ in range(40)]
        until(lambda: "a client has to wait" in daemon.log())
        before = ticks(daemon)
        time.sleep(2)  # it must not spin meanwhile
        assert ticks(daemon) - before < 50
        for client in clients:
            client.socket.close()
        with Client(daemon) as client:
            assert client.ask(op="list")["ok"]
        assert daemon.log().count("a client has to wait") < 100


def test_a_state_folder_that_takes_nothing_is_told_once_and_lived_with():
    with Model() as model, Daemon({"mic0": (model, CONSOLE)}) as daemon:
        daemon.end()
        os.symlink("/dev/full", os.path.join(daemon.state, "mic0.json.new"))
        daemon.start()
        card = daemon["mic0"]
        card.push()
        assert card.status()["state"] == "running"
        assert daemon.log().count("its state cannot be saved") == 1


# Pushes, resets and questions.


def test_a_push_through_the_daemon_tells_how_it_goes(idle):
    with Client(idle.daemon) as client:
        with open(KERNEL, "rb") as kernel, open(INITRD, "rb") as ramdisk:
            request = {"op": "push", "card": "mic0", "image": True, "ramdisk": True, "wait_running": True}
            socket.send_fds(client.socket, [json.dumps(request).encode() + b"\n"], [kernel.fileno(), ramdisk.fileno()])
        seen = []
        while True:
            line = client.line()
            seen.append(line)
            if "event" not in line:
                break
        assert line["ok"] and line["bytes"] == os.path.getsize(KERNEL) + os.path.getsize(INITRD)
        steps = [event["step"] for event in seen[:-1] if event["event"] == "progress"]
        assert "image" in steps and "ramdisk" in steps
        assert any(event["event"] == "post" for event in seen[:-1])
        assert client.ask(op="status")["state"] == "running"
    what = [event["what"] for event in json.loads(idle.x100("timeline", "--json"))]
    assert "boot interrupt" in what and what[-1] == "saw the card OS running"
    assert "card kernel" in idle.x100("log")
    # Without an image: the same again.
    idle.x100("push", "--wait", "running")
    assert idle.status()["record"]["pushes"] == 1
    idle.x100("reset", "--wait")
    assert idle.status()["state"] == "ready"


def test_errors_have_the_exit_status_they_have_without_the_daemon(idle, tmp_path):
    noise = tmp_path / "noise"
    noise.write_bytes(os.urandom(100000))
    assert "not" in idle.x100("push", str(noise), status=BAD_FILE)
    idle.x100("push", str(noise), "--force", status=REFUSED)
    idle.x100("push", "/nonexistent", status=BAD_FILE)
    assert "no console" not in idle.x100("status")
    assert idle.status()["state"] == "ready"


def test_a_second_job_is_refused_while_one_goes_on(idle):
    with Client(idle.daemon) as first, Client(idle.daemon) as second:
        # Both are in the daemon's queue before it can have finished the first.
        first.socket.sendall(b'{"op": "reset", "card": "mic0", "wait": true}\n')
        answers = [second.ask(op="reset", card="mic0", wait=True)]
        answers.append(first.line())
        while "event" in answers[-1]:
            answers[-1] = first.line()
        refused = [answer for answer in answers if not answer["ok"]]
        assert all(answer["error"] == "BUSY" and "right now" in answer["why"] for answer in refused)
        assert any(answer["ok"] for answer in answers)


def test_questions_are_answered_while_a_reset_waits(idle):
    with Client(idle.daemon) as resetting:
        resetting.socket.sendall(b'{"op": "reset", "card": "mic0", "wait": true}\n')
        assert idle.status()["daemon"] is True


def test_list_says_who_serves(idle):
    out = idle.x100("list")
    assert re.search(r"^mic0 +\S+, served by x100d, model:", out, re.M)


def test_a_card_the_daemon_does_not_have(idle):
    assert "model:PATH" in idle.x100("status", device="mic9", status=USAGE)


# Cards that come and go.


def test_a_card_that_is_not_there_yet_is_waited_for_and_one_that_died_again():
    model = Model()
    with model, Daemon({"mic0": (model, CONSOLE)}) as daemon:
        card = daemon["mic0"]
        until(lambda: card.start_x100("status").wait(COMMAND) == 0)
        model.end()
        assert "there is no card" in until(lambda: absent(card))
        assert "absent" in card.x100("list")
        again = subprocess.Popen([os.path.join(TOP, "model/x100-model"), "--socket", model.socket],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 start_new_session=True)
        try:
            until(lambda: card.start_x100("status").wait(COMMAND) == 0)
            card.push()
            card.wait_status(lambda status: all(device["state"] == "live" for device in status["devices"]))
        finally:
            os.killpg(again.pid, signal.SIGKILL)
            again.wait(COMMAND)


def absent(card):
    """What x100 status says if the card is away, else nothing."""
    process = card.start_x100("status")
    _, err = process.communicate(timeout=COMMAND)
    return err if process.returncode in (HOST, PEER) and "no card" in err else ""


def test_two_cards_at_once():
    with Model() as first, Model() as second, Daemon({"mic0": (first, CONSOLE), "mic1": (second, CONSOLE)}) as daemon:
        pushes = [daemon[name].start_x100("push", KERNEL, "--initrd", INITRD, "--wait", "running")
                  for name in ("mic0", "mic1")]
        for push in pushes:
            _, err = push.communicate(timeout=180)
            assert push.returncode == 0, err
        for name in ("mic0", "mic1"):
            daemon[name].wait_status(lambda status: all(device["state"] == "live" for device in status["devices"]))
        # One that dies does not hurt the other.
        first.end()
        until(lambda: "broke" in daemon.log())
        assert daemon["mic1"].status()["state"] == "running"
        choice = subprocess.run([X100, "status"], env=daemon.environment(), capture_output=True, text=True,
                                timeout=COMMAND, check=False)
        assert choice.returncode == USAGE and "mic0, mic1" in choice.stderr


# What the configuration says is to be done.


def image(*more):
    """Entries of a card that knows its image."""
    return [*CONSOLE, ("image", KERNEL), ("ramdisk", INITRD), ("cmdline", "x100.ssh=off"), *more]


def test_a_card_can_boot_by_itself_and_again_when_its_system_reboots():
    with served(entries=image(("boot", "auto"))) as card:
        card.wait_state("running")
        child = card.attach()
        child.send("\n")
        child.expect("login: ")
        child.send("root\n")
        child.expect("# ")
        child.send("cat /proc/cmdline; reboot\n")
        child.expect("x100.ssh=off")
        # The same viewer sees the next boot.
        child.expect("login: ")
        child.close(force=True)
        card.wait_state("running")
        assert card.daemon.log().count("the card OS wants a restart") == 1
        assert card.daemon.log().count("pushing") == 2


def test_a_reboot_while_the_daemon_was_away_is_done_when_it_is_back():
    with served(entries=image(("boot", "auto"))) as card:
        card.wait_state("running")
        shell = card.attach()
        shell.send("\n")
        shell.expect("login: ")
        shell.send("root\n")
        shell.expect("# ")
        shell.send("echo x100-'going'; (sleep 1; reboot -f) & true\n")
        shell.expect("x100-going")
        shell.close(force=True)
        card.daemon.kill()
        card.model.wait_state("restart-wanted")
        card.daemon.start()
        card.wait_state("running")
        assert card.daemon.log().count("pushing") == 2


def test_a_system_that_powers_off_stays_off(booted):
    booted.console().send("poweroff\n")
    assert booted.wait_state("off")["shutdown"] == "powered off"
    booted.login()


@pytest.mark.parametrize("policy, end", [("ready", "ready"), ("leave", "restart-wanted")])
def test_what_a_reboot_leads_to(policy, end):
    with served(entries=image(("boot", "auto"), ("on-restart", policy))) as card:
        child = card.attach()
        child.expect("login: ")
        child.send("root\n")
        child.expect("# ")
        child.send("reboot\n")
        card.wait_state(end)
        child.close(force=True)


def test_a_crash_is_left_for_a_look_unless_told_otherwise(booted):
    booted.console().send("echo c >/proc/sysrq-trigger\n")
    booted.wait_state("crashed")
    assert "panic" in booted.x100("log").lower()
    booted.login()


def test_a_system_that_crashes_at_every_boot_is_given_up():
    entries = image(("boot", "auto"), ("on-crash", "boot"))
    entries[-3] = ("cmdline", "rdinit=/nonexistent root=/dev/nonexistent panic=0")
    with served(entries=entries) as card:
        until(lambda: "left alone now" in card.daemon.log(), 180)
        assert card.status()["state"] == "crashed"
        assert card.daemon.log().count("pushing") == 4


# The console.


def start_typed(card, commands):
    """Types commands into the card's shell and leaves the console once they were read."""
    card.console().send(f"echo x100-'go'; sleep 1; {commands}\n")
    card.console().expect_exact("x100-go")
    card.detach()


def test_who_comes_first_writes_and_the_next_one_when_he_leaves(booted):
    booted.console()
    second = booted.attach()
    second.expect_exact("somebody else writes")
    second.send("echo not-me\n")
    assert "not-me" not in booted.run("echo here")
    second.expect("here")
    booted.detach()
    second.expect_exact("your keys reach the card now")
    second.send("echo x100-'second'\n")
    second.expect_exact("x100-second")
    second.send("\x1d")
    second.expect(pexpect.EOF)
    second.close()
    assert second.exitstatus == 0


def test_a_viewer_only_looks(booted):
    viewer = booted.attach("--view", "--scrollback", "0")
    booted.run("echo seen-'by-all'")
    viewer.expect_exact("seen-by-all")
    booted.detach()
    viewer.send("echo typed-'by-viewer'\n")
    booted.run("true")
    viewer.send("\x1d")
    viewer.expect(pexpect.EOF)
    assert "typed-by-viewer" not in viewer.before


def test_what_was_said_while_nobody_looked_is_kept(booted):
    start_typed(booted, "echo kept-'for-later'; echo and-'more'")
    time.sleep(2)  # longer than the sleep on the card
    late = booted.attach()
    late.expect_exact("kept-for-later")
    late.close(force=True)
    few = booted.attach("--view", "--scrollback", "25")
    few.expect_exact("and-more")
    assert "kept-for-later" not in few.before
    few.close(force=True)


def test_the_size_of_the_terminal_reaches_the_card(booted):
    booted.console().setwinsize(33, 111)
    until(lambda: "33 111" in booted.run("stty size"))


def test_piped_input_is_typed_and_its_answer_printed(booted):
    booted.run("true")
    booted.detach()
    piped = subprocess.run([X100, "-d", "mic0", "console", "--scrollback", "0"], env=booted.environment,
                           input=b"echo piped-'through'\n", capture_output=True, timeout=COMMAND, check=True)
    assert b"piped-through" in piped.stdout
    booted.run("true")
    second = subprocess.run([X100, "-d", "mic0", "console"], env=booted.environment, input=b"lost\n",
                            capture_output=True, timeout=COMMAND, check=False)
    assert second.returncode == PEER and b"another one writes" in second.stderr


def watch(client, words):
    """Reads a console stream until these words come; returns all that came."""
    text = b""
    for kind, payload in client.frames():
        if kind == 0:
            text += payload
        if words in text[-5000:]:
            return text
    raise AssertionError(f"no {words} in {text[-1000:]}")


def test_a_viewer_that_does_not_read_holds_up_nobody():
    with served(entries=[("console", "scrollback=4K")]) as card:
        card.login()
        with Client(card.daemon) as lazy, Client(card.daemon) as other:
            for client in (lazy, other):
                assert client.ask(op="console", card="mic0", view=True, scrollback=0)["ok"]
            # More than scrollback and sockets hold.
            start_typed(card, "seq 10001 14000; echo job-'done'")
            assert b"\r\n12345\r\n" in watch(other, b"job-done")
            # It sees the end of it, and how much it missed.
            assert b"bytes of output are left out" in watch(lazy, b"job-done")


def test_frames_that_make_no_sense_end_their_stream_only(booted):
    for garbage in (b"\0\0\xff\xff", b"\xff" * 10000, b"\1\0\2\0xx\7\0\0\0\0\0\1\0" * 50 + b"\0\0\1\x20"):
        with Client(booted.daemon) as rude:
            assert rude.ask(op="console", card="mic0", view=True, scrollback=0)["ok"]
            try:
                rude.socket.sendall(garbage)
                for _ in rude.frames():
                    pass
            except ConnectionError:
                pass
    assert "fine" in booted.run("echo fine")


def test_a_console_that_is_removed_says_goodbye_and_can_come_back(booted):
    viewer = booted.attach("--view")
    booted.detach()
    booted.remove("console")
    viewer.expect("x100: the connection to the card broke: the console is being removed")
    viewer.expect(pexpect.EOF)
    viewer.close()
    assert viewer.exitstatus == PEER
    assert "no console" in booted.x100("console", status=HOST)
    booted.add("console", "scrollback=64K")
    booted.wait_status(lambda status: all(device["state"] == "live" for device in status["devices"]))
    booted.x100("reset", "--wait")
    booted.login()


# Devices.


def test_devices_come_and_go_while_the_card_runs(booted, tmp_path):
    disk = tmp_path / "more.img"
    disk.write_bytes(b"x" * 1048576)
    booted.add("disk1", f"{disk},ro")
    booted.run("until [ -e /dev/vdb ]; do usleep 20000; done")
    assert "xxxx" in booted.run("head -c 4 /dev/vdb; echo")
    assert "already" in booted.add("disk1", str(disk), status=USAGE)
    os.truncate(disk, 2097152)
    booted.x100("device", "rescan", "disk1")
    booted.run("until [ $(cat /sys/block/vdb/size) = 4096 ]; do usleep 20000; done")
    listed = booted.x100("device", "list")
    assert re.search(r"^disk1 +live +/", listed, re.M)
    assert re.search(r"^net0 .*\(SSH: 127\.0\.0\.1:\d+\)", listed, re.M)
    booted.remove("disk1")
    booted.run("until [ ! -e /dev/vdb ]; do usleep 20000; done")
    assert "no device" in booted.remove("disk1", status=USAGE)
    assert "nowhere" in booted.add("disk1", "/nowhere.img", status=BAD_FILE)


# Restarts of the daemon.


@pytest.mark.parametrize("how", ["kill", "end"])
def test_a_restarted_daemon_goes_on_with_the_card(booted, tmp_path, how):
    disk = tmp_path / "more.img"
    disk.write_bytes(b"y" * 1048576)
    booted.add("disk1", f"{disk},ro")
    booted.run("until [ -e /dev/vdb ]; do usleep 20000; done; echo before-'the-restart'")
    pushes = booted.status()["record"]["pushes"]
    booted.detach()
    getattr(booted.daemon, how)()
    booted.daemon.start()
    booted.wait_status(lambda status: all(device["state"] == "live" for device in status["devices"]))
    assert booted.status()["record"]["pushes"] == pushes
    viewer = booted.attach("--view")
    viewer.expect_exact("before-the-restart")
    viewer.close(force=True)
    assert "yyyy" in booted.run("dd if=/dev/vdb bs=4k count=1 iflag=direct 2>/dev/null | head -c 4; echo")
    booted.remove("disk1")
    assert "boot interrupt" in booted.x100("timeline")


def test_a_daemon_that_ends_says_goodbye_to_viewers(booted):
    viewer = booted.attach("--view", "--scrollback", "0")
    booted.detach()
    booted.daemon.end()
    assert booted.daemon.process.returncode == 0
    viewer.expect("x100d is ending")
    viewer.close()
    # Without a daemon the card can be asked directly.
    assert booted.model.x100("status")
    booted.daemon.start()
    booted.wait_status(lambda status: all(device["state"] == "live" for device in status["devices"]))


# What it costs.


def ticks(daemon):
    """Hundredths of a second of processor time the daemon has used."""
    with open(f"/proc/{daemon.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_an_idle_daemon_uses_no_processor_time(booted):
    booted.run("true")
    booted.detach()
    time.sleep(1)
    before = ticks(booted.daemon)
    time.sleep(5)
    assert ticks(booted.daemon) - before <= 1


def test_nothing_was_said_by_the_sanitizers(booted):
    booted.daemon.end()
    assert booted.daemon.process.returncode == 0
    log = booted.daemon.log()
    assert "Sanitizer" not in log and "runtime error" not in log
    booted.daemon.start()
