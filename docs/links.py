#!/usr/bin/env python3
"""Names every relative link in the repository's Markdown that leads to no file, or to no heading. Exits with 1 if there
is one. Links to other sites are not followed."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
# [text](target), ![picture](target), and the definition [name]: target.
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)[^)]*\)|^ *\[[^\]]+\]: +(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)
ANCHOR = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


@cache
def text_of(page):
    """The page without blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def slug(heading):
    """The anchor that GitHub makes of a heading."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")


@cache
def anchors(page):
    found = set(ANCHOR.findall(text_of(page)))
    times = {}
    for heading in HEADING.findall(text_of(page)):
        name = slug(heading)
        count = times[name] = times.get(name, -1) + 1
        found.add(f"{name}-{count}" if count else name)
    return found


def fault(page, link):
    """What is wrong with a link, or None."""
    if re.match(r"[a-z][a-z0-9+.-]*:", link, re.IGNORECASE):
        return None
    path, _, anchor = link.partition("#")
    target = (page.parent / unquote(path)).resolve() if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return "no such file"
    if anchor and target.suffix == ".md" and unquote(anchor) not in anchors(target):
        return "no such heading"
    return None


def main():
    listed = ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
    pages = [ROOT / name for name in names if name and (ROOT / name).exists()]
    faults = count = 0
    for page in pages:
        for match in LINK.finditer(CODE.sub("", text_of(page))):
            count += 1
            link = match[1] or match[2]
            if wrong := fault(page, link):
                faults += 1
                print(f"{page.relative_to(ROOT)}: {link}: {wrong}", file=sys.stderr)
    print(f"{count} links in {len(pages)} pages, {faults} broken")
    return 1 if faults or not count else 0


if __name__ == "__main__":
    sys.exit(main())
