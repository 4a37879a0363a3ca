#!/usr/bin/env bash
# For hosts without the NVIDIA Container Toolkit (LEM_COMPOSE_VARIANT=device-nodes): copies the libraries of the NVIDIA
# driver that CUDA needs into a folder of their own, which the containers mount. The host's library folder itself
# cannot be mounted: its C library would take the place of the image's.
#
#   scripts/driver-libraries.sh [FOLDER]     FOLDER: .lem/driver of this project if left out
#
# Prints the lines for .env. Run it again after each update of the driver: its libraries must be the kernel module's.
set -euo pipefail
folder=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/.lem/driver}

# The first two must be there; the others come and go with driver versions.
needed=(libcuda.so.1 libnvidia-ml.so.1)
others=(libnvidia-ptxjitcompiler.so.1 libnvidia-nvvm.so.4 libnvidia-gpucomp.so libcudadebugger.so.1
  libnvidia-allocator.so.1 libnvidia-pkcs11.so libnvidia-pkcs11-openssl3.so)

known=$(ldconfig -p)
# A 64-bit library of that name, or of that name with the driver's version behind it.
found() {
  awk -v name="$1" '/x86-64|AArch64/ && ($1 == name || index($1, name ".") == 1) { print $NF; exit }' <<<"$known"
}

mkdir -p "$folder"
for name in "${needed[@]}" "${others[@]}"; do
  path=$(found "$name")
  if [ -n "$path" ]; then
    install -m 755 "$(readlink -f "$path")" "$folder/$(basename "$path")"
  elif [[ " ${needed[*]} " == *" $name "* ]]; then
    echo "driver-libraries.sh: $name is not here: install the NVIDIA driver (nvidia-smi must work)" >&2
    exit 1
  fi
done

echo "# Written by scripts/driver-libraries.sh: $(find "$folder" -type f | wc -l) libraries."
echo "LEM_COMPOSE_VARIANT=device-nodes"
echo "LEM_DRIVER_LIBRARIES=$(cd "$folder" && pwd)"
