/** jax-js' WebGPU backend as a peer: one convolution and its two gradients, compiled by its `jit`. */
import { readFileSync } from 'node:fs';
import { provideDawn } from './dawn.mjs';

/** Tensors of four axes have this order here, and the one below at Weft: the axes are exchanged outside what is measured. */
const TO_NCHW = [0, 3, 1, 2];
const TO_NHWC = [0, 2, 3, 1];
const TO_OIHW = [3, 2, 0, 1];
const TO_HWIO = [2, 3, 1, 0];

/** The elements of a row-major array with its axes in another order. */
function permute({ shape, data }, order) {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const [A, B, C, D] = order.map((axis) => shape[axis]);
  const [a, b, c, d] = order.map((axis) => strides[axis]);
  const permuted = new Float32Array(data.length);
  let at = 0;
  for (let i = 0; i < A; i++)
    for (let j = 0; j < B; j++)
      for (let k = 0; k < C; k++)
        for (let l = 0; l < D; l++) permuted[at++] = data[i * a + j * b + k * c + l * d];
  return { shape: [A, B, C, D], data: permuted };
}

/** @returns the peer's operations; each resolves when the GPU is done */
export async function open({ x, w, dy }) {
  const adapter = await provideDawn();
  const { init, defaultDevice, jit, vjp, lax, numpy } = await import('@jax-js/jax');
  const devices = await init('webgpu');
  if (!devices.includes('webgpu')) throw new Error(`jax-js offers ${devices.join(', ')}, no webgpu`);
  defaultDevice('webgpu');
  const upload = (values, order) => {
    const { shape, data } = permute(values, order);
    return numpy.array(data, { shape });
  };
  const operands = { x: upload(x, TO_NCHW), w: upload(w, TO_OIHW), dy: upload(dy, TO_NCHW) };
  const convolve = (x, w) => lax.convGeneralDilated(x, w, [1, 1], 'SAME');
  /** The gradient for one operand only; `jit` leaves out the convolution itself, whose output nobody uses. */
  const pullBack = (f, operand, dy) => {
    const [y, pull] = vjp(f, [operand]);
    y.dispose();
    const [gradient] = pull(dy);
    pull.dispose();
    return gradient;
  };
  const passes = {
    forward: [jit(convolve), ['x', 'w'], TO_NHWC],
    inputGradient: [jit((w, dy, x) => pullBack((x) => convolve(x, w), x, dy)), ['w', 'dy', 'x'], TO_NHWC],
    filterGradient: [jit((x, dy, w) => pullBack((w) => convolve(x, w), w, dy)), ['x', 'dy', 'w'], TO_HWIO],
  };
  const run = async (pass) => {
    const [compiled, names] = passes[pass];
    const result = compiled(...names.map((name) => operands[name].ref));
    await result.blockUntilReady();
    return result;
  };
  const { version } = JSON.parse(
    readFileSync(new URL('node_modules/@jax-js/jax/package.json', import.meta.url), 'utf8'),
  );
  return {
    about: { name: `jax-js ${version} WebGPU`, adapter },
    async run(pass) {
      (await run(pass)).dispose();
    },
    /** The result of a pass, in Weft's order of axes. */
    async read(pass) {
      const result = await run(pass);
      const { shape } = result;
      return permute({ shape, data: await result.data() }, passes[pass][2]).data;
    },
  };
}
