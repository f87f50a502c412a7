#!/bin/sh
# Installs and builds the judges under target/, once; `make test-judges` calls it. Those in Python must be there. The others
# are left out, and this says why, where their language is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=$root/target/tools/judges
built=$root/target/judges
mkdir -p "$built"

missing() {
    echo "judges in $1 are left out: $2" >&2
}

# Whether what was installed by the file $1 is still what the file says, by the copy of it that is $2.
is_current() {
    cmp -s "$1" "$2"
}

if ! is_current "$here/requirements.txt" "$tools/installed.txt"; then
    python3 -m venv --clear "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --no-compile -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$tools/installed.txt"
fi

if ! command -v npm >/dev/null; then
    missing JavaScript "no npm on PATH"
elif ! is_current "$here/node/package-lock.json" "$built/node/installed"; then
    rm -rf "$built/node"
    mkdir -p "$built/node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$built/node"
    (cd "$built/node" && npm ci --silent --no-audit --no-fund)
    cp "$here/node/package-lock.json" "$built/node/installed"
fi

if ! command -v go >/dev/null; then
    missing Go "no go on PATH"
else
    # Go knows itself whether there is anything to do.
    (cd "$here/go" && go build -o "$built/go" .)
fi

if ! command -v mvn >/dev/null || ! command -v java >/dev/null; then
    missing Java "no mvn or no java on PATH"
elif ! is_current "$here/java/pom.xml" "$built/java/installed"; then
    rm -rf "$built/java"
    mvn --quiet --batch-mode -Dstyle.color=never --file "$here/java/pom.xml" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory="$built/java"
    cp "$here/java/pom.xml" "$built/java/installed"
fi

# From the packages of Debian 12, unpacked: no root is needed, and nothing is installed. The test knows how this version
# reads a connection.
packages=$built/debian
unpack() {
    rm -rf "$packages" && mkdir -p "$packages/lists/partial" "$packages/cache/archives/partial" && cd "$packages" &&
        apt update && apt download libcpp-httplib-dev libcpp-httplib0.11 nlohmann-json3-dev &&
        for package in *.deb; do dpkg-deb -x "$package" . || return; done &&
        rm -rf lists cache ./*.deb
}
# apt-get with all that it writes in a folder of ours.
apt() {
    apt-get -qq -o Dir::State::Lists="$packages/lists" -o Dir::Cache="$packages/cache" \
        -o APT::Sandbox::User="$(id -un)" "$@"
}
compile() {
    libraries=$(dirname "$(find "$packages" -name 'libcpp-httplib.so.0.11')") &&
        g++ -std=c++17 -isystem "$packages/usr/include" "$here/cpp/judge.cpp" -o "$built/cpp.new" \
            -L"$libraries" -Wl,-rpath,"$libraries" -lcpp-httplib -pthread &&
        mv "$built/cpp.new" "$built/cpp" && cp "$here/cpp/judge.cpp" "$built/judge.cpp"
}
if ! command -v g++ >/dev/null || ! command -v apt-get >/dev/null; then
    missing C++ "no g++ or no apt-get on PATH"
elif ! is_current "$here/cpp/judge.cpp" "$built/judge.cpp"; then
    rm -f "$built/cpp"
    { [ -d "$packages/usr" ] || (unpack); } && compile || missing C++ "cpp-httplib 0.11 could not be got or compiled"
fi
