#!/bin/sh
# Builds the release of HEAD twice with `make release`, each time in another folder, with another $CARGO_HOME and from
# nothing, and compares the bytes of all its files. Downloads what it needs twice.
set -eu

cd "$(dirname "$0")"
revision=$(git rev-parse HEAD)
# Not below this checkout, whose .cargo/config.toml would be read as well.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build CHECKOUT CARGO_HOME
build() {
    mkdir -p "$1" "$2"
    git archive HEAD | tar -x -C "$1"
    env -u CARGO_TARGET_DIR CARGO_HOME="$2" make -C "$1" release REVISION="$revision" >&2
    cat "$1/target/release-filter/tollgate-oci.digest" "$1/target/release-filter/SHA256SUMS"
}

first=$(build "$work/here" "$work/cargo")
second=$(build "$work/a folder/far away" "$work/another home/of cargo")
if [ "$first" = "$second" ]; then
    printf 'the same bytes twice:\n%s\n' "$first"
else
    printf 'different bytes:\n%s\nand\n%s\n' "$first" "$second" >&2
    exit 1
fi
