import { type Kernel, type KernelSpec, kernel } from '../gpu/kernel.ts';
import { launch, type Part } from './launch.ts';
import type { Tensor } from './tensor.ts';

/*
 * Kernels that do the same to every element take blocks of four neighbours, and an invocation takes several blocks: a software adapter
 * pays more for an invocation than for a sum, and a hardware one loads 16 bytes at a time.
 */

const LANES = 64;
/** Blocks that an invocation takes, one after the other; neighbouring lanes take neighbouring blocks. */
const TURNS = 2;

/** Items that a workgroup takes in its turns. */
export const ITEMS_A_WORKGROUP = LANES * TURNS;

/** What runs in turns: the lanes of its workgroup, and a body that may return where `item` is past the end. */
export const inTurns = (body: string): Pick<KernelSpec, 'lanes' | 'body'> => ({
  lanes: LANES,
  body: `
    for (var turn = 0u; turn < ${TURNS}u; turn++) {
      let item = (${TURNS}u * workgroup + turn) * ${LANES}u + lane;
      ${body}
    }`,
});

/** Workgroups of a kernel in turns for a number of items. */
export const turnsOf = (items: number): number => Math.ceil(items / ITEMS_A_WORKGROUP);

/** A kernel whose body runs for every block: `item` is its index in the operands, which are arrays of `vec4f` or `vec4u`. */
export const blockKernel = (spec: Omit<KernelSpec, 'lanes'>): Kernel =>
  kernel({ ...spec, ...inTurns(`if (item >= u.items) { return; }\n${spec.body}`) });

/** Blocks of a tensor. The last may reach past its elements: a tensor's memory is a multiple of 256 bytes. */
export const blocksOf = (tensor: Tensor): number => Math.ceil(tensor.size / 4);

/** Binds to each chunk of a split launch over blocks its own ones. */
export const splitBlocks = (tensor: Tensor): Part => ({
  tensor,
  perItem: 4,
  offset: 0,
  length: 4 * blocksOf(tensor),
});

/** Issues a kernel over blocks for tensors of as many elements each; a `Part` is bound as it is. */
export function launchBlocks(
  kernel: Kernel,
  operands: Readonly<Record<string, Tensor | Part>>,
  uniforms: Record<string, number> = {},
): void {
  const parts = Object.entries(operands).map(
    ([name, operand]) => [name, 'tensor' in operand ? operand : splitBlocks(operand)] as const,
  );
  const items = Math.max(...parts.map(([, { length, perItem }]) => (perItem > 0 ? length / perItem : 0)));
  launch(kernel, Object.fromEntries(parts), { items, uniforms, workgroups: turnsOf });
}
