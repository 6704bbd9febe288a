/** An adapter's name as it stands in the names of result files: `NVIDIA H200` is `nvidia-h200`. */
export const slugOf = (adapter) =>
  adapter
    .split(/[:(]/)[0]
    .trim()
    .toLowerCase()
    .replace('llvmpipe', 'lavapipe')
    .replaceAll(/[^a-z0-9]+/g, '-');
