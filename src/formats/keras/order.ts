/** Layers and their calls, values numbered as a `Model`'s. */
export interface Graph<L> {
  readonly inputs: readonly unknown[];
  readonly layers: readonly L[];
  readonly calls: readonly { readonly layer: L; readonly inputs: readonly number[] }[];
  readonly outputs: readonly number[];
}

/**
 * A graph's layers in the order in which Keras lists them, and writes their weights: those first that are farthest from the outputs,
 * by the longest way; of several as far, the one that is met first on the way back from the outputs, each call's inputs in their
 * order (keras/engine/network.py, `_map_graph_network`). A stack's order is its own.
 */
export function kerasOrder<L>({ calls, inputs, outputs, layers }: Graph<L>): L[] {
  const depths = new Map<L, number>();
  const callDepths = calls.map(() => 0);
  for (let i = calls.length - 1; i >= 0; i--) {
    const { layer, inputs: taken } = calls[i];
    const depth = Math.max(callDepths[i], depths.get(layer) ?? 0);
    depths.set(layer, depth);
    for (const value of taken) {
      const from = value - inputs.length;
      if (from >= 0) callDepths[from] = Math.max(callDepths[from], depth + 1);
    }
  }
  const met = new Map<L, number>();
  const seen = new Set<number>();
  const open = [...outputs].reverse();
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (value < inputs.length || seen.has(value)) continue;
    seen.add(value);
    const { layer, inputs: taken } = calls[value - inputs.length];
    if (!met.has(layer)) met.set(layer, met.size);
    open.push(...[...taken].reverse());
  }
  return [...layers].sort((a, b) => depths.get(b)! - depths.get(a)! || met.get(a)! - met.get(b)!);
}
