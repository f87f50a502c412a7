#!/usr/bin/env python3
"""Writes the bill of materials of something that was built from this workspace, as CycloneDX JSON.

    sbom.py ARTIFACT OUTPUT --target TRIPLE [--features FEATURES]

It names what is linked into ARTIFACT: the crates that `cargo tree` finds for that target and those features, with
their licences and with the checksums of Cargo.lock, and Rust's standard library. What only runs while building or
testing (procedural macros, build and development dependencies) is not in it. The same artifact gives the same bytes:
there is no time in it, and the serial number follows from the artifact.
"""

import argparse
import hashlib
import json
import re
import subprocess
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A line of `cargo tree`: depth, name and version, and after a tab the licence.
LINE = re.compile(r"(?P<depth>\d+)(?P<name>\S+) v(?P<version>\S+)[^\t]*\t(?P<licence>.*)")
LOCKED = re.compile(r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--target", required=True)
    parser.add_argument("--features", default="")
    arguments = parser.parse_args()

    document = bill(arguments.artifact, arguments.target, arguments.features)
    arguments.output.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def bill(artifact, target, features=""):
    root, crates, uses = linked(tree(target, features))
    locked = LOCKED.findall((ROOT / "Cargo.lock").read_text())
    checksums = {(name, version): checksum for name, version, checksum in locked}
    digest = hashlib.sha256(artifact.read_bytes()).hexdigest()

    library = standard_library()
    main_component = {
        **component(root, crates.pop(root), digest),
        "type": "application",
        "properties": [{"name": "file", "value": artifact.name}, {"name": "target", "value": target}],
    }
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {"component": main_component},
        "components": [library] + [component(crate, crates[crate], checksums[crate]) for crate in sorted(crates)],
        "dependencies": [
            {"ref": reference(crate), "dependsOn": sorted([library["bom-ref"], *map(reference, uses[crate])])}
            for crate in sorted(uses)
        ],
    }


def tree(target, features):
    return run(
        "cargo", "tree", "--locked", "--package", "tollgate", "--features", features, "--target", target,
        "--edges", "normal,no-proc-macro", "--no-dedupe", "--prefix", "depth", "--format", "{p}\t{l}",
    )


def linked(lines):
    """The crate at the root, the licence of each crate, and the crates that each uses, from the lines of `tree`."""
    path, licences, uses = [], {}, {}
    for line in lines.splitlines():
        found = LINE.fullmatch(line)
        crate = (found["name"], found["version"])
        del path[int(found["depth"]) :]
        if path:
            uses[path[-1]].add(crate)
        path.append(crate)
        licences[crate] = found["licence"]
        uses.setdefault(crate, set())
    return path[0], licences, uses


def component(crate, licence, digest):
    name, version = crate
    return {
        "type": "library",
        "bom-ref": reference(crate),
        "name": name,
        "version": version,
        "purl": reference(crate),
        "hashes": [{"alg": "SHA-256", "content": digest}],
        # `/` is how older manifests write OR.
        "licenses": [{"expression": licence.replace("/", " OR ")}],
    }


def standard_library():
    facts = dict(line.split(": ", 1) for line in run("rustc", "-vV").splitlines()[1:])
    purl = f"pkg:github/rust-lang/rust@{facts['commit-hash']}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": "std",
        "version": facts["release"],
        "description": "Rust's standard library, with the crates and the C library that come with it",
        "purl": purl,
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
    }


def reference(crate):
    return "pkg:cargo/{}@{}".format(*crate)


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
