# SPDX-License-Identifier: BSD-3-Clause
"""A fresh clone with an empty cache, from git clone to the login prompt."""

import datetime
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from card import TOP
from figure import Figure, outer_environment

BAR = 15
DEADLINE = 3600
NAME = "fresh clone to login, cold cache"


def kept():
    """Where the last measurement is kept, because it takes a quarter of an hour."""
    default = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "x100")
    return os.path.join(os.environ.get("X100_CACHE") or default, "bench-cold.json")


def measure():
    """Clones HEAD, runs `make run`, keeps the result."""
    commit = subprocess.run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"], check=True,
                            capture_output=True, text=True).stdout.strip()
    folder = tempfile.mkdtemp(prefix="x100-cold-")
    clone, log_path = os.path.join(folder, "x100"), os.path.join(TOP, "build/bench-cold.log")
    environment = outer_environment(X100_CACHE=os.path.join(folder, "cache"),
                                    CCACHE_DIR=os.path.join(folder, "ccache"))
    start, when = time.monotonic(), time.time()
    try:
        with open(log_path, "wb") as log:
            subprocess.run(["git", "clone", "--quiet", TOP, clone], check=True, stdout=log, stderr=log)
            with subprocess.Popen(["make", "-C", clone, "run"], env=environment, stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log, start_new_session=True) as process:
                try:
                    process.wait(DEADLINE)
                finally:
                    # Also when a person stops the measurement.
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGTERM)
        end = time.monotonic()
        assert process.returncode == 0, f"make run in a fresh clone failed; see {log_path}"
        with open(log_path, encoding="utf-8", errors="replace") as log:
            steps = [line.strip() for line in log if " ok, " in line]
        # To the end of make run, a few seconds behind the prompt.
        result = {"minutes": (end - start) / 60, "commit": commit, "processors": os.cpu_count(), "steps": steps,
                  "date": datetime.datetime.fromtimestamp(when).isoformat(" ", "minutes")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.dirname(kept()), exist_ok=True)
    with open(kept(), "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)


def figure():
    """The last measurement there is."""
    try:
        with open(kept(), encoding="utf-8") as file:
            result = json.load(file)
    except FileNotFoundError:
        return Figure(NAME, None, "min", BAR, note="make bench COLD=1 measures it")
    return Figure(NAME, result["minutes"], "min", BAR, detail=result,
                  note=f"measured {result['date']} at {result['commit']} on {result['processors']} processors,"
                       f" to the end of make run")
