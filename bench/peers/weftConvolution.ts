/** Weft as one side of the comparison, on one convolution and its two gradients. */
import {
  conv2d,
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
import { pullBack } from './pullBack.ts';

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
  const lossOf = pullBack(() => dy);
  /** The forward pass runs here and now, so that the recorded step holds the gradient alone. */
  const gradientOf = (target: Tensor, y: Tensor) => {
    const loss = lossOf(y);
    return record(() => gradients(loss, [target])[0]);
  };
  const [xVariable, wVariable] = [variable(x), variable(w)];
  const all = () => gradients(lossOf(convolve(xVariable, wVariable)), [xVariable, wVariable]);
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
