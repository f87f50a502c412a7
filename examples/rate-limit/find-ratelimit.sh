#!/bin/sh
# Prints the path of envoyproxy/ratelimit: $RATELIMIT, or `ratelimit` on PATH. If there is neither, it says how to get it, and
# exits with 1.
set -eu

if [ -n "${RATELIMIT:-}" ]; then
    echo "$RATELIMIT"
    exit
fi

if command -v ratelimit; then
    exit
fi

# The commit that the tests ran with. The project has no releases.
version=f2fb15770f7fd1c88ca6c3a1b58ee513917ace96
cat >&2 <<MESSAGE
There is no envoyproxy/ratelimit: set RATELIMIT to its path, or put \`ratelimit\` on PATH. With Go 1.26 or later:

    GOBIN=\$PWD/target/tools/bin go install github.com/envoyproxy/ratelimit/src/service_cmd@$version
    export RATELIMIT=\$PWD/target/tools/bin/service_cmd

With containers: docker compose -f examples/rate-limit/compose.yaml up
MESSAGE
exit 1
