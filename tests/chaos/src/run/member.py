"""A Python member of the group: python member.py SERVERS PATH IDENTIFIER BOUNDARY SESSION ITEM...

Says on stdout, one JSON object per line, what it holds and under which lock (the creation zxid), and when it lets go, each
with the time of CLOCK_BOOTTIME. Leaves when its stdin ends.
"""

import json
import sys
import threading
import time

from kazoo.client import KazooClient


def say(held):
    print(json.dumps({"at": time.clock_gettime_ns(time.CLOCK_BOOTTIME), "held": held}), flush=True)


servers, path, identifier, boundary, session, *items = sys.argv[1:]
client = KazooClient(hosts=servers, timeout=float(session))
client.start()
changed = threading.Event()
leaving = threading.Event()


def wait_for_the_end_of_stdin():
    sys.stdin.read()
    leaving.set()
    changed.set()


def token_of(item):
    nodes = client.get_children(f"{path}/locks/{item}")
    first = min(nodes, key=lambda node: node.rsplit("__lock__", 1)[1])
    return client.get(f"{path}/locks/{item}/{first}")[1].czxid


threading.Thread(target=wait_for_the_end_of_stdin, daemon=True).start()
partitioner = client.SetPartitioner(
    path=path, set=tuple(items), identifier=identifier, time_boundary=float(boundary), state_change_event=changed
)
while not leaving.is_set() and not partitioner.failed:
    changed.clear()
    if partitioner.release:
        say([])
        partitioner.release_set()
    elif partitioner.acquired:
        mine = list(partitioner)
        tokens = [token_of(item) for item in mine]
        if partitioner.acquired:
            say([[int(item.rsplit("-", 1)[1]), token] for item, token in zip(mine, tokens)])
            changed.wait()
    elif partitioner.allocating:
        partitioner.wait_for_acquire(0.1)
say([])
if not partitioner.failed:
    partitioner.finish()
client.stop()
client.close()
