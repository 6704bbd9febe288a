import { checkFunction } from '../checks.ts';
import { WeftError } from '../errors.ts';
import type { Tensor } from './tensor.ts';

const scopes: Set<Tensor>[] = [];

/** Registers a new tensor with the innermost scope. */
export function adopt<T extends Tensor>(tensor: T): T {
  scopes[scopes.length - 1]?.add(tensor);
  return tensor;
}

/**
 * Runs `fn` and frees every tensor made in it, but for those in what it returns (a tensor, or arrays and plain objects of them),
 * which pass to the scope around it.
 * @throws WeftError when `fn` returns a promise: what it would still make after this call would escape the scope.
 * @example
 * ```ts
 * import { add, mul, scope, tensor } from 'weft-gpu';
 *
 * const x = tensor([1, 2]);
 * const y = scope(() => add(mul(x, 2), 1)); // the product is freed
 * await y.data(); // Float32Array [3, 5]
 * ```
 */
export function scope<T>(fn: () => T): T {
  checkFunction('scope', 'its first argument', fn, '() => relu(x)');
  const made = new Set<Tensor>();
  scopes.push(made);
  let result: T;
  try {
    result = fn();
  } catch (error) {
    scopes.pop();
    for (const tensor of made) tensor.dispose();
    throw error;
  }
  scopes.pop();
  const escaping = new Set<Tensor>();
  if (result instanceof Promise) {
    for (const tensor of made) tensor.dispose();
    result.catch(() => {});
    throw new WeftError(
      'scope() was given a function that returns a promise: read results after the scope, not inside it',
    );
  }
  collect(result, escaping);
  for (const tensor of made) {
    if (escaping.has(tensor)) adopt(tensor);
    else tensor.dispose();
  }
  return result;
}

/**
 * Takes a tensor out of its scope: its owner calls `dispose()`.
 *
 * @example
 * ```ts
 * import { keep, ones, scope } from 'weft-gpu';
 *
 * let kept = ones([1]);
 * scope(() => {
 *   kept = keep(ones([2]));
 * });
 * console.log(kept.disposed); // false
 * ```
 */
export function keep<T extends Tensor>(tensor: T): T {
  for (const made of scopes) made.delete(tensor);
  return tensor;
}

/** The tensors in a value: itself, or the elements of arrays and plain objects. */
export function collect(value: unknown, found: Set<Tensor>): void {
  mapTensors(value, (tensor) => {
    found.add(tensor);
    return tensor;
  });
}

/** A value like `value` with each of its tensors (itself, or the elements of arrays and plain objects) replaced. */
export function mapTensors<T>(value: T, replace: (tensor: Tensor) => Tensor): T {
  const walk = (part: unknown): unknown => {
    if (part === null || typeof part !== 'object') return part;
    if ('storage' in part && 'dtype' in part) return replace(part as Tensor);
    if (Array.isArray(part)) return part.map(walk);
    if (Object.getPrototypeOf(part) === Object.prototype)
      return Object.fromEntries(Object.entries(part).map(([key, element]) => [key, walk(element)]));
    return part;
  };
  return walk(value) as T;
}
