#!/bin/sh
# Prints the path of prometheus, or of what is named as its argument (promtool). The first of these that there is:
#
#   $PROMETHEUS, $PROMTOOL      whatever they say
#   prometheus, promtool on PATH
#   a private Prometheus        from the package of Debian or Ubuntu, unpacked under target/: no root is needed, and
#                               nothing is installed
#
# The package's version is that of the distribution's release, which keeps only its newest build: it cannot be pinned.
# Debian 12 has 2.42, and the rules and queries here use nothing that is younger.
#
# Only the path goes to stdout; progress goes to stderr.
set -eu

program=${1:-prometheus}
case $program in
prometheus) chosen=${PROMETHEUS:-} ;;
promtool) chosen=${PROMTOOL:-} ;;
*)
    echo "usage: find-prometheus.sh [prometheus|promtool]" >&2
    exit 2
    ;;
esac

if [ -n "$chosen" ]; then
    echo "$chosen"
    exit
fi

if command -v "$program"; then
    exit
fi

root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/examples/packages.sh"
folder=$root/target/tools/prometheus

unpack() {
    unpacked "$folder.new" prometheus &&
        mv "$folder.new" "$folder"
}

if [ ! -x "$folder/usr/bin/$program" ]; then
    echo "Unpacking the distribution's package of Prometheus into $folder" >&2
    if ! unpack >&2; then
        echo "Could not get it. Install Prometheus 2.42 or later, with promtool, in another way, and put both on PATH or" \
            "set PROMETHEUS and PROMTOOL to their paths." >&2
        exit 1
    fi
fi
echo "$folder/usr/bin/$program"
