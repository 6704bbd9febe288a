import type { Gpu } from '../../../src/gpu/gpu.ts';
import { kernel, kernelFamily } from '../../../src/gpu/kernel.ts';
import { zeros } from '../../../src/tensor/create.ts';
import { close } from '../../../src/tensor/device.ts';
import { launch, split } from '../../../src/tensor/launch.ts';
import { record } from '../../../src/tensor/record.ts';
import { empty, type Tensor, tensor } from '../../../src/tensor/tensor.ts';
import { median } from '../../shared/statistics.mjs';
import type { RunContext } from '../context.ts';
import { openDevice } from '../device.ts';

/** The most that the adapter does of one thing alone. */
export interface Ceilings {
  /** Float32 multiply-adds in registers, two operations each, in 1e12 operations a second. */
  teraflops: number | null;
  /** Copying between buffers by a kernel, bytes read and written, in 1e9 bytes a second. */
  copyGBps: number | null;
  /** Reading workgroup memory, in 1e9 bytes a second over all workgroups. */
  workgroupGBps: number | null;
  /** One of 1,000 dispatches, each of which needs what the one before wrote; while they run, the CPU encodes the next thousand. */
  dispatchMicroseconds: number | null;
  /** What the CPU takes to encode and submit one of those. */
  encodeMicroseconds: number | null;
  /** From asking for four bytes that a kernel just wrote to having them. */
  readBackMicroseconds: number | null;
  /** Reading a large buffer back, into an array of its own, in 1e9 bytes a second. */
  readBackGBps: number | null;
  /** Writing a large buffer, until a kernel could read it, in 1e9 bytes a second. */
  uploadGBps: number | null;
}

const LANES = 256;
const DISPATCHES = 1000;
/** Samples take about this long, and the fastest of these many counts: a ceiling is what there is at best. */
const SAMPLE_MS = 30;
const SAMPLES = 5;

/** Independent multiply-adds that an invocation has under way, in vectors of four. */
const CHAINS = [4, 8, 16] as const;
const UNROLLED = 4;

const multiplyAdds = kernelFamily(({ chains }: { chains: number }) => {
  const each = (line: (i: number) => string) => Array.from({ length: chains }, (_, i) => line(i)).join('\n');
  return {
    name: `multiply-adds-${chains}`,
    lanes: LANES,
    read: { x: 'vec4f' },
    write: { y: 'vec4f' },
    uniforms: { turns: 'u32' },
    body: `
      // Read from memory, so that nothing can be computed ahead.
      let factor = x[lane & 3u];
      let term = x[4u + (lane & 3u)];
      ${each((i) => `var s${i} = vec4f(f32(lane + ${i}u));`)}
      for (var turn = 0u; turn < u.turns; turn++) {
        ${Array.from({ length: UNROLLED }, () => each((i) => `s${i} = fma(s${i}, factor, term);`)).join('\n')}
      }
      y[item] = ${Array.from({ length: chains }, (_, i) => `s${i}`).join(' + ')};`,
  } as const;
});

const copyKernel = kernel({
  name: 'copy',
  lanes: LANES,
  read: { x: 'vec4f' },
  write: { y: 'vec4f' },
  body: 'if (item < u.items) { y[item] = x[item]; }',
});

/** Vectors in workgroup memory: the 16 KiB that every adapter has. */
const SHARED = 1024;
const LOADS = 8;
const workgroupKernel = kernel({
  name: 'workgroup-memory',
  lanes: LANES,
  read: { x: 'vec4f' },
  write: { y: 'vec4f' },
  uniforms: { turns: 'u32' },
  declarations: `var<workgroup> shared_: array<vec4f, ${SHARED}>;`,
  body: `
    for (var i = lane; i < ${SHARED}u; i += ${LANES}u) { shared_[i] = x[i & 7u]; }
    workgroupBarrier();
    ${Array.from({ length: LOADS }, (_, i) => `var s${i} = vec4f();`).join('\n')}
    for (var turn = 0u; turn < u.turns; turn++) {
      // Neighbours read neighbours; another place each turn, so that nothing stays in registers.
      let at = (lane + turn * 32u) & ${SHARED / 2 - 1}u;
      ${Array.from({ length: LOADS }, (_, i) => `s${i} += shared_[at + ${i * 64}u];`).join('\n')}
    }
    y[item] = ${Array.from({ length: LOADS }, (_, i) => `s${i}`).join(' + ')};`,
});

const dependent = kernel({
  name: 'dependent',
  lanes: 1,
  write: { y: 'u32' },
  body: 'y[0] += 1u;',
});

/** The shortest of several waits for what `issue` issues, or for what it promises. */
async function fastestMs(gpu: Gpu, issue: () => unknown): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < SAMPLES; i++) {
    const start = performance.now();
    await issue();
    await gpu.sync();
    fastest = Math.min(fastest, performance.now() - start);
  }
  return fastest;
}

/** Work done per millisecond, measured with enough of it to fill a sample. @param issue issues so many turns of the work */
async function ratePerMs(gpu: Gpu, workOfOne: number, issue: (turns: number) => void): Promise<number> {
  issue(1);
  await gpu.sync();
  let turns = 8;
  for (;;) {
    const ms = await fastestMs(gpu, () => issue(turns));
    if (ms >= SAMPLE_MS / 2) return (workOfOne * turns) / ms;
    turns = Math.ceil(turns * Math.min(16, SAMPLE_MS / ms));
  }
}

