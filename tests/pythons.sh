#!/usr/bin/env bash
# Unpack Pythons that this Debian lacks, from a newer Debian, into build/pythons/VERSION, where noxfile.py finds them.
# Nothing is installed, the machine's apt sources stay as they are, and root is not needed.
# Usage: pythons.sh [VERSION...]    (default: 3.14 3.15)
set -euo pipefail
cd "$(dirname "$0")/.."

SUITE=forky # Debian 14
pythons=$PWD/build/pythons
apt=$pythons/apt # sources, lists and downloads of apt, apart from the machine's

apt_get() {
  apt-get -qq \
    -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/empty" \
    -o Dir::Etc::Preferences="$apt/empty" -o Dir::Etc::PreferencesParts="$apt/empty" \
    -o Dir::State="$apt/state" -o Dir::State::Status="$apt/status" -o Dir::Cache="$apt/cache" \
    -o APT::Sandbox::User="$(id -un)" "$@"
}

update() {
  # The mirror that this machine uses for its own packages.
  mapfile -t mirrors < <(apt-get --print-uris update | sed -nE "s#^'([^']*/debian)/dists/.*#\1#p")
  ((${#mirrors[@]})) || { echo "pythons.sh: the sources of apt name no mirror of Debian" >&2 && return 1; }
  mkdir -p "$apt"/empty "$apt"/state/lists/partial "$apt"/cache/archives/partial
  : >"$apt/status" # no package counts as installed, so apt downloads libc and all other dependencies too
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirrors[0]} $SUITE main" >"$apt/sources.list"
  apt_get update
}

# unpack VERSION
unpack() {
  local root=$pythons/$1 usr=$pythons/$1/usr package loader
  rm -rf "$root" "$apt"/cache/archives/*.deb
  # libstdc++ is not a dependency of Python, but of many wheels.
  apt_get install --yes --no-install-recommends --download-only "python$1-venv" libstdc++6 >/dev/null
  mkdir -p "$root"
  for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$root"
  done
  # Python needs the libc that was unpacked, and the loader of that libc. The path is an argument instead of a variable of the
  # environment, so programs that Python starts keep the machine's libc. A virtual environment links to this command, and $0
  # is the link.
  mkdir -p "$usr/libexec"
  mv "$usr/bin/python$1" "$usr/libexec/"
  find "$usr/bin" -mindepth 1 -delete # it will be in the PATH of nox
  loader=$(echo "$usr"/lib/*/ld-linux*.so.*)
  cat >"$usr/bin/python$1" <<EOF
#!/bin/sh
exec "$loader" --library-path "${loader%/*}" --argv0 "\$0" "$usr/libexec/python$1" "\$@"
EOF
  chmod +x "$usr/bin/python$1"
  # Where `python -m venv` finds pip.
  sed -i "s#'/usr/share/python-wheels/'#'$usr/share/python-wheels/'#" "$usr"/lib/python*/_sysconfigdata_*.py
}

(($#)) || set -- 3.14 3.15
missing=()
for version in "$@"; do
  PATH=$pythons/$version/usr/bin:$PATH "python$version" -c '' 2>/dev/null || missing+=("$version")
done
if ((${#missing[@]} == 0)); then
  exit
fi
if ! command -v apt-get >/dev/null; then
  echo "This is not Debian; install Python ${missing[*]} by other means" >&2
  exit 1
fi
update
for version in "${missing[@]}"; do
  unpack "$version"
  "$pythons/$version/usr/bin/python$version" -c "import sys; print('  unpacked Python', *sys.version.split()[:1])"
done
rm -r "$apt"
