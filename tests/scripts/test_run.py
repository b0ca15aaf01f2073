# SPDX-License-Identifier: BSD-3-Clause
"""scripts/run against a faked model and a faked x100: what it prints, its exit status, that it cleans up.

The real chain is driven by the system tests.
"""

import os
import shutil
import signal
import stat
import subprocess

import pexpect
import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Listens where the model would; on the serial line it plays getty and shell. MODE is what to do wrong.
MODEL = '''#!/usr/bin/python3
import os, socket, sys, time
path = sys.argv[sys.argv.index("--socket") + 1]
mode = os.environ.get("MODE", "")
with open(os.environ["RECORD"], "a") as record:
    record.write(f"model {os.getpid()} {os.path.dirname(path)} {sys.argv[3:]}\\n")
if mode == "dies":
    sys.exit("x100-model: no such flash file")
serial = socket.socket(socket.AF_UNIX)
serial.bind(path + ".serial")
serial.listen()
open(path + ".serial.log", "w").write("log of the serial line")
host = socket.socket(socket.AF_UNIX)
host.bind(path)
host.listen()
line, _ = serial.accept()
if mode == "hangs up":
    line.close()
    sys.exit(0)
def shell():
    line.sendall(b"~ # ")
    text = b""
    while not text.endswith(b"\\n"):
        text += line.recv(100)
    line.sendall(text.replace(b"\\n", b"\\r\\n"))
    return text
line.sendall(b"booting\\r\\nx100 login: ")
assert line.recv(100) == b"root\\n"
text = shell()
assert b"uname -a; cat /proc/cpuinfo | head -12; uptime" in text
line.sendall(b"x100-begin\\r\\nLinux x100 6.1\\r\\ncpu family: 11\\r\\nx100-end\\r\\n")
assert shell() == b"poweroff\\n"
open(path + ".off", "w").close()
time.sleep(60)
'''

X100 = '''#!/usr/bin/python3
import json, os, sys, termios, tty
path = sys.argv[2].removeprefix("model:")
verb = sys.argv[3]
mode = os.environ.get("MODE", "")
if verb == "push":
    if mode == "refused":
        sys.exit("x100: the card refused the image")
    print("pushed", *sys.argv[7:])
elif verb == "status":
    print(json.dumps({"state": "off" if os.path.exists(path + ".off") else "running"}))
elif verb == "console":
    tty.setraw(0)
    print("x100 login: ", end="", flush=True)
    while os.read(0, 1) != b"\\x1d":
        pass
'''


@pytest.fixture(name="tree")
def fixture_tree(tmp_path):
    """A checkout that holds only what scripts/run looks at."""
    for path, text in {"model/x100-model": MODEL, "build/host-loader/x100": X100,
                       "build/card-kernel-patches/bzImage": "", "build/card-rootfs/initramfs.cpio.gz": ""}.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True)
        file.write_text(text)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "scripts").mkdir()
    for name in ("run", "x100_model.py"):
        shutil.copy(os.path.join(TOP, "scripts", name), tmp_path / "scripts" / name)
    return tmp_path


def environment(tree, mode):
    return dict(os.environ, MODE=mode, RECORD=str(tree / "record"), XDG_RUNTIME_DIR=str(tree))


def run(tree, mode, *options):
    return subprocess.run([tree / "scripts/run", *options], stdin=subprocess.DEVNULL, text=True, timeout=60,
                          capture_output=True, env=environment(tree, mode), check=False)


def assert_model_gone(tree):
    """The model's process and its sockets are gone, the serial log is kept if there was one."""
    _, pid, folder, _ = (tree / "record").read_text().split(maxsplit=3)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert not os.path.exists(folder)


def test_without_a_terminal_it_logs_in_shows_the_card_and_exits_0(tree):
    done = run(tree, "")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Linux x100 6.1\ncpu family: 11\n"
    assert_model_gone(tree)
    assert (tree / "build/log/run/serial.log").read_text() == "log of the serial line"
    assert "running" in (tree / "build/log/run/push.log").read_text()


def test_options_go_to_the_model(tree):
    assert run(tree, "", "--cores", "2").returncode == 0
    assert "['--cores', '2']" in (tree / "record").read_text()


def test_a_model_that_ends_is_a_sentence_with_its_last_words(tree):
    done = run(tree, "dies")
    assert done.returncode == 1
    assert "the model ended at once (exit status 1): x100-model: no such flash file" in done.stderr
    assert "build/log/run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refused_image_shows_what_x100_said(tree):
    done = run(tree, "refused")
    assert done.returncode == 1
    assert "x100: the card refused the image" in done.stderr
    assert "pushing the card OS failed (x100 exit status 1)" in done.stderr
    assert_model_gone(tree)


def test_a_line_that_ends_before_the_login_is_a_sentence(tree):
    done = run(tree, "hangs up")
    assert done.returncode == 1
    assert "the login prompt did not come: the line ended" in done.stderr
    assert_model_gone(tree)


def test_a_missing_image_names_what_to_build(tree):
    (tree / "build/card-kernel-patches/bzImage").unlink()
    done = run(tree, "")
    assert done.returncode == 1
    assert "build/card-kernel-patches/bzImage is missing; run: make all" in done.stderr


def test_with_a_terminal_it_ends_in_the_console_until_the_escape_key(tree):
    child = pexpect.spawn(str(tree / "scripts/run"), env=environment(tree, ""), timeout=30, encoding="utf-8")
    child.expect("pushed --wait ready")
    child.expect("Ctrl-] leaves")
    child.expect("login: ")
    child.send("\x03\x1d")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert_model_gone(tree)


def test_ended_from_outside_it_takes_the_model_along(tree):
    child = pexpect.spawn(str(tree / "scripts/run"), env=environment(tree, ""), timeout=30, encoding="utf-8")
    child.expect("login: ")
    os.kill(child.pid, signal.SIGTERM)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 143
    assert_model_gone(tree)
