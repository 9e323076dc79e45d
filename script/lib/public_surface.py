"""Lists what a crate's documentation shows: each item by its path, with fields, variants and methods, a line each."""

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
MEMBER = re.compile(r'id="(structfield|variant|method|tymethod|associatedconstant|associatedtype)\.([A-Za-z0-9_]+)"')
lines = set()
for page in root.rglob("*.html"):
    kind, _, name = page.stem.partition(".")
    module = "::".join([root.name, *page.parent.relative_to(root).parts])
    if page.name == "index.html":
        lines.add(f"mod {module}")
        continue
    if not name:
        continue
    text = page.read_text()
    # It is shown elsewhere.
    if 'http-equiv="refresh"' in text:
        continue
    lines.add(f"{kind} {module}::{name}")
    # What traits give it is not ours to list.
    for end in ['id="trait-implementations"', 'id="implementors"', 'id="synthetic-implementations"']:
        text = text.partition(end)[0]
    for member, called in MEMBER.findall(text):
        lines.add(f"{member.removeprefix('ty').removeprefix('struct')} {module}::{name}::{called}")
print("\n".join(sorted(lines, key=lambda line: (line.split()[1], line))))
