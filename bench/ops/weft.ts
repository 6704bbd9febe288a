/** Weft as one side of the comparison, on one case at a time. */
import {
  gradients,
  init,
  noGrad,
  type Recorded,
  record,
  scope,
  type Tensor,
  type TypedArray,
  tensor,
  tune,
  variable,
} from '../../src/index.ts';
import { fileChoices } from '../../src/node/choices.ts';
import '../../src/node/provideDawn.ts';
import { pullBack } from '../peers/pullBack.ts';
import { type Attributes, constants, ops, type Tensors } from './weftOps.ts';

interface Values {
  shape: number[];
  data: TypedArray;
}

interface Given {
  op: string;
  inputs: Record<string, Values>;
  attributes: Attributes;
}

/** What is run: the op itself, or the gradient of an input. */
interface Pass {
  gradientOf?: string;
}

const toTensor = ({ data, shape }: Values) => tensor(data, shape);

/** Weft's calls; each resolves when the GPU is done. */
export async function open() {
  const gpu = await init();
  let given: Given;
  let inputs: Tensors = {};
  let cotangent: Tensor | undefined;
  let held: { key: string; step: Recorded<[], Tensor> } | undefined;

  const lossOf = pullBack(() => cotangent!);
  const call = ({ gradientOf }: Pass): Tensor => {
    const { op, attributes } = given;
    if (gradientOf === undefined) return noGrad(() => ops[op](inputs, attributes));
    const target = variable(inputs[gradientOf]);
    const y = ops[op]({ ...inputs, [gradientOf]: target }, attributes);
    const [gradient] = gradients(lossOf(y), [target]);
    target.dispose();
    return gradient;
  };
  /** A step of so many calls, as one of training has many. */
  const stepOf = async (pass: Pass, times: number) => {
    const key = `${pass.gradientOf} ${times}`;
    if (held?.key === key) return held.step;
    held?.step.dispose();
    const step = record(() => {
      for (let i = 1; i < times; i++) scope(() => void call(pass));
      return scope(() => call(pass));
    });
    held = { key, step };
    await step.prepare();
    return step;
  };
  return {
    about: { name: 'Weft', adapter: gpu.adapterName },
    /** Makes a case's tensors. */
    prepare(next: Given) {
      held?.step.dispose();
      held = undefined;
      for (const tensor of [...Object.values(inputs), cotangent]) tensor?.dispose();
      cotangent = undefined;
      given = next;
      inputs = Object.fromEntries(
        Object.entries(given.inputs).map(([name, values]) => [name, toTensor(values)]),
      );
      inputs = { ...inputs, ...constants[given.op]?.(given.attributes) };
    },
    setCotangent(values: Values) {
      cotangent?.dispose();
      cotangent = toTensor(values);
    },
    /** What a pass gives. */
    async values(pass: Pass): Promise<Values> {
      await tune(() => call(pass), { store: fileChoices() });
      const y = await (await stepOf(pass, 1))();
      const values = { shape: [...y.shape], data: await y.data() };
      y.dispose();
      return values;
    },
    /** Milliseconds that so many calls take. */
    async time({ times, ...pass }: Pass & { times: number }): Promise<number> {
      const step = await stepOf(pass, times);
      const start = performance.now();
      const y = await step();
      await gpu.sync();
      const ms = performance.now() - start;
      y.dispose();
      return ms;
    },
  };
}
