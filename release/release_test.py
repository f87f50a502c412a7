"""What `make release` publishes beside the module: the image, and the bills of materials.

`make test-release` runs it on the filter that `make build` has built.
"""

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

import oci
import sbom

MODULE = Path(os.environ["TOLLGATE_WASM"])


def pull(fetch, reference):
    """The digest and the module of an image, by the steps of `ImageFetcher.PrepareFetch` in Istio's
    pkg/wasm/imagefetcher.go and in Envoy Gateway's internal/wasm/imagefetcher.go, which are alike.

    `fetch` stands for the registry: it answers the path of a manifest or blob with its content.
    """
    # remote.Get, Descriptor.Image: an image and not an index of images. A platform is not looked at.
    content = fetch(f"manifests/{reference}")
    manifest = json.loads(content)
    assert manifest["mediaType"] == oci.MANIFEST, manifest["mediaType"]
    digest = hashlib.sha256(content).hexdigest()

    # extractOCIStandardImage: the last layer, of exactly this type. Its bytes are those that its digest announces
    # (go-containerregistry's verify.ReadCloser).
    layer = manifest["layers"][-1]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip", layer["mediaType"]
    compressed = fetch(f"blobs/{layer['digest']}")
    assert "sha256:" + hashlib.sha256(compressed).hexdigest() == layer["digest"]
    assert len(compressed) == layer["size"]

    # extractWasmPluginBinary: the first file of this name, in whatever folder.
    archive = tarfile.open(fileobj=io.BytesIO(gzip.decompress(compressed)))
    entry = next(entry for entry in archive if os.path.basename(entry.name) == "plugin.wasm")
    module = archive.extractfile(entry).read()

    # isValidWasmBinary, in cache.go.
    assert len(module) >= 8 and module.startswith(b"\0asm")
    return digest, module


def layout(files):
    """A registry that serves the one image of a layout."""
    [described] = json.loads(files["index.json"])["manifests"]

    def fetch(path):
        kind, reference = path.split("/")
        if kind == "manifests" and reference == described["annotations"]["org.opencontainers.image.ref.name"]:
            reference = described["digest"]
        return files["blobs/" + reference.replace(":", "/")]

    return fetch


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Image(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)
        self.folder = Path(self.work.name)

    def build(self, folder, **environment):
        """Runs the command, as `make image` does."""
        command = [sys.executable, oci.__file__, MODULE, folder, "--version", "1.2.3", "--revision", "abc"]
        ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
        return ran.stdout.strip()

    def test_is_pulled_by_tag_and_by_digest_and_gives_exactly_the_module(self):
        printed = self.build(self.folder / "image")
        fetch = layout(files_below(self.folder / "image"))
        for reference in ["1.2.3", printed]:
            digest, module = pull(fetch, reference)
            self.assertEqual("sha256:" + digest, printed, reference)
            self.assertEqual(module, MODULE.read_bytes(), reference)

    def test_has_the_same_bytes_in_another_folder_at_another_time_for_another_user(self):
        first = self.build(self.folder / "image", TZ="UTC")
        elsewhere = self.folder / "elsewhere" / "image"
        second = self.build(elsewhere, TZ="Asia/Tokyo", USER="other", HOME="/", SOURCE_DATE_EPOCH="1")
        self.assertEqual(first, second)
        self.assertEqual(files_below(self.folder / "image"), files_below(elsewhere))
        self.assertEqual((self.folder / "image.tar").read_bytes(), elsewhere.with_name("image.tar").read_bytes())

    def test_archive_holds_what_the_folder_holds(self):
        self.build(self.folder / "image")
        with tarfile.open(self.folder / "image.tar") as archive:
            held = {entry.name: archive.extractfile(entry).read() for entry in archive}
        self.assertEqual(held, files_below(self.folder / "image"))

    def test_of_given_bytes_has_the_same_digest_on_every_machine(self):
        # More than two stored blocks. A digest that differs here differs from the one that was published.
        module = b"\0asm\1\0\0\0" + bytes(range(256)) * 600
        digest, _ = oci.image(module, oci.annotate("1.2.3", "abc", "https://example.com/"))
        self.assertEqual(digest, "sha256:5e0094328f5e9a8d8f11d2788a49ddf2eb0c842b468a4555dcac13bfb9798644")

    def test_says_what_it_is_and_leaves_out_what_nobody_said(self):
        _, files = oci.image(b"\0asm\1\0\0\0", oci.annotate("1.2.3"))
        manifest = json.loads(layout(files)("manifests/1.2.3"))
        self.assertEqual(
            manifest["annotations"],
            {
                "module.wasm.image/variant": "compat",
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.title": "tollgate",
                "org.opencontainers.image.version": "1.2.3",
            },
        )

    def test_layer_is_announced_as_what_it_unpacks_to(self):
        for size in [1, oci.BLOCK - 1, oci.BLOCK, oci.BLOCK + 1, 3 * oci.BLOCK]:
            content = b"x" * size
            self.assertEqual(gzip.decompress(oci.stored_gzip(content)), content, size)
        _, files = oci.image(b"\0asm\1\0\0\0", oci.annotate("1.2.3"))
        fetch = layout(files)
        manifest = json.loads(fetch("manifests/1.2.3"))
        unpacked = gzip.decompress(fetch(f"blobs/{manifest['layers'][0]['digest']}"))
        config = json.loads(fetch(f"blobs/{manifest['config']['digest']}"))
        self.assertEqual(config["rootfs"]["diff_ids"], ["sha256:" + hashlib.sha256(unpacked).hexdigest()])


