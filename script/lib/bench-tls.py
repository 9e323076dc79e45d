"""What script/bench-tls measures, each over TLS beside the same in plain text, in pairs (plain, TLS, plain, TLS, …):
`bench-tls.py TARGET PLAIN TLS CERTIFICATES TOPIC COUNT WORK PAIRS`."""

import statistics
import sys
from pathlib import Path

from bench_measures import Bench

target, brokers, secure_brokers, certificates, topic, count, work, pairs = sys.argv[1:9]
login = {
    "security.protocol": "SASL_SSL",
    "ssl.ca.location": f"{certificates}/ca.pem",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "svc",
    "sasl.password": "svc-secret",
}
plain = Bench(Path(target), brokers, topic, int(count), Path(work))
secure = plain._replace(brokers=secure_brokers, kafka=login)
pairs = int(pairs)


def compare(name, unit, measure):
    """In pairs, since what else the machine does changes from minute to minute."""
    both = [(measure(plain), measure(secure)) for _ in range(pairs)]
    ratios = [with_tls / without for without, with_tls in both]
    without, with_tls = (statistics.median(values) for values in zip(*both))
    low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
    print(f"{name:<44} {without:>10.{unit}f} {with_tls:>10.{unit}f} {middle:>8.2f}   {low:.2f} to {high:.2f}", flush=True)


print(f"{f'one partition, {pairs} pairs':<44} {'plain':>10} {'TLS':>10} {'ratio':>8}   spread")
for protocol in "binary", "jsonl":
    compare(f"messages/s, {protocol}, the Rust library", 0, lambda bench, p=protocol: bench.rate(p, [bench.measure()]))
compare("idle worker, MiB proportional", 1, Bench.idle)
compare("worker's SIGKILL to next first message, ms", 0, lambda bench: statistics.median(bench.successor(5)))
