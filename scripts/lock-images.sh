#!/usr/bin/env bash
# Resolves images/<backend>/requirements.in into requirements.lock: every package, its dependencies included, with
# its version and the SHA-256 of each of its files, for the Python and the C library of the images' base.
#
#   scripts/lock-images.sh [BACKEND...]     needs uv (https://docs.astral.sh/uv); the index is uv's own setting
#
# An index is never written into a lock. What changes is for a person to read: git diff images/*/requirements.lock
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../images"

if ! command -v uv >/dev/null; then
  echo "lock-images.sh: uv is not here: python3 -m pip install uv" >&2
  exit 1
fi
[ $# -gt 0 ] || set -- pytorch vllm
for backend in "$@"; do
  lock=$backend/requirements.lock
  (
    cd "$backend"
    uv pip compile --quiet --upgrade --generate-hashes --only-binary :all: \
      --python-version 3.12 --python-platform x86_64-manylinux_2_40 \
      --no-header --no-emit-index-url requirements.in --output-file requirements.lock
  )
  sed -i '1i # Made by scripts/lock-images.sh from requirements.in, for Python 3.12 on x86_64 with glibc 2.40.' "$lock"
  echo "images/$lock: $(grep -c '^[a-z].*==' "$lock") packages"
done