class BillOfMaterials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.filter = sbom.bill(MODULE, "wasm32-wasip1")
        # Any file will do for the command: its crates do not follow from its bytes.
        cls.command = sbom.bill(Path(__file__), "x86_64-unknown-linux-gnu", "command")

    @staticmethod
    def names(bill):
        return {component["name"] for component in bill["components"]}

    def test_is_valid_by_the_schema_of_cyclonedx(self):
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator

        for bill in [self.filter, self.command]:
            self.assertIsNone(JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)))

    def test_names_every_crate_that_left_its_path_in_the_module(self):
        # Panics name the file that they are in: `…/serde_json-1.0.0/src/de.rs`.
        traces = {
            f"{name.decode()}@{version.decode()}"
            for name, version in re.findall(rb"([a-z][a-z0-9_-]*)-(\d+\.\d+\.\d+)/src/", MODULE.read_bytes())
        }
        self.assertTrue(traces)
        named = {f"{component['name']}@{component['version']}" for component in self.filter["components"]}
        self.assertLessEqual(traces, named)

    def test_tells_what_is_linked_from_what_only_builds_or_tests(self):
        self.assertLessEqual({"proxy-wasm", "serde_json", "sha2", "std"}, self.names(self.filter))
        self.assertLessEqual({"clap", "serde_json", "sha2", "std"}, self.names(self.command))
        self.assertNotIn("clap", self.names(self.filter))
        self.assertNotIn("proxy-wasm", self.names(self.command))
        for only_builds_or_tests in ["serde_derive", "clap_derive", "syn", "wasm-bindgen-test", "wasmtime"]:
            self.assertNotIn(only_builds_or_tests, self.names(self.filter) | self.names(self.command))

    def test_says_which_file_it_describes(self):
        component = self.filter["metadata"]["component"]
        self.assertEqual(component["name"], "tollgate")
        self.assertEqual(component["hashes"][0]["content"], hashlib.sha256(MODULE.read_bytes()).hexdigest())

    def test_names_nothing_of_the_machine(self):
        for bill in [self.filter, self.command]:
            self.assertNotIn(str(sbom.ROOT), json.dumps(bill))

    def test_every_component_is_used_and_every_use_is_of_a_component(self):
        for bill in [self.filter, self.command]:
            components = {component["bom-ref"] for component in bill["components"]}
            used = {used for dependency in bill["dependencies"] for used in dependency["dependsOn"]}
            self.assertEqual(used, components)
            users = {dependency["ref"] for dependency in bill["dependencies"]}
            self.assertLessEqual(users, components | {bill["metadata"]["component"]["bom-ref"]})


if __name__ == "__main__":
    unittest.main()
