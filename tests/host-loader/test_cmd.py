# SPDX-License-Identifier: BSD-3-Clause
"""Under test: the x100 command as a person meets it, without a card: words, exit statuses, the serial console.

Faked: the model's serial line, a Unix socket of this test.
"""

import os
import re
import signal
import socket
import subprocess
import termios
import threading
import time

import pexpect
import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
X100 = os.path.join(TOP, "build/host-loader/x100")
COMMANDS = ("list", "status", "reset", "push", "console", "device", "log", "timeline")


@pytest.fixture(name="environment")
def fixture_environment(tmp_path):
    """An environment in which there is no card."""
    env = {k: v for k, v in os.environ.items() if k != "X100_DEVICE"}
    env.update(X100D_SOCKET=str(tmp_path / "control"), XDG_RUNTIME_DIR=str(tmp_path), XDG_STATE_HOME=str(tmp_path / "state"))
    return env


def run(environment, *arguments, status=0, stdin=b""):
    """Runs x100, checks the exit status, returns what it printed on both outputs."""
    done = subprocess.run([X100, *arguments], env=environment, input=stdin, timeout=20, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{out}{err}"
    return out, err


def test_help_names_every_command_and_exit_status(environment):
    out, _ = run(environment, "--help")
    for command in COMMANDS:
        assert re.search(rf"^  x100 {command}\b", out, re.M)
    for status in "0234567":
        assert re.search(rf"\b{status} \w", out)
    assert run(environment, "help")[0] == out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(environment, command):
    out, _ = run(environment, command, "--help")
    assert out.startswith(f"usage: x100 [-d DEVICE] {command}")
    assert run(environment, "help", command)[0] == out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_page_and_the_completion_know_every_option(environment, command):
    out, _ = run(environment, command, "--help")
    with open(os.path.join(TOP, "host-loader/man/x100.1"), encoding="utf-8") as file:
        manual = file.read().replace("\\-", "-")
    with open(os.path.join(TOP, "host-loader/completion/x100"), encoding="utf-8") as file:
        completion = file.read()
    assert command in manual and command in completion
    for option in set(re.findall(r"--[a-z-]+", out)):
        assert option in manual, f"{option} is not in the manual page"
        assert option in completion, f"{option} is not in the completion"


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["help", "nonsense"], ["--nonsense"], ["status", "extra"], ["status", "--nonsense"],
    ["reset", "extra"], ["reset", "--wait", "--timeout", "0"],
    ["reset", "--timeout", "soon"], ["push", "--initrd", "a"], ["push", "a", "b"], ["push", "a", "--wait", "forever"],
    ["push", "a", "--initrd-at", "-1"], ["push", "a", "--initrd-at", "0x100000000"],
    ["push", "a", "--initrd-at", "0"], ["push", "a", "--declare-size", "0"],
    ["push", "a", "--declare-size", "many"], ["console", "extra"], ["console", "--serial", "extra"],
    ["console", "--serial", "--view"], ["console", "--scrollback", "all"],
    ["console", "--scrollback", "1KB"], ["console", "--scrollback", "4G"], ["log", "extra"],
    ["timeline", "extra"], ["list", "extra"], ["device"], ["device", "list", "extra"], ["device", "add"],
    ["device", "add", "net0"], ["device", "remove"], ["device", "rescan", "a", "b"], ["device", "sell", "net0"]])
def test_wrong_arguments_end_with_status_2_and_where_to_look(environment, arguments):
    _, err = run(environment, *arguments, status=2)
    assert "help" in err


@pytest.mark.parametrize("command", [["status"], ["reset"], ["console"], ["console", "--serial"], ["log"],
                                     ["timeline"], ["push"], ["device", "list"]])
def test_without_a_card_a_sentence_says_how_to_get_one(environment, command):
    _, err = run(environment, *command, status=4)
    assert "there is no card" in err and "try: " in err


@pytest.mark.parametrize("command", [["console"], ["device", "list"], ["device", "remove", "net0"]])
def test_what_needs_the_daemon_says_how_to_start_it(environment, command):
    _, err = run(environment, "-d", "model:/some/card.sock", *command, status=5)
    assert "x100d does not serve this card" in err
    assert "x100d --card mic0=model:/some/card.sock" in err


def test_list_without_a_card_is_no_error(environment):
    out, err = run(environment, "list")
    assert out == "" and "no card" in err


