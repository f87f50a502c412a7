#!/usr/bin/env python3
"""Puts a WebAssembly module into an OCI image, in the layout that Istio and Envoy Gateway pull.

    oci.py MODULE FOLDER --version VERSION [--revision COMMIT] [--source URL]

writes FOLDER (an OCI image layout) and FOLDER.tar (the same in one file), and prints the image's digest. It is the
"compat" variant of the Wasm image specification: one layer, a compressed tar archive with `plugin.wasm` in it.

The same arguments give the same bytes on every machine: there are no times, owners or hosts in them, and nothing is
compressed, since releases of zlib compress differently. Pullers insist on gzip, which may hold stored bytes.
"""

import argparse
import hashlib
import io
import json
import shutil
import struct
import tarfile
import zlib
from pathlib import Path

CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"

# What a stored block of deflate can hold.
BLOCK = 0xFFFF


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", help="the commit that the module was built from")
    parser.add_argument("--source", help="where the source is published")
    arguments = parser.parse_args()

    annotations = annotate(arguments.version, arguments.revision, arguments.source)
    digest, files = image(arguments.module.read_bytes(), annotations)
    write(files, arguments.folder)
    print(digest)


def annotate(version, revision=None, source=None):
    """The annotations of an image; those that nobody gave are left out."""
    annotations = {
        "module.wasm.image/variant": "compat",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.source": source,
        "org.opencontainers.image.title": "tollgate",
        "org.opencontainers.image.version": version,
    }
    return {name: value for name, value in annotations.items() if value}


def image(module, annotations):
    """The digest of an image with this module, and the files of its layout by their path."""
    blobs = {}

    def add(media_type, content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        blobs["blobs/" + digest.replace(":", "/")] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    archive = tar({"plugin.wasm": module})
    config = {
        "architecture": "wasm",
        "os": "wasip1",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(archive).hexdigest()]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": add(CONFIG, encode(config)),
        "layers": [add(LAYER, stored_gzip(archive))],
        "annotations": annotations,
    }
    described = add(MANIFEST, encode(manifest))
    # The name by which tools pick an image out of a layout.
    name = {"org.opencontainers.image.ref.name": annotations["org.opencontainers.image.version"]}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**described, "annotations": name}]}
    return described["digest"], {
        **blobs,
        "index.json": encode(index),
        "oci-layout": encode({"imageLayoutVersion": "1.0.0"}),
    }


def write(files, folder):
    """Writes a layout as a folder, in place of what was there, and as an archive beside it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder.with_name(folder.name + ".tar").write_bytes(tar(files))


def tar(files):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as entries:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entries.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def stored_gzip(content):
    """RFC 1952 around RFC 1951's stored blocks: no time, no name, unknown system."""
    compressed = bytearray(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
    for start in range(0, len(content), BLOCK):
        block = content[start : start + BLOCK]
        last = start + BLOCK >= len(content)
        compressed += struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block
    return bytes(compressed + struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF))


def encode(document):
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


if __name__ == "__main__":
    main()
