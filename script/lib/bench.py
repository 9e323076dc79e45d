"""What script/bench measures, each beside librdkafka's raw loop in pairs (raw, ours, raw, ours, …), the time taken inside, by
the handlers: `bench.py TARGET BROKERS TOPIC COUNT WORK PAIRS`. Nothing is asked of the supervisor meanwhile."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

target, brokers, topic, count, work, pairs = sys.argv[1:7]
target, work, count, pairs = Path(target), Path(work), int(count), int(pairs)
WITHIN = 120  # seconds, for one run
EXEC = """n=$(wc -l); [ $KAFKAVISOR_FIRST_OFFSET -gt 0 ] || echo "first $(cut -d' ' -f1 /proc/uptime)" >>$OUT
[ $KAFKAVISOR_LAST_OFFSET -lt $LAST ] || echo "last $(cut -d' ' -f1 /proc/uptime)" >>$OUT"""


class Instance:
    """One supervisor with one worker, from the topic's beginning, until the end of the block."""

    runs = 0

    def __init__(self, protocol, handler, **environment):
        Instance.runs += 1
        self.run = work / f"run-{Instance.runs}"
        self.run.mkdir(mode=0o700)
        self.out = self.run / "out"
        ours = {"RUNTIME_DIRECTORY": self.run, "OUT": self.out, "LAST": count - 1, **environment}
        command = [target / "kafkavisor", "run", "-b", brokers, "-g", f"bench-{Instance.runs}", "--name", "bench"]
        command += ["--partitions", f"{topic}:0", "--from", "earliest", "--protocol", protocol, "--", *handler]
        with open(work / "log", "wb") as log:
            env = {**os.environ, **{name: str(value) for name, value in ours.items()}}
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        if self.process.wait(timeout=30) != 0:
            sys.exit(f"bench: the supervisor ended with {self.process.returncode}: {(work / 'log').read_text()}")

    def partition(self):
        command = [target / "kafkavisor", "status", "--json", "--socket", self.run / "control.sock"]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["partitions"][0]

    def said(self, what, times=1):
        """The number behind the line WHAT, when the handlers have written it so many times."""
        deadline = time.monotonic() + WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            lines = self.out.read_text().splitlines() if self.out.exists() else []
            found = [float(line.split()[1]) for line in lines if line.startswith(what + " ")]
            if len(found) >= times:
                return found[times - 1]
            time.sleep(0.02)
        sys.exit(f"bench: it took longer than {WITHIN} s: {(work / 'log').read_text()}")


def raw(loop):
    return float(subprocess.run([target / f"examples/{loop}", brokers, topic, str(count)], capture_output=True, check=True).stdout)


def rate(protocol, handler):
    with Instance(protocol, handler) as instance:
        if protocol != "exec":
            return instance.said("rate")
        last = instance.said("last")
        return count / (last - instance.said("first"))


def compare(name, protocol, handler):
    rates, ratios = [], []
    for _ in range(pairs):
        base = raw("raw_consume")
        rates.append(rate(protocol, handler))
        ratios.append(rates[-1] / base)
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    print(f"{name:<36} {statistics.median(rates):>12.0f} {middle:>8.2f}   {low:.2f} to {high:.2f}", flush=True)


def idle():
    with Instance("jsonl", [target / "examples/measure"]) as instance:
        instance.said("rate")
        time.sleep(10)  # it gives back what its last burst took after some seconds without work
        pid = instance.partition()["worker_pid"]
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        pss = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        print(f"\nidle worker after {count} messages: {pss / 1024:.1f} MiB proportional", flush=True)


def successor():
    """From a worker's SIGKILL to its successor's first message, on the handler's own clock."""
    took = []
    with Instance("jsonl", [target / "examples/measure"], PACE=1000) as instance:
        for run in range(1, pairs + 1):
            instance.said("first", run)
            time.sleep(1)
            pid = instance.partition()["worker_pid"]
            killed = time.clock_gettime(time.CLOCK_BOOTTIME)
            os.kill(pid, signal.SIGKILL)
            took.append((instance.said("first", run + 1) - killed) * 1000)
    middle, low, high = statistics.median(took), min(took), max(took)
    print(f"a worker's SIGKILL to its successor's first message: {took[0]:.0f} ms the first time; of {pairs} kills {middle:.0f} ms in the middle, {low:.0f} to {high:.0f}")


measure = target / "examples/measure"
print(f"{f'one partition, {pairs} pairs':<36} {'messages/s':>12} {'ratio':>8}   spread")
print(f"{'librdkafka batch loop, raw (glibc)':<36} {raw('raw_consume'):>12.0f} {1:>8.2f}", flush=True)
compare("binary, only walking the frames", "binary", [measure, "--bare"])
compare("binary, the Rust library", "binary", [measure])
compare("jsonl, the Rust library", "jsonl", [measure])
compare("exec, a shell that counts", "exec", ["sh", "-c", EXEC])
idle()
successor()
