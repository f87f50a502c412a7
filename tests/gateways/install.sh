#!/usr/bin/env bash
# usage: install.sh FOLDER [PROGRAM…]   builds what is missing of PROGRAM… (all of them by default) into FOLDER, from Go modules.
# The first time takes most of an hour on two cores. PARALLEL=1 makes it gentler.
set -euo pipefail

kubernetes=36.3 # v1.36.3 of Kubernetes, v0.36.3 of its parts
etcd=v3.6.8
crane=v0.20.7
envoy_gateway=v1.9.1
ratelimit=v1.4.1-0.20260122083618-3fb702589d36
miniredis=v2.40.0

bin=$(mkdir -p "${1:?FOLDER}" && cd "$1" && pwd)
shift
here=$(cd "$(dirname "$0")" && pwd)
command -v go >/dev/null || {
  echo "Go is missing: the control planes are built from their modules (https://go.dev/doc/install)" >&2
  exit 1
}
export GOFLAGS="-buildvcs=false -mod=mod -p=${PARALLEL:-2}" GOBIN=$bin CGO_ENABLED=0

# Kubernetes' own go.mod finds its parts in folders beside it. Here they are the modules that it published of them.
kubernetes() { # PROGRAM
  local source=$bin/source
  mkdir -p "$source"
  cp -r "$here/go/." "$source/"
  if [ ! -e "$source/go.mod" ]; then
    (
      cd "$source"
      go mod init tollgate-gateways 2>/dev/null
      local parts
      parts=$(go mod download -json "k8s.io/kubernetes@v1.$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
      parts=$(sed -n 's/^\t\(k8s.io\/[a-z-]*\) v0\.0\.0$/\1/p' "$parts")
      for part in $parts; do
        go mod edit "-replace=$part=$part@v0.$kubernetes"
      done
      go mod edit "-require=k8s.io/kubernetes@v1.$kubernetes" "-require=go.etcd.io/etcd/server/v3@$etcd" \
        "-require=github.com/alicebob/miniredis/v2@$miniredis"
    )
  fi
  local version=k8s.io/component-base/version
  (cd "$source" && go build -ldflags "-s -w -X $version.gitVersion=v1.$kubernetes -X $version.gitMajor=1 \
    -X $version.gitMinor=${kubernetes%.*}" -o "$bin/$1" "./$1")
}

build() { # PROGRAM
  case $1 in
  etcd | kube-apiserver) kubernetes "$1" ;;
  kube-controller-manager) ln -sf kube-apiserver "$bin/$1" ;;
  redis) kubernetes redis ;;
  crane) go install -ldflags '-s -w' "github.com/google/go-containerregistry/cmd/crane@$crane" ;;
  envoy-gateway) go install -ldflags '-s -w' "github.com/envoyproxy/gateway/cmd/envoy-gateway@$envoy_gateway" ;;
  ratelimit) go install -ldflags '-s -w' "github.com/envoyproxy/ratelimit/src/service_cmd@$ratelimit" &&
    mv "$bin/service_cmd" "$bin/ratelimit" ;;
  *) echo "no such program: $1" >&2 && return 1 ;;
  esac
}

for program in "${@:-etcd kube-apiserver kube-controller-manager crane envoy-gateway ratelimit redis}"; do
  for name in $program; do
    [ -x "$bin/$name" ] || { echo "building $name" >&2 && build "$name"; }
  done
done
