#!/bin/sh
# Prints the path of redis-server. The first of these that there is:
#
#   $REDIS_SERVER               whatever it says
#   redis-server on PATH
#   a private Redis             from the packages of Debian or Ubuntu, unpacked under target/: no root is needed, and
#                               nothing is installed
#
# Only the path goes to stdout; progress goes to stderr.
set -eu

if [ -n "${REDIS_SERVER:-}" ]; then
    echo "$REDIS_SERVER"
    exit
fi

if command -v redis-server; then
    exit
fi

root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/examples/packages.sh"
tools=$root/target/tools
folder=$tools/redis
program=$folder/redis-server

# The server is in redis-tools. It comes with the libraries that few systems have; the others are everywhere.
unpack() {
    unpacked "$folder.new" redis-tools liblzf1 libjemalloc2 &&
        cd "$folder.new" &&
        libraries=$(dirname "$(find usr/lib -name 'liblzf.so.*' | head -n 1)") &&
        printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$folder/$libraries" "$folder/usr/bin/redis-check-rdb" \
            >redis-server &&
        chmod +x redis-server &&
        cd "$tools" &&
        mv "$folder.new" "$folder"
}

if [ ! -x "$program" ]; then
    echo "Unpacking the distribution's package of Redis into $folder" >&2
    if ! unpack >&2; then
        echo "Could not get it. Install Redis 6 or later in another way, and put redis-server on PATH or set REDIS_SERVER" \
            "to its path." >&2
        exit 1
    fi
fi
echo "$program"
