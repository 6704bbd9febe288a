#!/usr/bin/env bash
# Packs what a bare x86-64 Linux machine with an NVIDIA driver (no Node.js, no Vulkan loader, no network) needs to run the benchmark:
#
#   bench/hardware/pack.sh [FOLDER]      from a clone after `npm ci`, on Debian or Ubuntu; FOLDER: default .gpu-kit
#
# FOLDER and dist/bench-*.js are all that has to travel. There, beside `dist`, as any user:
#
#   bash FOLDER/run.sh node dist/bench-hardware.js --adapter hardware --minutes 8 --out DIR [--tfjs] [--run DIR/run]
#
# (--run DIR/run: the training is kept there, too, so that it can go on in another clone.)
# Says what kit, bundles and the tracked files of the clone weigh in MiB, and fails above 62: machines are lent with 64 for all of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-.gpu-kit}
[ -d node_modules/webgpu/dist/linux-x64 ] || { echo "pack.sh: node_modules/webgpu is missing: npm ci first" >&2; exit 2; }
command -v apt-get >/dev/null || { echo "pack.sh: the Vulkan loader comes from Debian's packages: apt-get is missing" >&2; exit 2; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weft-gpu-kit
mkdir -p "$cache/debs" "$cache/data" "$out"

fetched() { # PACKAGE: the path of its newest version that was downloaded, now or before
  compgen -G "$cache/debs/$1_*.deb" >/dev/null || (cd "$cache/debs" && apt-get download "$1" >&2)
  ls -t "$cache/debs/$1"_*.deb | head -n 1
}

[ -d bench/peers/node_modules ] || npm ci --silent --prefix bench/peers
npx tsup --silent --config bench/hardware/tsup.config.ts

# Node itself, compressed once for each version.
node=$(readlink -f "$(command -v node)")
packed=$cache/node-$(sha256sum "$node" | cut -c1-12).xz
if [ ! -f "$packed" ]; then
  echo "packing Node.js (a minute) ..."
  cp "$node" "$packed.node"
  strip -s "$packed.node" 2>/dev/null || true
  xz -T0 -6 -c "$packed.node" >"$packed.part"
  rm "$packed.node"
  mv "$packed.part" "$packed"
fi
cp "$packed" "$out/node.xz"

# Dawn, for this platform alone.
tar -C node_modules -cf - webgpu/package.json webgpu/index.js webgpu/dist/linux-x64 | xz -T0 -6 >"$out/modules.tar.xz"

# The Vulkan loader, and what NVIDIA's driver asks for even where there is no display.
rm -rf "$cache/libraries"
packages=(libvulkan1 libglvnd0 libegl1 libglx0 libopengl0 libx11-6 libxext6 libxcb1 libxau6 libxdmcp6 libbsd0 libmd0)
for package in "${packages[@]}"; do
  dpkg -x "$(fetched "$package")" "$cache/libraries"
done
find "$cache/libraries" -name 'lib*.so.*' -printf '%f\0' >"$cache/names"
tar -C "$cache/libraries/usr/lib/x86_64-linux-gnu" -cf - --null -T "$cache/names" | xz -6 >"$out/libraries.tar.xz"

# Fashion-MNIST: the four idx files.
if ! ls "$cache/data/train-images-idx3-ubyte.xz" >/dev/null 2>&1; then
  dpkg -x "$(fetched dataset-fashion-mnist)" "$cache/fashion-mnist"
  for file in "$cache"/fashion-mnist/usr/share/datasets/fashion-mnist/*.gz; do
    gzip -dc "$file" | xz -T0 -6 >"$cache/data/$(basename "$file" .gz).xz"
  done
fi
rm -rf "$out/data"
mkdir "$out/data"
cp "$cache"/data/*.xz "$out/data/"
cp bench/hardware/run.sh "$out/run.sh"

bytes() { du -cb "$@" 2>/dev/null | tail -n 1 | cut -f 1; }
kit=$(bytes "$out")
dist=$(bytes dist/bench-*.js)
tree=$(git ls-files -z | xargs -0 cat | wc -c)
mib() { awk "BEGIN { printf \"%.1f\", $1 / 1048576 }"; }
total=$((kit + dist + tree))
echo "kit $(mib "$kit") MiB, bundles $(mib "$dist") MiB, tree $(mib "$tree") MiB: $(mib "$total") MiB together"
[ "$total" -le $((62 * 1048576)) ] || { echo "pack.sh: more than 62 MiB" >&2; exit 1; }
