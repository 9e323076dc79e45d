"""Chooses free ports on loopback for the servers of one test cluster, and remembers whose they are.

usage: free-ports.py REGISTRY FOLDER NAME...     prints a line "NAME PORT" for each name

Below the range from which the system takes ports for outgoing connections, so that nothing takes the port of a
server that is stopped for a while. A port in the registry is taken as long as its cluster's folder exists, which
holds while that cluster's servers are still starting.
"""

import fcntl
import os
import random
import socket
import sys

CANDIDATES = range(12000, 32000)


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_reserved(owner, folder):
    return owner != folder and os.path.isdir(owner)


def main(registry, folder, *names):
    with open(registry, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        kept = [line for line in file if is_reserved(line.rstrip("\n").partition(" ")[2], folder)]
        taken = {int(line.split(" ", 1)[0]) for line in kept}
        for name in names:
            port = next(
                port for port in random.sample(CANDIDATES, len(CANDIDATES)) if port not in taken and is_free(port)
            )
            taken.add(port)
            kept.append(f"{port} {folder}\n")
            print(name, port)
        file.truncate(0)
        file.writelines(kept)


main(*sys.argv[1:])
