#!/usr/bin/env python3
"""Shows that the rooms of `src/` import each other without a circle, and so do the files of each room.

A room is a file or folder right under `src/`, or right under `src/bin/tollgate/`. Its tests may use what they like.
Prints the rooms in layers, each of which imports from those above it alone, or the circles, with the lines that close them.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USE = re.compile(r"\bcrate::(\{[^;]*\}|\w+)", re.DOTALL)
SIBLING = re.compile(r"\bsuper::(\{[^;]*\}|\w+)", re.DOTALL)
TESTS = re.compile(r"\n#\[cfg\((?:all\()?test\b.*?\n(?:mod \w+;|mod \w+ \{\n.*?\n\}|(?:pub )?fn .*?\n\})", re.DOTALL)


def code(path):
    """The text of a file without tests, comments and what is for the reference alone."""
    text = TESTS.sub("", path.read_text())
    return re.sub(r"//[^\n]*", "", text)


def names(group):
    """The first segments within the braces of a `use crate::{...}`."""
    if not group.startswith("{"):
        return [group]
    depth, segments, word = 0, [], ""
    for letter in group[1:-1] + ",":
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            segments.append(word.split("::")[0].strip())
            word = ""
        else:
            word += letter
    return [segment for segment in segments if segment]


def graph(base, skipped):
    """For each room the rooms that it imports from, each with the files that do."""
    rooms = {path.stem for path in base.iterdir() if path.suffix == ".rs"} - skipped
    edges = {room: {} for room in rooms}
    for path in sorted(base.rglob("*.rs")):
        parts = path.relative_to(base).with_suffix("").parts
        if parts[0] not in rooms or "tests" in parts or "bin" in parts:
            continue
        for group in USE.findall(code(path)):
            for target in names(group):
                if target in rooms and target != parts[0]:
                    edges[parts[0]].setdefault(target, set()).add(str(path.relative_to(ROOT)))
    return edges


def siblings(folder):
    """For each file of a folder those beside it that it imports from."""
    files = {path.stem: path for path in folder.glob("*.rs")}
    edges = {}
    for name, path in files.items():
        targets = {target for group in SIBLING.findall(code(path)) for target in names(group)}
        edges[name] = {target: {str(path.relative_to(ROOT))} for target in targets & set(files) - {name, "tests"}}
    return edges


def layers(edges):
    """The rooms by how far they are from those that import nothing, and what is left where there are circles."""
    left, done, found = dict(edges), set(), []
    while left:
        layer = sorted(room for room, targets in left.items() if set(targets) <= done)
        if not layer:
            break
        found.append(layer)
        done.update(layer)
        left = {room: targets for room, targets in left.items() if room not in done}
    return found, left


def in_circles(left):
    """What is left, without rooms that only import from a circle."""
    while True:
        imported = {target for targets in left.values() for target in targets}
        inner = {room: targets for room, targets in left.items() if room in imported}
        if len(inner) == len(left):
            return left
        left = inner


def shows_circles(left):
    """Prints the imports that are left in circles, and says whether there are any."""
    circle = in_circles(left)
    for room, targets in sorted(circle.items()):
        for target, files in sorted(targets.items()):
            if target in circle:
                print(f"  circle: {room} imports {target} in {', '.join(sorted(files))}", file=sys.stderr)
    return bool(circle)


def main():
    found_any = False
    for base, skipped in [
        (ROOT / "src", {"lib", "fixtures", "reference"}),
        (ROOT / "src/bin/tollgate", {"main"}),
    ]:
        found, left = layers(graph(base, skipped))
        print(f"{base.relative_to(ROOT)}/")
        for number, layer in enumerate(found):
            print(f"  {number}: {', '.join(layer)}")
        found_any |= shows_circles(left)
    for folder in sorted(path for path in (ROOT / "src").rglob("*") if path.is_dir()):
        if "tests" not in folder.parts and folder != ROOT / "src/bin/tollgate":
            found_any |= shows_circles(layers(siblings(folder))[1])
    sys.exit(1 if found_any else 0)


if __name__ == "__main__":
    main()
