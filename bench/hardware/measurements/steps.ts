import { v5 } from '../../../src/experiments/czerny/v5.ts';
import { type Rehearsal, rehearsalOnNoise } from '../../../src/experiments/measure.ts';
import type { Gpu } from '../../../src/gpu/gpu.ts';
import { close } from '../../../src/tensor/device.ts';
import { byOp, type ProfiledOp } from '../../../src/tensor/profile.ts';
import { type Recorded, record } from '../../../src/tensor/record.ts';
import { type Tensor, tensor } from '../../../src/tensor/tensor.ts';
import { median } from '../../shared/statistics.mjs';
import type { RunContext } from '../context.ts';
import { openDevice } from '../device.ts';
import { type Pace, paceOf } from '../pace.ts';
import { tuneWithin } from '../tuning.ts';

/** What a step of v5 on so many images costs. Steps follow each other; where they predict, each batch's answers are read. */
interface StepRow extends Pace {
  readonly batch: number;
  /** The sum over a step's dispatches, each timed by itself on `clock`; null where there was no time. */
  gpuMs: number | null;
  readonly clock: 'gpu' | 'cpu';
  /** What the main thread takes to encode and submit a step. */
  readonly cpuMs: number;
  /** GPU memory in use: what the step shares among its temporaries, and weights, the optimizer's state and the images. */
  readonly memoryMiB: number;
}

/** What each op and pass of a step takes. */
interface StepProfile {
  readonly step: Kind;
  readonly batch: number;
  readonly dispatches: number;
  readonly ops: readonly ProfiledOp[];
}

type Kind = 'training' | 'inference';

/** In order of worth. */
const STEPS: readonly [Kind, batch: number][] = [
  ['training', 64],
  ['training', 512],
  ['inference', 512],
  ['inference', 1],
  ['training', 2048],
  ['training', 128],
];
const CPU_SAMPLES = { most: 7, seconds: 1 };

/** Steps of v5 by its recipe, from images on the GPU, at several batch sizes. */
export async function steps(context: RunContext): Promise<void> {
  const gpu = await openDevice(context);
  const rehearsal = rehearsalOnNoise(v5, 2048);
  await chooseKernels(context, rehearsal);
  const rows: Record<Kind, StepRow[]> = { training: [], inference: [] };
  const profiles: StepProfile[] = [];
  for (const [kind, batch] of STEPS) {
    if (context.secondsLeft < 0) {
      context.cut();
      break;
    }
    const indices = tensor(Uint32Array.from({ length: batch }, (_, i) => i));
    const step = record((indices: Tensor) =>
      kind === 'training' ? rehearsal.train(indices) : rehearsal.predict(indices),
    );
    const timed = await timeSteps(gpu, step, indices, kind, context);
    const row: StepRow = {
      batch,
      ...timed,
      memoryMiB: memoryOf(gpu, step) / 2 ** 20,
      gpuMs: null,
      clock: gpu.clock,
    };
    rows[kind].push(row);
    context.set({ ...rows, profiles });
    if (context.secondsLeft > 0) {
      const { dispatches } = await step.profile(indices);
      row.gpuMs = dispatches.reduce((total, { ms }) => total + ms, 0);
      profiles.push({ step: kind, batch, dispatches: dispatches.length, ops: byOp(dispatches) });
      context.set({ ...rows, profiles });
    } else context.cut();
    step.dispose();
    indices.dispose();
  }
  close();
}

/** Takes what was decided for this adapter before; what wasn't is timed where there is time. */
async function chooseKernels(context: RunContext, rehearsal: Rehearsal): Promise<void> {
  await tuneWithin(context.secondsLeft / 2, () => {
    for (const [kind, batch] of STEPS) {
      const indices = tensor(new Uint32Array(batch));
      if (kind === 'training') rehearsal.train(indices);
      else rehearsal.predict(indices);
    }
  });
}

const memoryOf = ({ pool }: Gpu, { memory: { arenas } }: Recorded<[Tensor], Tensor>): number =>
  arenas.reduce((total, bytes) => total + bytes, pool.liveBytes);

async function timeSteps(
  gpu: Gpu,
  step: Recorded<[Tensor], Tensor>,
  indices: Tensor,
  kind: Kind,
  context: RunContext,
): Promise<Pace & Pick<StepRow, 'cpuMs'>> {
  const once = async () => {
    const result = await step(indices);
    if (kind === 'inference') await result.data();
    result.dispose();
  };
  const pace = await paceOf(context, indices.size, once, () => gpu.sync());
  const issuing: number[] = [];
  const { most, seconds: enough } = CPU_SAMPLES;
  const begin = performance.now();
  while (issuing.length === 0 || (issuing.length < most && performance.now() - begin < 1000 * enough)) {
    // With nothing under way, the call waits for nothing.
    const issued = performance.now();
    const result = await step(indices);
    issuing.push(performance.now() - issued);
    result.dispose();
    await gpu.sync();
  }
  return { ...pace, cpuMs: median(issuing) };
}
