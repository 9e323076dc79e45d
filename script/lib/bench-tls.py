"""What script/bench-tls measures, each over TLS beside the same in plain text, in pairs (plain, TLS, plain, TLS, …), and Kafka's
own consumer in the same way, for much of the price is the broker's, that encrypts:
`bench-tls.py TARGET PLAIN TLS CERTIFICATES TOPIC COUNT WORK PAIRS LIBS`."""

import itertools
import statistics
import subprocess
import sys
from pathlib import Path

from bench_measures import Bench

target, brokers, secure_brokers, certificates, topic, count, work, pairs, libs = sys.argv[1:10]
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
groups = (f"peer-{number}" for number in itertools.count())
JAAS = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="{}" password="{}";'


def kafkas_own(bench):
    """Messages a second of the consumer that comes with Kafka, while it fetches: its start and the JVM's are left out."""
    properties = Path(work) / "peer.properties"
    lines = {
        "security.protocol": "SASL_SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": f"{certificates}/ca.pem",
        "sasl.mechanism": login["sasl.mechanism"],
        "sasl.jaas.config": JAAS.format(login["sasl.username"], login["sasl.password"]),
    }
    properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()) if bench.kafka else "")
    command = ["java", "-cp", f"{libs}/*", "org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", bench.brokers]
    command += ["--topic", topic, "--messages", count, "--group", next(groups), "--consumer.config", properties]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return float(said.splitlines()[-1].split(",")[-1])


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
compare("messages/s, Kafka's own consumer", 0, kafkas_own)
compare("idle worker, MiB proportional", 1, Bench.idle)
compare("worker's SIGKILL to next first message, ms", 0, lambda bench: statistics.median(bench.successor(5)))