def test_a_socket_nobody_listens_at_is_another_error_than_none(environment, tmp_path):
    path = str(tmp_path / "dead.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    assert "nobody" in run(environment, "-d", "model:" + path, "status", status=5)[1]
    assert "no socket" in run(environment, "-d", "model:" + path + "x", "status", status=4)[1]


def test_a_device_name_without_a_scheme_is_explained(environment):
    assert "model:PATH" in run(environment, "-d", "card0", "status", status=2)[1]


@pytest.mark.parametrize("path", ["/nonexistent/bzImage", "/", "/dev/zero"])
def test_what_is_no_file_cannot_be_pushed(environment, path):
    assert path in run(environment, "push", path, status=3)[1]


def test_options_of_a_command_may_name_the_device(environment):
    assert "/nowhere" in run(environment, "status", "-d", "model:/nowhere", status=4)[1]


@pytest.mark.parametrize("arguments", [["--help"], ["version"], ["help", "push"], ["status", "--help"]])
def test_output_that_cannot_be_written_is_an_error(environment, arguments):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([X100, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=full,
                              stderr=subprocess.PIPE, timeout=20, check=False)
    assert done.returncode == 4 and b"output" in done.stderr


# The serial console.


class Line:
    """The card's end of a serial line."""

    def __init__(self, folder):
        self.path = str(folder / "card.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path + ".serial")
        self.listener.listen(1)
        self.listener.settimeout(10)
        self.connection = None

    def accept(self):
        """Waits for the console."""
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(10)
        return self.connection

    def read(self, size):
        """Exactly size bytes of what was typed."""
        data = b""
        while len(data) < size:
            more = self.connection.recv(size - len(data))
            if not more:
                break
            data += more
        return data


@pytest.fixture(name="line")
def fixture_line(tmp_path):
    """A serial line nobody is on yet."""
    line = Line(tmp_path)
    yield line
    if line.connection:
        line.connection.close()
    line.listener.close()


def terminal(environment, line):
    """The console on a terminal of its own, started by a shell so that the terminal outlives it."""
    shell = pexpect.spawn("/bin/sh", ["-c", "stty -a; \"$@\"; echo status $?; stty -a", "sh", X100, "-d",
                                      "model:" + line.path, "console", "--serial"],
                          env=environment, timeout=10, encoding="latin-1")
    line.accept()
    shell.expect_exact("leave with Ctrl-]")
    end = time.monotonic() + 10
    while termios.tcgetattr(shell.child_fd)[3] & termios.ICANON:  # raw mode follows the message
        assert time.monotonic() < end
        time.sleep(0.01)
    return shell


def modes(text):
    """The settings stty -a printed."""
    return [word for word in re.split(r"[\s;]+", text) if word in ("icanon", "echo", "isig", "opost", "icrnl")]


def test_keys_reach_the_card_raw_and_its_words_the_terminal(environment, line):
    shell = terminal(environment, line)
    shell.send("\x03\x1a\rabc\x00\x7f")
    assert line.read(8) == b"\x03\x1a\rabc\x00\x7f"
    line.connection.sendall(b"\r\nlogin: \x1b[1mx\x1b[0m")
    shell.expect_exact("\r\nlogin: \x1b[1mx\x1b[0m")
    shell.send("\x1d")
    shell.expect_exact("status 0")
    shell.expect(pexpect.EOF)


@pytest.mark.parametrize("leave", ["key", "line", "term"])
def test_the_terminal_is_as_it_was_however_the_console_ends(environment, line, leave):
    shell = terminal(environment, line)
    before = modes(shell.before)
    assert before
    if leave == "key":
        shell.send("some\x1dmore")
        shell.expect_exact("status 0")
        assert line.read(10) == b"some"
    elif leave == "line":
        line.connection.close()
        shell.expect_exact("status 5")
    else:
        console = subprocess.check_output(["pgrep", "-P", str(shell.pid)]).split()
        assert len(console) == 1
        os.kill(int(console[0]), signal.SIGTERM)
        shell.expect_exact("status 130")
    shell.expect(pexpect.EOF)
    assert modes(shell.before) == before


def test_ctrl_bracket_leaves_a_line_that_takes_no_more_keys(environment, line):
    line.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    shell = terminal(environment, line)
    for _ in range(500):  # 1 MB, several times what both sockets and the command keep
        os.write(shell.child_fd, b"k" * 2000)
    shell.send("\x1d")
    shell.expect_exact("status 0")
    shell.expect(pexpect.EOF)


def test_much_piped_input_arrives_whole(environment, line):
    data = bytes(range(256)) * 4000
    console = subprocess.Popen([X100, "-d", "model:" + line.path, "console", "--serial"], env=environment,
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    line.accept()
    feeder = threading.Thread(target=lambda: (console.stdin.write(data), console.stdin.close()))
    feeder.start()
    assert line.read(len(data)) == data
    feeder.join(10)
    assert console.wait(10) == 0


def test_piped_input_is_sent_and_the_answer_waited_for(environment, line):
    console = subprocess.Popen([X100, "-d", "model:" + line.path, "console", "--serial"], env=environment,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    line.accept()
    console.stdin.write(b"root\n\x1d\n")
    console.stdin.close()
    assert line.read(7) == b"root\n\x1d\n"
    time.sleep(1)  # slow on purpose: less than the quiet time after which the console leaves
    line.connection.sendall(b"late answer")
    assert console.stdout.read() == b"late answer"
    assert console.wait(10) == 0
    console.stdout.close()


def test_the_console_needs_no_card_only_its_line(environment, tmp_path):
    _, err = run(environment, "-d", f"model:{tmp_path}/none.sock", "console", "--serial", status=4)
    assert "none.sock.serial" in err


def test_completion_offers_commands_options_and_devices(environment, tmp_path):
    os.mkdir(tmp_path / "x100")
    path = str(tmp_path / "x100" / "card0.sock")
    with socket.socket(socket.AF_UNIX) as card:
        card.bind(path)

    def complete(*words):
        script = (f". {TOP}/host-loader/completion/x100; COMP_WORDS=(x100 \"$@\"); COMP_CWORD=$#; "
                  "_x100; printf '%s\\n' \"${COMPREPLY[@]}\"")
        return subprocess.check_output(["/bin/bash", "-c", script, "bash", *words], env=environment,
                                       text=True).split()

    assert set(COMMANDS) <= set(complete(""))
    assert complete("ti") == ["timeline"]
    assert "--wait" in complete("reset", "--")
    assert complete("-d", "x", "push", "--in") == ["--initrd", "--initrd-at"]
    assert complete("push", "--wait", "r") == ["ready", "running"]
    assert complete("-d", "") == ["model:" + path]
