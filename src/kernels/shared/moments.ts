import type { ElementType } from '../../gpu/kernel.ts';
import { keep } from '../../tensor/scope.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/*
 * Moments of a tensor's channels, gathered in blocks of rows: by a pass of their own, or by the kernel that writes the tensor, which
 * spares that pass.
 *
 * x [M, C]: M rows (the product of all axes but the last), C channels. B blocks, of whatever rows the writer likes: each row belongs
 * to exactly one. partial [B, 3, C] is f32:
 *   partial[b, 0, c] = n, the rows of block b: a whole number, the same for all c
 *   partial[b, 1, c] = mean of x[m, c] over them
 *   partial[b, 2, c] = sum of (x[m, c] - mean)^2 over them
 * A block of no rows holds three zeros. Blocks are merged in their order, so a writer's blocks must depend on shapes alone, and each be
 * summed in a fixed order.
 *
 * Squared deviations, not squares: those would cancel. Inside a block by Welford's recurrence (1962) on x less the block's first row,
 * between blocks by the pairwise rule of Chan, Golub and LeVeque (1979):
 *   with d = mean_b - mean_a:  mean = mean_a + d * n_b / n,  squares = squares_a + squares_b + d^2 * n_a * n_b / n
 */

/** How a kernel takes channels: one by one, or, where C is a multiple of 4, by fours. */
export interface Channels {
  readonly byFours: boolean;
}

export const channelsOf = (C: number): Channels => ({ byFours: C % 4 === 0 });

/** Groups of channels: what a kernel counts as `G`. */
export const groupsOf = (C: number): number => (channelsOf(C).byFours ? C / 4 : C);

export const groupType = ({ byFours }: Channels): ElementType => (byFours ? 'vec4f' : 'f32');

/** Rows of a block in this library's own passes: enough blocks to keep a GPU busy, few enough to be merged by one workgroup a group. */
export const blockRowsOf = (M: number): number => 32 * Math.ceil(M / (32 * 1024));

/**
 * WGSL over groups of channels of type `V`: `Moments`; `withRow(own, x)`, the moments with one more row; `merged(a, b)`; and, for a
 * binding `partial` of V and a uniform `G`, `storeMoments` and `loadMoments` of a block's group g.
 */
export const momentsWgsl = ({ byFours }: Channels, { store }: { store: boolean }): string => `
alias V = ${byFours ? 'vec4f' : 'f32'};
struct Moments { rows: f32, mean: V, squares: V }
${
  store
    ? `
fn withRow(own: Moments, x: V) -> Moments {
  let rows = own.rows + 1.0;
  let deviation = x - own.mean;
  let mean = own.mean + deviation * (1.0 / rows);
  return Moments(rows, mean, own.squares + deviation * (x - mean));
}
fn storeMoments(block: u32, g: u32, own: Moments) {
  let at = 3u * block * u.G + g;
  partial[at] = V(own.rows);
  partial[at + u.G] = own.mean;
  partial[at + 2u * u.G] = own.squares;
}`
    : `
fn merged(a: Moments, b: Moments) -> Moments {
  let rows = a.rows + b.rows;
  let share = b.rows / max(rows, 1.0);
  let apart = b.mean - a.mean;
  return Moments(rows, a.mean + apart * share, a.squares + b.squares + apart * apart * (a.rows * share));
}
fn loadMoments(block: u32, g: u32) -> Moments {
  let at = 3u * block * u.G + g;
  return Moments(partial[at]${byFours ? '.x' : ''}, partial[at + u.G], partial[at + 2u * u.G]);
}`
}`;

/** Hands the partial moments of `tensor`'s channels to it: they are freed with this handle. */
export function attachMoments(tensor: Tensor, partial: Tensor): void {
  tensor.moments = keep(partial);
}
