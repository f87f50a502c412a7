#!/usr/bin/env bash
# usage: run.sh [WORD…]   runs the rows whose sentences have one of the words, or all of them
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export STATE=${GATEWAYS:-$root/target/gateways}
mkdir -p "$STATE"

missing() {
  echo "$1" >&2
  exit 1
}
command -v kubectl >/dev/null || missing "kubectl is missing: go install k8s.io/kubectl/cmd/kubectl@v0.36.3 has it, without internet access too"
command -v openssl >/dev/null || missing "openssl is missing: it signs the keys of the cluster"
command -v ip >/dev/null || missing "ip is missing: it is in iproute2"
namespaces=(unshare --user --map-root-user --net --mount --pid --fork --mount-proc --kill-child)
"${namespaces[@]}" true || missing "no namespaces can be made here: it needs Linux with user namespaces for everybody, or root"

"$here/install.sh" "$STATE/bin"
export TOLLGATE_WASM=${TOLLGATE_WASM:?the built filter}
ENVOY=${ENVOY:-$("$root/envoy/find-envoy.sh")} && export ENVOY
export GOFLAGS=-mod=mod GOPROXY=off # in the namespaces there is no network, and all that is needed is there

exec "${namespaces[@]}" python3 -B "$here/main.py" "$@"
