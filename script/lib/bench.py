"""What script/bench measures, each beside librdkafka's raw loop in pairs (raw, ours, raw, ours, …):
`bench.py TARGET BROKERS TOPIC COUNT WORK PAIRS`."""

import statistics
import subprocess
import sys
from pathlib import Path

from bench_measures import EXEC, Bench

target, brokers, topic, count, work, pairs = sys.argv[1:7]
bench, pairs = Bench(Path(target), brokers, topic, int(count), Path(work)), int(pairs)


def raw(loop):
    command = [bench.target / f"examples/{loop}", brokers, topic, count]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def compare(name, protocol, handler):
    rates, ratios = [], []
    for _ in range(pairs):
        base = raw("raw_consume")
        rates.append(bench.rate(protocol, handler))
        ratios.append(rates[-1] / base)
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    print(f"{name:<36} {statistics.median(rates):>12.0f} {middle:>8.2f}   {low:.2f} to {high:.2f}", flush=True)


print(f"{f'one partition, {pairs} pairs':<36} {'messages/s':>12} {'ratio':>8}   spread")
print(f"{'librdkafka batch loop, raw (glibc)':<36} {raw('raw_consume'):>12.0f} {1:>8.2f}", flush=True)
compare("binary, only walking the frames", "binary", [bench.measure(), "--bare"])
compare("binary, the Rust library", "binary", [bench.measure()])
compare("jsonl, the Rust library", "jsonl", [bench.measure()])
compare("exec, a shell that counts", "exec", ["sh", "-c", EXEC])
print(f"\nidle worker after {count} messages: {bench.idle():.1f} MiB proportional", flush=True)
took = bench.successor(pairs)
middle, low, high = statistics.median(took), min(took), max(took)
print(f"a worker's SIGKILL to its successor's first message: {took[0]:.0f} ms the first time; of {pairs} kills {middle:.0f} ms in the middle, {low:.0f} to {high:.0f}")
