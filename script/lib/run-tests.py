"""Runs the test programs that cargo has built, several at a time: most of a test's time it waits for servers.

usage: cargo test --no-run --message-format=json ... | run-tests.py AT-ONCE [SLOW-TEST...]

Each runs as `cargo test` would run it, in its package's folder, with as many of its tests at once as there are
cores. What it says is shown whole, once it has ended, and which failed is said once more at the end. Those that are
named run first, in that order, so that none of them is waited for alone at the end. Exits 1 if any failed.
"""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import threading
import time

FAILED = re.compile(rb"^test (.+) \.\.\. FAILED$", re.MULTILINE)
printing = threading.Lock()


def programs(messages):
    """What is to be run: a pair of the target and its program."""
    for line in messages:
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            yield message["target"], message["executable"], os.path.dirname(message["manifest_path"])


def run(program):
    """Runs one and gives what has failed in it."""
    target, executable, folder = program
    began = time.monotonic()
    done = subprocess.run(
        [executable],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    name = os.path.relpath(target["src_path"])
    with printing:
        print(f"\n     Running {name} ({time.monotonic() - began:.1f} s)", flush=True)
        sys.stdout.buffer.write(done.stdout)
        sys.stdout.buffer.flush()
    if done.returncode == 0:
        return []
    tests = [test.decode() for test in FAILED.findall(done.stdout)]
    return [f"{name}: {test}" for test in tests or [f"ended with {done.returncode}"]]


def main(at_once, *slow):
    def turn(program):
        name = program[0]["name"]
        return slow.index(name) if name in slow else len(slow)

    found = sorted(programs(sys.stdin), key=turn)
    if not found:
        sys.exit("run-tests: cargo has built no tests")
    with concurrent.futures.ThreadPoolExecutor(int(at_once)) as pool:
        failed = [failure for failures in pool.map(run, found) for failure in failures]
    if failed:
        print("\nfailed:", *failed, sep="\n    ", flush=True)
        sys.exit(1)
    print(f"\n{len(found)} test programs passed.", flush=True)


main(*sys.argv[1:])
