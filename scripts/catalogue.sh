#!/usr/bin/env bash
# Extracts the catalogue of one version of an engine: downloads its wheel, reads its source, writes
# catalogues/<backend>-<version>.json, and puts the pinned version's curated text beside it to be edited.
# Installs nothing and imports nothing of the engine. Knows nothing of what the parameters mean.
#
#   scripts/catalogue.sh vllm 0.32.0
set -euo pipefail

usage() {
  echo "usage: scripts/catalogue.sh vllm|pytorch VERSION    (PYTHON=…, WHEELS=folder for downloads)" >&2
  exit 2
}

[ $# -eq 2 ] || usage
backend=$1 version=$2
python=${PYTHON:-python3}
case $backend in
vllm) package=vllm ;;
pytorch) package=transformers ;;
tensorrt)
  echo "tensorrt is no wheel of PyPI: in its container, python3 -m lem_extract tensorrt --installed -o FILE" >&2
  exit 2
  ;;
*) usage ;;
esac

cd "$(dirname "$0")/.."
wheels=${WHEELS:-target/wheels}
mkdir -p "$wheels"

# The platform is the containers', not this machine's.
platforms=()
for platform in manylinux_2_35 manylinux_2_31 manylinux_2_28 manylinux2014 manylinux1; do
  platforms+=(--platform "${platform}_x86_64")
done
"$python" -m pip download --quiet --no-deps --only-binary :all: --python-version 3.12 "${platforms[@]}" \
  --dest "$wheels" "$package==$version"
wheel=$(printf '%s\n' "$wheels/$package-$version"[-+]*.whl | head -n 1)

catalogue=catalogues/$backend-$version.json
curated=catalogues/$backend-$version.curated.json
PYTHONPATH=images/worker/src PYTHONDONTWRITEBYTECODE=1 \
  "$python" -m lem_extract "$backend" --wheel "$wheel" --output "$catalogue"
echo "$catalogue: $(grep -c '"owner"' "$catalogue") parameters from $(basename "$wheel")"

pinned=$(sed -n "s/.*\"$backend\": \"\([^\"]*\)\".*/\1/p" catalogues/pins.json)
if [ ! -e "$curated" ]; then
  sed "s/\"version\": \"$pinned\"/\"version\": \"$version\"/" "catalogues/$backend-$pinned.curated.json" >"$curated"
  echo "$curated: begun from $pinned"
fi
echo "next: lemctl params diff $backend $pinned $version"
echo "      edit $curated until lemctl params list $backend --version $version reads it"
