"""Users and rights of a secure test cluster, told to Kafka without starting a JVM.

usage: rights.py PORT,... LOGIN-PORT,... user NAME PASSWORD          with SCRAM; a new password where NAME is known
       rights.py PORT,... LOGIN-PORT,... allow|revoke NAME OPERATION RESOURCE
                           OPERATION: read, write, describe, ...; RESOURCE: topic:NAME, topic:*, group:NAME, cluster:

Of each broker a port whose clients may do everything, and one that speaks SASL without TLS. Returns once each broker
acts on it.
"""

import base64
import hashlib
import os
import socket
import struct
import sys
import time

DEADLINE = 10
NOT_CONTROLLER = 41
MECHANISMS = {"SCRAM-SHA-256": (1, "sha256"), "SCRAM-SHA-512": (2, "sha512")}
ITERATIONS = 4096
RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
OPERATIONS = ["all", "read", "write", "create", "delete", "alter", "describe", "cluster-action", "describe-configs"]
LITERAL, ALLOW = 3, 3
CREATE_ACLS, DELETE_ACLS = 30, 31


def text(value):
    return struct.pack(">h", len(value.encode())) + value.encode()


def compact(data):
    assert len(data) < 127
    return bytes([len(data) + 1]) + data


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", int(port)), timeout=DEADLINE)
        self.stream = self.socket.makefile("rb")

    def ask(self, key, version, body, flexible=False):
        """The answer after its header; a flexible one has its tags there too."""
        request = struct.pack(">hhih", key, version, 1, -1) + (b"\0" if flexible else b"") + body
        self.socket.sendall(struct.pack(">i", len(request)) + request)
        (length,) = struct.unpack(">i", self.stream.read(4))
        return self.stream.read(length)[5 if flexible else 4 :]


def check(error, what):
    if error:
        sys.exit(f"rights.py: Kafka refuses {what}: error {error}")


def user(ports, logins, name, password):
    salts = {mechanism: os.urandom(16) for mechanism in MECHANISMS}
    changes = b""
    for mechanism, (number, digest) in MECHANISMS.items():
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salts[mechanism], ITERATIONS)
        changes += compact(name.encode()) + struct.pack(">bi", number, ITERATIONS)
        changes += compact(salts[mechanism]) + compact(salted) + b"\0"
    body = compact(b"") + bytes([len(MECHANISMS) + 1]) + changes + b"\0"
    for port in ports:
        answer = Connection(port).ask(51, 0, body, flexible=True)
        (error,) = struct.unpack_from(">h", answer, 4 + 1 + 1 + len(name.encode()))
        if error != NOT_CONTROLLER:
            break
    check(error, f"the user {name}")
    for login in logins:
        await_broker(login, lambda: all(salt_at(login, name, mechanism) == salt for mechanism, salt in salts.items()))


# A broker hears of what changed from ZooKeeper, a moment after whoever asked for it has his answer.
def await_broker(port, acts_on_it):
    deadline = time.monotonic() + DEADLINE
    while not acts_on_it():
        if time.monotonic() > deadline:
            sys.exit(f"rights.py: the broker at {port} does not take it up")
        time.sleep(0.02)


def salt_at(login, name, mechanism):
    connection = Connection(login)
    connection.ask(17, 1, text(mechanism))
    first = f"n,,n={name},r=nonce".encode()
    answer = connection.ask(36, 0, struct.pack(">i", len(first)) + first)
    error, length = struct.unpack_from(">hh", answer)
    if error:
        return None
    said = answer[4 + max(length, 0) + 4 :].decode()
    return base64.b64decode(dict(part.split("=", 1) for part in said.split(","))["s"])


def acl(name, operation, resource):
    kind, _, resource_name = resource.partition(":")
    if operation not in OPERATIONS or kind not in RESOURCES:
        sys.exit(f"rights.py: {operation} on {resource}: wanted {', '.join(OPERATIONS)} on {', '.join(RESOURCES)}")
    number = 2 + OPERATIONS.index(operation)
    principal = text(f"User:{name}") + text("*")
    pattern = struct.pack(">b", RESOURCES[kind]) + text(resource_name or "kafka-cluster") + struct.pack(">b", LITERAL)
    return pattern + principal + struct.pack(">bb", number, ALLOW)


def change_acl(key, ports, name, operation, resource):
    wanted = acl(name, operation, resource)
    answer = Connection(ports[0]).ask(key, 1, struct.pack(">i", 1) + wanted)
    (error,) = struct.unpack_from(">h", answer, 8)
    check(error, f"{operation} on {resource} for {name}")
    for port in ports:
        await_broker(port, lambda: knows(port, wanted) == (key == CREATE_ACLS))


def knows(port, wanted):
    answer = Connection(port).ask(29, 1, wanted)
    error, length = struct.unpack_from(">hh", answer, 4)
    check(error, "to list rights")
    (resources,) = struct.unpack_from(">i", answer, 8 + max(length, 0))
    return resources > 0


def main(ports, logins, command, *arguments):
    if command == "user":
        user(ports.split(","), logins.split(","), *arguments)
    else:
        change_acl({"allow": CREATE_ACLS, "revoke": DELETE_ACLS}[command], ports.split(","), *arguments)


main(*sys.argv[1:])