/** Measures the adapter's ceilings, with or without Dawn's bounds checks. */
export async function ceilings(context: RunContext, field: 'checked' | 'unchecked'): Promise<void> {
  const gpu = await openDevice(context, field === 'unchecked' ? ['disable_robustness'] : []);
  const found: Ceilings = {
    teraflops: null,
    copyGBps: null,
    workgroupGBps: null,
    dispatchMicroseconds: null,
    encodeMicroseconds: null,
    readBackMicroseconds: null,
    readBackGBps: null,
    uploadGBps: null,
  };
  const measures = [
    teraflops,
    copyGBps,
    dispatches,
    workgroupGBps,
    readBackMicroseconds,
    readBackGBps,
    uploadGBps,
  ];
  for (const measure of measures) {
    if (context.secondsLeft < 0) {
      context.cut();
      break;
    }
    Object.assign(found, await measure(gpu));
    context.set({ [field]: found });
  }
  close();
}

/** Invocations that keep the adapter busy: many for a GPU's thousands of lanes, few for a software adapter. */
const invocations = ({ isSoftware }: Gpu) => LANES * (isSoftware ? 64 : 32_768);
/** Elements of a large tensor: more than any cache holds. */
const largeSize = ({ isSoftware, limits }: Gpu) =>
  Math.min(isSoftware ? 2 ** 24 : 2 ** 26, limits.maxBufferSize / 4);
/** Values that stay near 2 when they are multiplied by the first and the second is added. */
const operands = () => tensor([...new Array(16).fill(0.5), ...new Array(16).fill(1)]);

async function teraflops(gpu: Gpu): Promise<Partial<Ceilings>> {
  const items = invocations(gpu);
  const [x, y] = [operands(), empty([4 * items])];
  let most = 0;
  for (const chains of CHAINS) {
    const flops = items * chains * UNROLLED * 4 * 2;
    const rate = await ratePerMs(gpu, flops, (turns) =>
      launch(multiplyAdds({ chains }), { x, y }, { items, uniforms: { turns } }),
    );
    most = Math.max(most, rate);
  }
  for (const used of [x, y]) used.dispose();
  return { teraflops: most / 1e9 };
}

async function workgroupGBps(gpu: Gpu): Promise<Partial<Ceilings>> {
  const items = invocations(gpu);
  const [x, y] = [operands(), empty([4 * items])];
  const rate = await ratePerMs(gpu, items * LOADS * 16, (turns) =>
    launch(workgroupKernel, { x, y }, { items, uniforms: { turns } }),
  );
  for (const used of [x, y]) used.dispose();
  return { workgroupGBps: rate / 1e6 };
}

async function copyGBps(gpu: Gpu): Promise<Partial<Ceilings>> {
  const size = largeSize(gpu);
  const [x, y] = [empty([size]), empty([size])];
  const rate = await ratePerMs(gpu, 2 * 4 * size, (turns) => {
    for (let i = 0; i < turns; i++)
      launch(copyKernel, { x: split(x, 4), y: split(y, 4) }, { items: size / 4 });
  });
  for (const used of [x, y]) used.dispose();
  return { copyGBps: rate / 1e6 };
}

async function dispatches(gpu: Gpu): Promise<Partial<Ceilings>> {
  const y = zeros([1], 'u32');
  const step = record(() => {
    for (let i = 0; i < DISPATCHES; i++) launch(dependent, { y }, { items: 1 });
  });
  await step();
  await gpu.sync();
  const replays = 5;
  const ms = await fastestMs(gpu, async () => {
    for (let i = 0; i < replays; i++) await step();
  });
  // With nothing under way, the call waits for nothing.
  const start = performance.now();
  await step();
  const encoding = performance.now() - start;
  await gpu.sync();
  step.dispose();
  y.dispose();
  return {
    dispatchMicroseconds: (1000 * ms) / replays / DISPATCHES,
    encodeMicroseconds: (1000 * encoding) / DISPATCHES,
  };
}

async function readBackMicroseconds(): Promise<Partial<Ceilings>> {
  const y = zeros([1], 'u32');
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    launch(dependent, { y }, { items: 1 });
    const start = performance.now();
    await y.data();
    times.push(performance.now() - start);
  }
  y.dispose();
  return { readBackMicroseconds: 1000 * median(times) };
}

async function readBackGBps(gpu: Gpu): Promise<Partial<Ceilings>> {
  const x = zeros([largeSize(gpu)]);
  await x.data();
  const ms = await fastestMs(gpu, () => x.data());
  const rate = (4 * x.size) / ms;
  x.dispose();
  return { readBackGBps: rate / 1e6 };
}

async function uploadGBps(gpu: Gpu): Promise<Partial<Ceilings>> {
  const values = new Float32Array(largeSize(gpu)).fill(1);
  let made: Tensor | undefined;
  const ms = await fastestMs(gpu, () => {
    made?.dispose();
    made = tensor(values);
  });
  made?.dispose();
  return { uploadGBps: (4 * values.length) / ms / 1e6 };
}
