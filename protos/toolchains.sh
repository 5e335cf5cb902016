#!/usr/bin/env bash
# Install, from Debian's packages, what generates, builds and runs the languages of generated/, what compiles the server of
# the benchmarks, and the Redis that the example of a shared rate limit runs on.
# Usage: toolchains.sh [WHAT...]    (go, typescript, java, cpp, bench, redis; default: all)
set -euo pipefail

packages() {
  case $1 in
    go) echo golang-go protoc-gen-go-1-5 protoc-gen-go-grpc golang-google-grpc-dev golang-google-genproto-dev \
      golang-github-golang-protobuf-1-5-dev protobuf-compiler ;;
    typescript) command -v npm >/dev/null || echo nodejs npm ;;
    java) echo default-jdk-headless maven protobuf-compiler protobuf-compiler-grpc-java-plugin libprotobuf-dev \
      libprotobuf-java libgrpc-java libnetty-java libperfmark-java libgoogle-gson-java libanimal-sniffer-java \
      libgeronimo-annotation-1.3-spec-java libmaven-compiler-plugin-java libmaven-dependency-plugin-java \
      libmaven-resources-plugin-java junit5 ;;
    cpp) echo g++ make cmake pkg-config protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libgrpc++-dev ;;
    bench) echo gcc libc6-dev libnghttp2-dev ;;
    redis) echo redis-server ;;
    *) echo "toolchains.sh: $1 is not one of go, typescript, java, cpp, bench, redis" >&2 && return 1 ;;
  esac
}

(($#)) || set -- go typescript java cpp bench redis
missing=()
for language in "$@"; do
  listed=$(packages "$language")
  for package in $listed; do
    dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
done
if ((${#missing[@]} == 0)); then
  exit
fi
if ! command -v apt-get >/dev/null; then
  echo "This is not Debian; install the equivalents of: ${missing[*]}" >&2
  exit 1
fi
as_root=()
((EUID == 0)) || as_root=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
echo "  installed ${missing[*]}"
