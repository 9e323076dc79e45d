"""Prints what the packages that are linked into the programs are licensed under: their names, and each text once.

usage: third-party.py ROOT
"""

import collections
import json
import os
import subprocess
import sys

NAMES = ("COPYING", "COPYRIGHT", "LICENCE", "LICENSE", "NOTICE", "UNLICENSE")


def linked(root):
    """The packages that the programs are made of, for what they run on here."""
    host = subprocess.run(["rustc", "--print", "host-tuple"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", host],
        cwd=root, check=True, stdout=subprocess.PIPE,
    )
    metadata = json.loads(metadata.stdout)
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    todo = [id for id, package in packages.items() if package["name"] in ("kafkavisor-supervisor", "kafkavisor-worker")]
    found = set()
    while todo:
        id = todo.pop()
        if id not in found:
            found.add(id)
            todo += [d["pkg"] for d in nodes[id]["deps"] if any(kind["kind"] is None for kind in d["dep_kinds"])]
    others = (packages[id] for id in found if packages[id]["source"])
    return sorted(others, key=lambda package: (package["name"], package["version"]))


def texts(package):
    """Those that a package brings, also of the C library that is in it, one folder further down."""
    top = os.path.dirname(package["manifest_path"])
    folders = [top] + sorted(entry.path for entry in os.scandir(top) if entry.is_dir())
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if name.upper().startswith(NAMES) and os.path.isfile(path) and not name.endswith((".py", ".rs")):
                with open(path, encoding="utf-8", errors="replace") as file:
                    yield file.read().strip()


def main(root):
    owners = collections.defaultdict(list)
    print("Kafkavisor's programs hold these packages:\n")
    for package in linked(root):
        name = f"{package['name']} {package['version']}"
        print(f"  {name}: {package['license'] or 'see below'}")
        for text in texts(package):
            if name not in owners[text]:
                owners[text].append(name)
    for text, names in owners.items():
        print(f"\n{'=' * 78}\n{', '.join(names)}\n\n{text}")


main(*sys.argv[1:])
