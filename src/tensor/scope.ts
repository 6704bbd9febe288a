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
 */
export function scope<T>(fn: () => T): T {
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
    throw new WeftError('scope() was given a function that returns a promise: read results after the scope, not inside it');
  }
  collect(result, escaping);
  for (const tensor of made) {
    if (escaping.has(tensor)) adopt(tensor);
    else tensor.dispose();
  }
  return result;
}

/** Takes a tensor out of its scope: its owner calls `dispose()`. */
export function keep<T extends Tensor>(tensor: T): T {
  for (const made of scopes) made.delete(tensor);
  return tensor;
}

/** The tensors in a value: itself, or the elements of arrays and plain objects. */
export function collect(value: unknown, found: Set<Tensor>): void {
  if (value === null || typeof value !== 'object') return;
  if ('storage' in value && 'dtype' in value) found.add(value as Tensor);
  else if (Array.isArray(value)) for (const element of value) collect(element, found);
  else if (Object.getPrototypeOf(value) === Object.prototype) for (const element of Object.values(value)) collect(element, found);
}
