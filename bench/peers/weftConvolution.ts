/** Weft as one side of the comparison, on one convolution and its two gradients. */
import {
  conv2d,
  defineOp,
  gradients,
  init,
  noGrad,
  record,
  type Tensor,
  tensor,
  tune,
  variable,
} from '../../src/index.ts';
import { fileChoices } from '../../src/node/choices.ts';
import '../../src/node/provideDawn.ts';

interface Values {
  shape: number[];
  data: Float32Array;
}

export type Pass = 'forward' | 'inputGradient' | 'filterGradient';

/** Weft's passes; each resolves when the GPU is done. */
export async function open(fixture: Record<'x' | 'w' | 'dy', Values>) {
  const gpu = await init();
  const [x, w, dy] = [fixture.x, fixture.w, fixture.dy].map(({ data, shape }) => tensor(data, shape));
  const convolve = (x: Tensor, w: Tensor) => conv2d(x, w, undefined, { padding: 'same' });
  /** A loss whose gradient for y is dy, as of sum(y * dy), at no cost. */
  const pullBack = defineOp({
    name: 'pull-back',
    shape: () => [1],
    forward: () => {},
    backward: () => [dy.alias()],
  });
  /** The forward pass runs here and now, so that the recorded step holds the gradient alone. */
  const gradientOf = (target: Tensor, y: Tensor) => {
    const loss = pullBack([y], undefined);
    return record(() => gradients(loss, [target])[0]);
  };
  const [xVariable, wVariable] = [variable(x), variable(w)];
  const all = () => gradients(pullBack([convolve(xVariable, wVariable)], undefined), [xVariable, wVariable]);
  await tune(all, { store: fileChoices() });
  const passes: Record<Pass, () => Promise<Tensor>> = {
    forward: record(() => noGrad(() => convolve(x, w))),
    inputGradient: gradientOf(xVariable, convolve(xVariable, w)),
    filterGradient: gradientOf(wVariable, convolve(x, wVariable)),
  };
  return {
    about: { name: 'Weft', adapter: gpu.adapterName },
    async run(pass: Pass) {
      await passes[pass]();
      await gpu.sync();
    },
    read: async (pass: Pass) => (await passes[pass]()).data(),
  };
}
