#!/usr/bin/env bash
# Does the API hold what the last release promised? Compares the descriptor set with that of the last tag v*.
set -euo pipefail

if ! tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
  echo "  breaking: there is no release tag here to compare with"
  exit
fi
mkdir -p build
git show "$tag:generated/descriptors.binpb" >build/released.binpb
"${BUF:-buf}" breaking generated/descriptors.binpb --against build/released.binpb || {
  echo "This breaks programs of $tag. Where the published service did so too, name it in buf.yaml under breaking, with the" \
    "reason, and in CHANGELOG.md." >&2
  exit 1
}
