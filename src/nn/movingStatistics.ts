import { keepWeights, restoreWeights } from '../kernels/weightCopies.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import type { Parameter } from './parameter.ts';
import { layOut } from './slots.ts';

/**
 * Copies what a forward pass changes beside the weights, the moving statistics of batch-norm, before it is known whether the pass is
 * any good. Temporaries of the step that calls it.
 *
 * @returns puts the copies back where `halt` (u32 [1]) isn't 0
 */
export function keepStatistics(parameters: readonly Parameter[]): (halt: Tensor) => void {
  const segments = layOut(parameters, ['kept'], (size) => empty([size]));
  const updates = [...segments].map(([parameter, segment]) => ({ parameter: parameter.tensor, ...segment }));
  keepWeights(updates);
  return (halt) => restoreWeights(updates, halt);
}
