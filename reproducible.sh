#!/bin/sh
# Builds the filter of HEAD twice with `make release`, each time in another folder, with another $CARGO_HOME and from
# nothing, and compares the bytes. Downloads what it needs twice.
set -eu

cd "$(dirname "$0")"
# Not below this checkout, whose .cargo/config.toml would be read as well.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build CHECKOUT CARGO_HOME
build() {
    mkdir -p "$1" "$2"
    git archive HEAD | tar -x -C "$1"
    env -u CARGO_TARGET_DIR CARGO_HOME="$2" make -C "$1" release >&2
    cut -d ' ' -f 1 "$1/target/release-filter/tollgate.wasm.sha256"
}

first=$(build "$work/here" "$work/cargo")
second=$(build "$work/a folder/far away" "$work/another home/of cargo")
if [ "$first" = "$second" ]; then
    echo "the same bytes twice: $first"
else
    echo "different bytes: $first and $second" >&2
    exit 1
fi
