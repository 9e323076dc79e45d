"""Waits until servers of a test cluster really answer, without starting a JVM.

usage: await-servers.py SECONDS QUESTION...
  kafka:PORT:ID[,ID]    a metadata request is answered, with a controller and these brokers in it
  zookeeper:PORT        `ruok` and `srvr` are answered (by a member of a quorum, where there are several)
  tokens:PORT           the token service counts
  absent:PORT[,PORT]:PATH
                        none of these ZooKeepers, of those that answer at all, knows an ephemeral node PATH
  ...@RECORD            with any of them: no need to wait once the process recorded there is gone

Exits 0 when all is answered; otherwise says on stderr which was not, and exits 1.
"""

import socket
import struct
import sys
import time

PAUSE = 0.05


def converse(port, request, answer_is_whole):
    with socket.create_connection(("127.0.0.1", int(port)), timeout=2) as connection:
        connection.sendall(request)
        answer = b""
        while not answer_is_whole(answer):
            received = connection.recv(65536)
            if not received:
                break
            answer += received
        return answer


def four_letters(port, word):
    return converse(port, word, lambda answer: False).decode()


def zookeeper(port):
    return four_letters(port, b"ruok") == "imok" and "Mode: " in four_letters(port, b"srvr")


def tokens(port):
    return converse(port, b"GET /count?client= HTTP/1.0\r\n\r\n", lambda answer: False).startswith(b"HTTP/1.0 200")


def absent(ports, path):
    return not any(knows(port, path) for port in ports.split(","))


def knows(port, path):
    try:
        return path in [line.strip() for line in four_letters(port, b"dump").splitlines()]
    except OSError:
        return False


def kafka(port, ids):
    brokers, controller = metadata(port)
    return {int(broker) for broker in ids.split(",")} <= set(brokers) and controller in brokers


def metadata(port):
    """Metadata, version 4: old enough for any Kafka here, new enough for Kafka 4."""
    header = struct.pack(">hhih", 3, 4, 1, -1)  # key, version, correlation id, no client id
    body = struct.pack(">ib", 0, 0)  # no topics, and none to be created
    request = struct.pack(">i", len(header + body)) + header + body
    answer = converse(port, request, lambda got: len(got) >= 4 and len(got) >= 4 + struct.unpack(">i", got[:4])[0])
    at = 4 + 4 + 4  # length, correlation id, throttle time

    def take(form):
        nonlocal at
        (value,) = struct.unpack_from(form, answer, at)
        at += struct.calcsize(form)
        return value

    def skip_string():
        nonlocal at
        length = take(">h")
        at += max(length, 0)  # -1 stands for null

    brokers = []
    for _ in range(take(">i")):
        brokers.append(take(">i"))
        skip_string()  # host
        take(">i")  # port
        skip_string()  # rack
    skip_string()  # cluster id
    return brokers, take(">i")


def is_gone(record):
    try:
        with open(record) as file:
            pid, started = file.read().split()
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(") ")[2].split()
        return fields[0] in "ZX" or fields[19] != started
    except (OSError, ValueError):
        return True


QUESTIONS = {"kafka": kafka, "zookeeper": zookeeper, "tokens": tokens, "absent": absent}


def answered(question):
    kind, *arguments = question.split(":", 2)
    try:
        return QUESTIONS[kind](*arguments)
    except (OSError, struct.error):
        return False


def main(seconds, *questions):
    deadline = time.monotonic() + float(seconds)
    waiting = list(questions)
    while True:
        waiting = [question for question in waiting if not answered(question.partition("@")[0])]
        gone = [question for question in waiting if "@" in question and is_gone(question.partition("@")[2])]
        if not waiting:
            return 0
        if gone or time.monotonic() > deadline:
            for question in gone or waiting:
                print("gone:" if gone else "no answer:", question.partition("@")[0], file=sys.stderr)
            return 1
        time.sleep(PAUSE)


sys.exit(main(*sys.argv[1:]))
