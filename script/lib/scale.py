"""What script/scale measures: `scale.py KAFKAVISOR HANDLER BROKERS TOPIC PARTITIONS WORK -- LOAD...`, where LOAD is a
command that produces to the topic until it is killed. Everything it starts it ends."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

kafkavisor, handler, brokers, topic = sys.argv[1:5]
partitions, work, load = int(sys.argv[5]), Path(sys.argv[6]), sys.argv[8:]
REST = 30  # seconds over which what is used at rest is measured
SETTLED = 10  # seconds after the last worker was ready
LOOKS = 200  # calls of status


def status():
    command = [kafkavisor, "status", "--json", "--socket", str(work / "run/control.sock")]
    answer = subprocess.run(command, capture_output=True, check=False)
    return json.loads(answer.stdout) if answer.returncode == 0 else None


def until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = status()
        if found and condition(found["partitions"]):
            return found
        if supervisor.poll() is not None:
            break
        time.sleep(0.2)
    sys.exit(f"scale: not within {seconds} s: {what}; the supervisor's log is {work}/log")


def read(path):
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def fields(pid):
    return read(f"/proc/{pid}/stat").rpartition(") ")[2].split()


def tasks(pids, name):
    return (read(task / name) for pid in pids for task in Path(f"/proc/{pid}/task").glob("*"))


def cpu(pids):
    """Seconds used so far, to the nanosecond: a tick is too coarse for who wakes for some microseconds."""
    return sum(int(stat.split()[0]) for stat in tasks(pids, "schedstat") if stat) / 1e9


def switches(pids):
    """How often their threads have slept so far."""
    lines = [line for status_ in tasks(pids, "status") for line in status_.splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def descendants(of):
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := fields(entry.name)):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, open_ = [], [of]
    while open_:
        below = children.get(open_.pop(), [])
        found += below
        open_ += below
    return found


def proportional(pid):
    lines = read(f"/proc/{pid}/smaps_rollup").splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def show(what, value):
    print(f"{what:<52} {value}", flush=True)


def at_rest(groups):
    before = {name: cpu(pids) for name, pids in groups.items()}
    slept, since = switches(groups["workers"]), time.monotonic()
    time.sleep(REST)
    took = time.monotonic() - since
    used = {name: (cpu(pids) - before[name]) / took * 100 for name, pids in groups.items()}
    for name, percent in used.items():
        show(f"at rest, {name}, of a core", f"{percent:.1f} %")
    ours = used["supervisor"] + used["guardian"] + used["workers"]
    show("at rest, supervisor, guardian and workers together", f"{ours:.1f} %")
    woken = (switches(groups["workers"]) - slept) / took / partitions
    show("at rest, a worker's threads wake up", f"{woken:.2f} times a second")


def looks():
    times = []
    for _ in range(LOOKS):
        since = time.monotonic()
        if status() is None:
            sys.exit("scale: status does not answer")
        times.append((time.monotonic() - since) * 1000)
    times.sort()
    show("status --json, median and 99th percentile", f"{statistics.median(times):.0f} ms, {times[int(LOOKS * 0.99) - 1]:.0f} ms")


def address():
    """Where HTTP is served: port 0 is chosen by the system, and logged."""
    return read(work / "log").partition("HTTP at ")[2].split("/\n")[0].strip()


def fetched(path):
    since = time.monotonic()
    with urllib.request.urlopen(address() + path, timeout=10) as answer:
        size = len(answer.read())
    return (time.monotonic() - since) * 1000, size


def snapshots():
    """What a look costs the loop, as it logs itself."""
    level = [kafkavisor, "log-level", "--socket", str(work / "run/control.sock")]
    subprocess.run([*level, "trace"], check=True)
    for _ in range(LOOKS):
        status()
    subprocess.run([*level, "info"], check=True)
    told = re.findall(r" a snapshot of \d+ partitions took (\d+) us, (\d+) us of them at work", read(work / "log"))
    for what, times in zip(["a snapshot", "... without waits for a processor"], zip(*told)):
        times = sorted(int(time) / 1000 for time in times)
        show(f"{what}, median and longest", f"{statistics.median(times):.2f} ms, {times[-1]:.2f} ms, of {len(times)}")


def scrapes():
    for path in ["/metrics", "/status"]:
        times = sorted(fetched(path)[0] for _ in range(LOOKS))
        middle, late = statistics.median(times), times[int(LOOKS * 0.99) - 1]
        show(f"GET {path}, median and 99th percentile", f"{middle:.0f} ms, {late:.0f} ms, of {fetched(path)[1] >> 10} KiB")
    before, since = cpu([supervisor.pid]), time.monotonic()
    time.sleep(REST)
    at_rest_ = (cpu([supervisor.pid]) - before) / (time.monotonic() - since)
    before, since = cpu([supervisor.pid]), time.monotonic()
    for second in range(REST):
        fetched("/metrics")
        time.sleep(max(0.0, since + second + 1 - time.monotonic()))
    scraped = (cpu([supervisor.pid]) - before) / (time.monotonic() - since)
    show("a scrape every second costs the supervisor, of a core", f"{(scraped - at_rest_) * 100:.1f} %")


def stop_under_load():
    producer = subprocess.Popen(load, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        done = lambda all_: sum(p["messages_total"] for p in all_) > 10 * partitions
        until(done, 60, "ten messages a partition")
        since = time.monotonic()
        supervisor.send_signal(signal.SIGTERM)
        code = supervisor.wait(timeout=60)
        show("stopped under load", f"exit {code} after {time.monotonic() - since:.1f} s")
    finally:
        producer.kill()
        producer.wait()
    return code


(work / "run").mkdir(mode=0o700)
environment = {**os.environ, "RUNTIME_DIRECTORY": str(work / "run")}
command = [kafkavisor, "run", "-b", brokers, "-g", "scale", "--name", "scale", "--from", "latest", "--http", "127.0.0.1:0"]
command += ["--partitions", f"{topic}:0-{partitions - 1}", "--", handler]
began = time.monotonic()
with open(work / "log", "wb") as log:
    supervisor = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
try:
    is_ready = lambda all_: len(all_) == partitions and all(p["state"] == "ready" for p in all_)
    ready = until(is_ready, 300, "all partitions ready")
    show(f"{partitions} partitions ready", f"{time.monotonic() - began:.1f} s")
    workers = [p["worker_pid"] for p in ready["partitions"]]
    handlers = [p["handler_pid"] for p in ready["partitions"]]
    others = set(descendants(supervisor.pid)) - set(workers) - set(handlers)
    time.sleep(SETTLED)
    at_rest({"supervisor": [supervisor.pid], "guardian": sorted(others), "workers": workers, "handlers": handlers})
    sizes = sorted(map(proportional, workers[:: max(1, partitions // 50)]))
    show("a worker's proportional memory, median", f"{statistics.median(sizes):.2f} MiB")
    show("the supervisor's", f"{proportional(supervisor.pid):.1f} MiB")
    looks()
    snapshots()
    scrapes()
    sys.exit(0 if stop_under_load() == 0 else 1)
finally:
    if supervisor.poll() is None:
        supervisor.kill()
        supervisor.wait()
