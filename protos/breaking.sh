#!/usr/bin/env bash
# Compare the descriptor set with that of the last release (tag v*); fail on a breaking change.
set -euo pipefail

if ! tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null); then
  echo "  breaking: skipped, there is no release tag to compare with"
  exit
fi
mkdir -p build
git show "$tag:generated/descriptors.binpb" >build/released.binpb
"${BUF:-buf}" breaking generated/descriptors.binpb --against build/released.binpb || {
  echo "This breaks programs written for $tag. If the published service made the same change, add it to buf.yaml under" \
    "breaking, with the reason, and to CHANGELOG.md." >&2
  exit 1
}
