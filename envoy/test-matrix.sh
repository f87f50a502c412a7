#!/bin/sh
# Runs the tests of tests/envoy/ in several versions of Envoy, each installed by find-envoy.sh, and prints one line for
# each: all tests in the oldest and the newest version, those that meet most of Envoy in the versions between.
# VERSIONS="1.39.3 ..." takes others, with all tests.
set -u

cd "$(dirname "$0")/.." || exit
newest=$(cat .envoy-version)
subset="endings:: forwarding:: keys:: resets:: shipped:: smuggling:: stream_usage:: streaming:: tokens::"
failed=0

# test_in VERSION [FILTER]...
test_in() {
    version=$1
    shift
    log=target/test-matrix-$version.log
    if envoy=$(envoy/find-envoy.sh "$version") &&
        ENVOY=$envoy cargo test -p tollgate-tests --test envoy -- "$@" >"$log" 2>&1; then
        verdict=passed
    else
        verdict="FAILED, see $log"
        failed=1
    fi
    counts=$(sed -n 's/^test result: [A-Za-z]*\. //p' "$log" | sed 's/ 0 measured;//')
    printf 'Envoy %s %s: %s\n' "$version" "$verdict" "$counts"
}

# Once and in sight, and not in the first version's log.
cargo test -p tollgate-tests --test envoy --no-run || exit

if [ -n "${VERSIONS:-}" ]; then
    for version in $VERSIONS; do
        test_in "$version"
    done
else
    test_in 1.36.4
    for version in 1.37.0 1.39.3; do
        # shellcheck disable=SC2086 # they are words
        test_in "$version" $subset
    done
    test_in "$newest"
fi
exit $failed
