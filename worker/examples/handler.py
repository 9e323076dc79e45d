#!/usr/bin/env python3
# A handler in Python, standard library only, protocol jsonl: works in batches, one acknowledgement for each.
#   kafkavisor run -b localhost:9092 -z localhost:2181 -g demo -t orders -- ./handler.py
# With OUT=FILE in the environment "partition offset" is appended to that file for each message.
import json
import os
import sys

BATCH = 100
OUT = os.environ.get("OUT")


def answer(**keys):
    sys.stdout.write(json.dumps(keys) + "\n")
    sys.stdout.flush()


def work(partition, batch):
    """Does what is to be done for a whole batch, then acknowledges its last message and so all of them."""
    if not batch:
        return
    if OUT:
        with open(OUT, "a") as out:
            out.write("".join(f"{partition} {message['offset']}\n" for message in batch))
    answer(ack=batch[-1]["offset"])
    batch.clear()


def main():
    partition, batch = None, []
    for line in sys.stdin:
        request = json.loads(line)
        kind = request["type"]
        if kind == "init":
            partition = request["partition"]
        elif kind == "message" and "value_base64" in request:
            work(partition, batch)  # a reject acknowledges what came before it
            answer(reject=request["offset"], error="the payload is not UTF-8")
        elif kind == "message":
            batch.append(request)
            if len(batch) >= BATCH:
                work(partition, batch)
        elif kind == "flush":
            work(partition, batch)
        elif kind == "stop":
            work(partition, batch)
            return


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8", newline="\n")
    main()
