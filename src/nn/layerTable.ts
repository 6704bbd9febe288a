import { type Shape, showShape } from '../tensor/shape.ts';
import { showActivation } from './activations.ts';
import type { Layer } from './layer.ts';
import type { Model } from './model.ts';
import type { Parameter } from './parameter.ts';

/** A model's layers in words, a row for each call. */
export interface LayerTable {
  /** Layer with activation, output shape with N for the batch, parameters (`shared` after the first call), layers that it takes from. */
  readonly rows: readonly (readonly [layer: string, output: string, parameters: string, from: string])[];
  /** Whether each layer takes what the one before it gives. */
  readonly isChain: boolean;
  /** Numbers of weights: all, and those that training changes. */
  readonly parameters: number;
  readonly trainable: number;
}

export function layerTable(model: Model): LayerTable {
  const { calls, inputs } = model;
  const nameOf = (value: number) =>
    value < inputs.length ? inputs[value].name : calls[value - inputs.length].layer.name;
  const counted = new Set<Layer>();
  const rows = calls.map(({ layer, inputs: taken, outputShape }) => {
    const activation = layer.activation === 'linear' ? '' : ` (${showActivation(layer.activation)})`;
    const frozen = layer.trainable || layer.parameters.length === 0 ? '' : ' frozen';
    const isFirst = !counted.has(layer);
    counted.add(layer);
    return [
      `${layer.name}${activation}${frozen}`,
      showShape(['N', ...outputShape] as unknown as Shape),
      isFirst ? count(layer.parameters).toLocaleString('en-US') : 'shared',
      taken.map(nameOf).join(', '),
    ] as const;
  });
  return {
    rows,
    isChain: calls.every((call, i) => call.inputs.length === 1 && call.inputs[0] === i),
    parameters: count(model.parameters),
    trainable: count(model.trainableParameters),
  };
}

const count = (parameters: readonly Parameter[]): number =>
  parameters.reduce((total, { size }) => total + size, 0);
