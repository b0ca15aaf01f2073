# SPDX-License-Identifier: BSD-3-Clause
"""scripts/run against a faked model, x100d and x100: what it prints, its exit status, that it cleans up.

The real chain is driven by the system tests.
"""

import os
import re
import shutil
import signal
import stat
import subprocess

import pexpect
import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Listens where the model would, and notes what it was told.
MODEL = '''#!/usr/bin/python3
import os, socket, sys, time
path = sys.argv[sys.argv.index("--socket") + 1]
with open(os.environ["RECORD"], "a") as record:
    record.write(f"model {os.getpid()} {os.path.dirname(path)} {sys.argv[3:]}\\n")
if os.environ["MODE"] == "model dies":
    sys.exit("x100-model: no such flash file")
open(path + ".serial.log", "w").write("log of the serial line")
host = socket.socket(socket.AF_UNIX)
host.bind(path)
host.listen()
time.sleep(60)
'''

# Says that it is ready, as systemd wants to hear it.
X100D = '''#!/usr/bin/python3
import os, signal, socket, sys
config = sys.argv[sys.argv.index("--config") + 1]
with open(os.environ["RECORD"], "a") as record:
    record.write(f"daemon {os.getpid()}\\n")
if os.environ["MODE"] == "daemon dies":
    sys.exit("x100d: mic0: no such device")
open(os.environ["RECORD"] + ".conf", "w").write(open(config).read())
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
signal.pause()
'''

# On the console it plays getty and shell.
X100 = '''#!/usr/bin/python3
import json, os, sys, tty
assert sys.argv[1:3] == ["-d", "mic0"]
verb, mode, off = sys.argv[3], os.environ["MODE"], os.environ["X100D_SOCKET"] + ".off"
def line():
    text = b""
    while not text.endswith(b"\\n"):
        text += os.read(0, 100)
    return text.decode()
def say(text):
    print(text, end="", flush=True)
def shell():
    say("root@x100:~# ")
    while True:
        command = line()
        if command == "poweroff\\n":
            open(off, "w").close()
            return
        status = 1 if mode == "no disk" and "hello" in command else 0
        say(f"x100-begin\\r\\noutput of {command.split('; ')[-2]}\\r\\nx100-end {status}\\r\\n")
        say("root@x100:~# ")
if verb == "push":
    if mode == "refused":
        sys.exit("x100: the card refused the image")
    print("pushed", *sys.argv[7:])
elif verb == "status":
    print(json.dumps({"state": "off" if os.path.exists(off) else "running",
                      "devices": [{"name": "console"}, {"name": "net0", "ssh": "127.0.0.1:2299"}]}))
elif verb == "console":
    tty.setraw(0)
    if mode == "hangs up":
        sys.exit(0)
    say("booting\\r\\nx100 login: ")
    if mode == "interactive":
        while os.read(0, 1) != b"\\x1d":
            pass
        sys.exit(0)
    assert line() == "root\\n"
    shell()
    os.read(0, 1)
'''


@pytest.fixture(name="tree")
def fixture_tree(tmp_path):
    """A checkout that holds only what scripts/run looks at."""
    for path, text in {"model/x100-model": MODEL, "build/host-loader/x100": X100,
                       "build/host-loader/x100d": X100D, "build/card-kernel-patches/bzImage": "",
                       "build/card-rootfs/initramfs.cpio.gz": "", "build/card-rootfs/disk.img": "the image"}.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "scripts").mkdir()
    for name in ("run", "x100_daemon.py", "x100_model.py"):
        shutil.copy(os.path.join(TOP, "scripts", name), tmp_path / "scripts" / name)
    return tmp_path


def environment(tree, mode):
    return dict(os.environ, MODE=mode, RECORD=str(tree / "record"), XDG_RUNTIME_DIR=str(tree))


def run(tree, mode, *options):
    return subprocess.run([tree / "scripts/run", *options], stdin=subprocess.DEVNULL, text=True, timeout=60,
                          capture_output=True, env=environment(tree, mode), check=False)


