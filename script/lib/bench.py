"""What script/bench asks a running supervisor: `rate KAFKAVISOR SOCKET COUNT RAW NAME`, `idle KAFKAVISOR SOCKET COUNT`."""

import json
import os
import signal
import subprocess
import sys
import time

what, kafkavisor, socket, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
deadline = time.monotonic() + 120


def partition():
    command = [kafkavisor, "status", "--json", "--socket", socket]
    answer = subprocess.run(command, capture_output=True, check=False)
    return json.loads(answer.stdout)["partitions"][0] if answer.returncode == 0 else None


def until(condition):
    while time.monotonic() < deadline:
        found = partition()
        if found and condition(found):
            return time.monotonic(), found
        time.sleep(0.005)
    sys.exit("bench: it took longer than two minutes")


if what == "rate":
    raw, name = float(sys.argv[5]), sys.argv[6]
    began, first = until(lambda p: p["messages_total"] > 0)
    ended, last = until(lambda p: p["messages_total"] >= count)
    rate = (last["messages_total"] - first["messages_total"]) / max(ended - began, 0.001)
    print(f"{name:<34} {rate:>12.0f} {rate / raw:>8.2f}")
else:
    _, idle = until(lambda p: p["lag"] == 0)
    rollup = open(f"/proc/{idle['worker_pid']}/smaps_rollup", encoding="ascii").read()
    pss = next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
    print(f"\nidle worker after {count} messages: {int(pss) / 1024:.1f} MiB proportional")
    killed = time.monotonic()
    os.kill(idle["worker_pid"], signal.SIGKILL)
    again, _ = until(lambda p: p["state"] == "ready" and p["worker_pid"] != idle["worker_pid"])
    print(f"a worker's SIGKILL to its successor ready: {again - killed:.2f} s (0.4 to 0.6 s of it the first backoff)")
