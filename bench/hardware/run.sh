#!/usr/bin/env bash
# Unpacks the kit beside it (see bench/hardware/pack.sh) and runs a command with it:
#
#   bash FOLDER/run.sh node dist/bench-hardware.js ...
#
# The command finds `node`, Dawn (linked as ./node_modules where there is none), a Vulkan loader, NVIDIA's driver and Fashion-MNIST. Needs
# neither root nor a network, but xz or python3. Everything goes to $WEFT_KIT, by default /tmp/weft-gpu-kit, and is unpacked once.
set -euo pipefail
[ $# -gt 0 ] || { echo "run.sh: which command?" >&2; exit 2; }
kit=$(cd "$(dirname "$0")" && pwd)
to=${WEFT_KIT:-/tmp/weft-gpu-kit}-$(cat "$kit"/*.xz | sha256sum | cut -c1-12)
unxz_to() { # FROM TO
  if command -v xz >/dev/null; then xz -dc "$1" >"$2"; else
    python3 -c 'import lzma, shutil, sys; shutil.copyfileobj(lzma.open(sys.argv[1]), open(sys.argv[2], "wb"))' "$1" "$2"
  fi
}
if [ ! -d "$to" ]; then
  # In its place only when all of it is there.
  part=$to.$$
  mkdir -p "$part/bin" "$part/node_modules" "$part/packed" "$part/libraries" "$part/data"
  unxz_to "$kit/node.xz" "$part/bin/node"
  chmod +x "$part/bin/node"
  unxz_to "$kit/modules.tar.xz" "$part/modules.tar"
  tar -C "$part/node_modules" -xf "$part/modules.tar"
  unxz_to "$kit/libraries.tar.xz" "$part/libraries.tar"
  tar -C "$part/packed" -xf "$part/libraries.tar"
  for file in "$kit"/data/*.xz; do
    unxz_to "$file" "$part/data/$(basename "$file" .xz)"
    gzip -1 "$part/data/$(basename "$file" .xz)"
  done
  # Libraries that the machine has stay its own.
  known=$(ldconfig -p 2>/dev/null || /sbin/ldconfig -p || true)
  for library in "$part"/packed/*; do
    case $known in *"$(basename "$library")"*) ;; *) mv "$library" "$part/libraries/" ;; esac
  done
  rm -r "$part/modules.tar" "$part/libraries.tar" "$part/packed"
  # Another one may have been faster.
  mv -T "$part" "$to" 2>/dev/null || rm -rf "$part"
fi
for icd in /usr/local/nvidia/share/vulkan/icd.d /usr/share/vulkan/icd.d /etc/vulkan/icd.d; do
  if [ -f "$icd/nvidia_icd.json" ]; then export VK_DRIVER_FILES=${VK_DRIVER_FILES:-$icd/nvidia_icd.json}; fi
done
egl=/usr/local/nvidia/share/glvnd/egl_vendor.d/10_nvidia.json
if [ -f "$egl" ]; then export __EGL_VENDOR_LIBRARY_FILENAMES=${__EGL_VENDOR_LIBRARY_FILENAMES:-$egl}; fi
[ -e node_modules ] || ln -sfn "$to/node_modules" node_modules
export PATH="$to/bin:$PATH"
# The machine's own libraries come first, wherever it says that they are.
libraries=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}
for folder in /usr/local/nvidia/lib64 /usr/local/nvidia/lib; do
  if [ -d "$folder" ]; then libraries=$libraries$folder:; fi
done
export LD_LIBRARY_PATH="$libraries$to/libraries"
# Nothing is to be fetched in a GPU's minutes.
export WEFT_OFFLINE=${WEFT_OFFLINE:-1}
export FASHION_MNIST_DIR=${FASHION_MNIST_DIR:-$to/data}
exec "$@"
