# SPDX-License-Identifier: BSD-3-Clause
"""The initramfs and the disk image as built: what is in them, and that they come out the same every time."""

import gzip
import os
import re
import shutil
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(TOP, "card-rootfs")
BUILT = os.path.join(TOP, "build/card-rootfs")
DISK = os.path.join(BUILT, "disk.img")
TOOLS = ["/usr/sbin", "/sbin"]  # where e2fsprogs lie


def run(*command, **options):
    path = os.pathsep.join([os.environ["PATH"], *TOOLS])
    return subprocess.run(command, check=True, capture_output=True, timeout=120, env=dict(os.environ, PATH=path, LC_ALL="C"),
                          **options).stdout


def pack(folder, *, keys=b""):
    """An initramfs of small stand-ins, made by make-initramfs."""
    (folder / "busybox").mkdir(exist_ok=True)
    for name in ("busybox/busybox", "dropbear", "tool"):
        (folder / name).write_text("#!")
    (folder / "busybox/busybox.links").write_text("/bin/ls\n/sbin/init\n/usr/bin/awk\n")
    (folder / "keys").write_bytes(keys)
    run(os.path.join(FOLDER, "make-initramfs"), folder / "out", os.path.join(FOLDER, "rootfs"), folder / "busybox",
        folder / "dropbear", folder / "keys", folder / "tool")
    return (folder / "out").read_bytes()


def listing(image):
    """name -> mode, owner, target of each file in an initramfs."""
    lines = run("cpio", "-tv", "--numeric-uid-gid", "--quiet", input=gzip.decompress(image)).decode().splitlines()
    found = {}
    for line in lines:
        mode, _, uid, gid, rest = line.split(None, 4)
        name = re.sub(r"^\S+ (\S+ +)?\w{3} +\d+ +[\d:]+ ", "", rest)
        name, _, target = name.partition(" -> ")
        found["/" + name] = (mode, f"{uid}:{gid}", target)
    return found


@pytest.fixture(name="image", scope="module")
def fixture_image():
    with open(os.path.join(BUILT, "initramfs.cpio.gz"), "rb") as file:
        return listing(file.read())


def test_initramfs_has_what_the_card_needs(image):
    for name in ("/bin/busybox", "/usr/sbin/dropbear", "/usr/bin/x100-io", "/usr/bin/x100-net", "/sbin/x100-login"):
        assert image[name][0] == "-rwxr-xr-x"
    for name in ("udhcpc", "ip", "ping", "nc", "mdev", "findfs", "ifconfig", "route", "wget", "getty", "poweroff"):
        assert any(path.endswith("/" + name) and target == "/bin/busybox" for path, (_, _, target) in image.items()), name
    assert image["/init"][2] == "/sbin/init"
    assert image["/usr/bin/scp"][2] == "/usr/sbin/dropbear"


def test_everything_in_the_initramfs_is_roots(image):
    assert {owner for _, owner, _ in image.values()} == {"0:0"}
    assert image["/etc/shadow"][0] == "-rw-------"
    assert image["/root"][0] == "drwx------"
    assert image["/tmp"][0] == "drwxrwxrwt"


def test_same_input_gives_the_same_initramfs(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert pack(tmp_path / "a") == pack(tmp_path / "b")


def test_no_ssh_key_is_in_the_image_unless_asked_for(tmp_path):
    assert not any("ssh" in name for name in listing(pack(tmp_path)) if name.startswith("/root"))
    found = listing(pack(tmp_path, keys=b"ssh-ed25519 AAAA me\n"))
    assert found["/root/.ssh"][0] == "drwx------"
    assert found["/root/.ssh/authorized_keys"][0] == "-rw-------"


def disk(output, folder):
    run(os.path.join(FOLDER, "make-disk"), output, folder, "16M")
    return output.read_bytes()


def test_disk_is_an_ext4_file_system_with_our_label():
    heads = run("dumpe2fs", "-h", DISK).decode()
    assert re.search(r"volume name: +X100-DATA$", heads, re.M)
    assert re.search(r"features:.* extent ", heads)
    assert re.search(r"Filesystem state: +clean$", heads, re.M)
    run("e2fsck", "-fn", DISK)


def test_disk_is_sparse():
    stat = os.stat(DISK)
    assert stat.st_size == 64 << 20
    assert stat.st_blocks * 512 < stat.st_size // 4


def test_disk_has_the_file_that_make_run_reads_back():
    with open(os.path.join(FOLDER, "disk/hello"), "rb") as file:
        assert run("debugfs", "-R", "cat /hello", DISK) == file.read()


def test_same_files_give_the_same_disk(tmp_path):
    images = []
    for name in ("a", "b"):
        folder = tmp_path / name
        shutil.copytree(os.path.join(FOLDER, "disk"), folder)
        (folder / "below").mkdir()
        (folder / "below" / "a file").write_text("text")
        images.append(disk(tmp_path / f"{name}.img", folder))
        # The second tree is younger and has other modes.
        os.umask(0o077)
    os.umask(0o022)
    assert images[0] == images[1]


def test_files_on_the_disk_are_roots(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "mine").write_text("text")
    if os.geteuid() == 0:
        os.chown(folder / "mine", 1234, 1234)
    (folder / "mine").chmod(0o600)
    disk(tmp_path / "disk.img", folder)
    text = run("debugfs", "-R", "stat /mine", tmp_path / "disk.img").decode()
    assert re.search(r"User: +0 +Group: +0\b", text)
    assert re.search(r"Mode: +0644\b", text)


def test_failure_leaves_no_image(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        disk(tmp_path / "disk.img", tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []
