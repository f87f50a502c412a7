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

tools=$(cd "$(dirname "$0")/../.." && pwd)/target/tools
folder=$tools/prometheus

# apt-get with all that it writes in a folder of ours: it neither asks for root nor touches the system's lists.
apt() {
    apt-get -qq -o Dir::State::Lists="$folder.new/lists" -o Dir::Cache="$folder.new/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}

unpack() {
    rm -rf "$folder.new" &&
        mkdir -p "$folder.new/lists/partial" "$folder.new/cache/archives/partial" &&
        cd "$folder.new" &&
        apt update &&
        apt download prometheus &&
        dpkg-deb -x prometheus_*.deb . &&
        rm -rf lists cache prometheus_*.deb &&
        cd "$tools" &&
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