def assert_all_gone(tree):
    """The processes and their folder are gone."""
    lines = [line.split(maxsplit=3) for line in (tree / "record").read_text().splitlines()]
    for line in lines:
        with pytest.raises(ProcessLookupError):
            os.kill(int(line[1]), 0)
    assert not os.path.exists(lines[0][2])


def test_without_a_terminal_it_logs_in_shows_what_the_card_has_and_exits_0(tree):
    done = run(tree, "")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# uname -a\noutput of uname -a\n# ip addr show eth0\n")
    for command in ("ping -c 3 ", "blkid /dev/vda", "cat /data/hello"):
        assert f"output of {command}" in done.stdout
    assert_all_gone(tree)
    logs = tree / "build/log/run"
    assert (logs / "serial.log").read_text() == "log of the serial line"
    assert "running" in (logs / "push.log").read_text()
    assert "login: " in (logs / "console.log").read_text()


def test_daemon_lends_a_console_a_network_and_a_copy_of_the_disk(tree):
    assert run(tree, "").returncode == 0
    config = (tree / "record.conf").read_text()
    assert re.search(r"^\[card mic0\]$", config, re.M)
    assert re.search(r"^device = model:.*/card0.sock$", config, re.M)
    assert re.search(r"^console = ", config, re.M)
    assert re.search(r"^net = slirp$", config, re.M)
    disk = re.search(r"^disk = (.*)$", config, re.M).group(1)
    assert disk != str(tree / "build/card-rootfs/disk.img")
    assert (tree / "build/card-rootfs/disk.img").read_text() == "the image"


def test_options_go_to_the_model(tree):
    assert run(tree, "", "--cores", "2").returncode == 0
    assert "['--cores', '2']" in (tree / "record").read_text()


def assert_failed(done, sentence):
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "build/log/run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_ends_is_a_sentence_with_its_last_words(tree):
    assert_failed(run(tree, "model dies"), "the model ended at once (exit status 1): x100-model: no such flash file")


def test_a_daemon_that_ends_is_a_sentence_with_its_last_words(tree):
    assert_failed(run(tree, "daemon dies"), "x100d ended at once (exit status 1): x100d: mic0: no such device")
    assert_all_gone(tree)


def test_a_refused_image_shows_what_x100_said(tree):
    done = run(tree, "refused")
    assert_failed(done, "pushing the card OS failed (x100 exit status 1)")
    assert "x100: the card refused the image" in done.stderr
    assert_all_gone(tree)


def test_a_console_that_ends_before_the_login_is_a_sentence(tree):
    assert_failed(run(tree, "hangs up"), "the login prompt did not come: the console ended")
    assert_all_gone(tree)


def test_a_command_that_fails_on_the_card_fails_the_run(tree):
    assert_failed(run(tree, "no disk"), "'cat /data/hello' ended with exit status 1 on the card")
    assert_all_gone(tree)


@pytest.mark.parametrize("path", ["build/card-kernel-patches/bzImage", "build/host-loader/x100d", "build/card-rootfs/disk.img"])
def test_what_is_missing_is_named_with_what_builds_it(tree, path):
    (tree / path).unlink()
    done = run(tree, "")
    assert done.returncode == 1
    assert f"{path} is missing; run: make all" in done.stderr


def spawn(tree):
    return pexpect.spawn(str(tree / "scripts/run"), env=environment(tree, "interactive"), timeout=30, encoding="utf-8")


def test_with_a_terminal_it_ends_in_the_console_until_the_escape_key(tree):
    child = spawn(tree)
    child.expect("pushed --cmdline x100.ssh=open --wait running")
    child.expect(r"ssh -p 2299 .*root@127.0.0.1")
    child.expect("Ctrl-] leaves")
    child.expect("login: ")
    child.send("\x03\x1d")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert_all_gone(tree)


def test_ended_from_outside_it_takes_model_and_daemon_along(tree):
    child = spawn(tree)
    child.expect("login: ")
    os.kill(child.pid, signal.SIGTERM)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 143
    assert_all_gone(tree)
