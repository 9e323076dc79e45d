"""What script/bench and script/bench-tls measure: one instance on one partition, the time taken inside, by the handlers. Nothing is
asked of the supervisor meanwhile."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

WITHIN = 120  # seconds, for one run
EXEC = """n=$(wc -l); [ $KAFKAVISOR_FIRST_OFFSET -gt 0 ] || echo "first $(cut -d' ' -f1 /proc/uptime)" >>$OUT
[ $KAFKAVISOR_LAST_OFFSET -lt $LAST ] || echo "last $(cut -d' ' -f1 /proc/uptime)" >>$OUT"""


class Bench(NamedTuple):
    """Where what is measured runs: the programs, the brokers, a topic of COUNT messages, a folder, properties for librdkafka."""

    target: Path
    brokers: str
    topic: str
    count: int
    work: Path
    kafka: dict = {}

    def measure(self):
        return self.target / "examples/measure"

    def rate(self, protocol, handler):
        """Messages a second."""
        with Instance(self, protocol, handler) as instance:
            if protocol != "exec":
                return instance.said("rate")
            last = instance.said("last")
            return self.count / (last - instance.said("first"))

    def idle(self):
        """MiB of an idle worker, proportional."""
        with Instance(self, "jsonl", [self.measure()]) as instance:
            instance.said("rate")
            time.sleep(10)  # it gives back what its last burst took after some seconds without work
            pid = instance.partition()["worker_pid"]
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

    def successor(self, kills):
        """Milliseconds from a worker's SIGKILL to its successor's first message, on the handler's own clock."""
        took = []
        with Instance(self, "jsonl", [self.measure()], PACE=1000) as instance:
            for run in range(1, kills + 1):
                instance.said("first", run)
                time.sleep(1)
                pid = instance.partition()["worker_pid"]
                killed = time.clock_gettime(time.CLOCK_BOOTTIME)
                os.kill(pid, signal.SIGKILL)
                took.append((instance.said("first", run + 1) - killed) * 1000)
        return took


class Instance:
    """One supervisor with one worker, from the topic's beginning, until the end of the block."""

    runs = 0

    def __init__(self, bench, protocol, handler, **environment):
        Instance.runs += 1
        self.bench, self.log = bench, bench.work / "log"
        self.run = bench.work / f"run-{Instance.runs}"
        self.run.mkdir(mode=0o700)
        self.out = self.run / "out"
        config = self.run / "bench.yaml"
        config.write_text(json.dumps({"kafka": bench.kafka}))
        ours = {"RUNTIME_DIRECTORY": self.run, "OUT": self.out, "LAST": bench.count - 1, **environment}
        command = [bench.target / "kafkavisor", "run", "-c", config, "-b", bench.brokers]
        command += ["-g", f"bench-{Instance.runs}", "--name", "bench", "--partitions", f"{bench.topic}:0"]
        command += ["--from", "earliest", "--protocol", protocol, "--", *handler]
        with open(self.log, "wb") as log:
            env = {**os.environ, **{name: str(value) for name, value in ours.items()}}
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        if self.process.wait(timeout=30) != 0:
            sys.exit(f"bench: the supervisor ended with {self.process.returncode}: {self.log.read_text()}")

    def partition(self):
        command = [self.bench.target / "kafkavisor", "status", "--json", "--socket", self.run / "control.sock"]
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
        sys.exit(f"bench: it took longer than {WITHIN} s: {self.log.read_text()}")
