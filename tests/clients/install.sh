#!/bin/sh
# Installs the clients under target/tools/, once; `make clients` calls it, with Node and its npm on PATH.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "$here/../.." && pwd)/target/tools

# Whether what was installed by the file $1 is still what the file says, by the copy of it that is $2.
is_current() {
    cmp -s "$1" "$2"
}

# A virtual environment $1 with what the file $2 lists, and nothing else.
python() {
    if ! is_current "$2" "$1/installed.txt"; then
        python3 -m venv --clear "$1"
        "$1/bin/pip" install --quiet --disable-pip-version-check --no-compile --no-deps -r "$2"
        cp "$2" "$1/installed.txt"
    fi
}

python "$tools/clients" "$here/requirements.txt"
python "$tools/clients-llama-index" "$here/llama-index.txt"

node=$tools/clients-node
if ! is_current "$here/node/package-lock.json" "$node/installed"; then
    rm -rf "$node"
    mkdir -p "$node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$node"
    (cd "$node" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    cp "$here/node/package-lock.json" "$node/installed"
fi
