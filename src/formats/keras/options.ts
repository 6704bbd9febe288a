import { WeftError } from '../../errors.ts';

/** A layer as Keras' model_config has it. */
export interface KerasLayerConfig {
  readonly class_name: string;
  readonly config: Record<string, unknown>;
  /** Of a functional model's layer: the calls of it, and what each takes. */
  readonly inbound_nodes?: unknown;
  /** Of a convolution: those that a layer before it puts around the image; see `padding.ts`. */
  readonly zeros?: Zeros;
}

/** Rows and columns of zeros around an image. */
export type Zeros = readonly [rows: readonly [number, number], columns: readonly [number, number]];

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The options of one layer of a Keras file, read one by one with their defaults. What a layer here can't do is an error. */
export class KerasOptions {
  readonly name: string;
  /** `Conv2D 'conv2d_1'`, for error messages. */
  readonly where: string;

  constructor(
    className: string,
    private readonly config: Record<string, unknown>,
    private readonly onNote: (note: string) => void,
    readonly zeros?: Zeros,
  ) {
    this.name = String(config.name);
    this.where = `${className} '${this.name}'`;
  }

  fail(key: string, known: string): never {
    const value = JSON.stringify(this.config[key]) ?? 'none';
    throw new WeftError(
      `Keras layer ${this.where}: ${key} is ${value.slice(0, 200)}; this version knows ${known}`,
    );
  }

  note(text: string): void {
    this.onNote(`Keras layer ${this.where}: ${text}`);
  }

  get(key: string): unknown {
    return this.config[key];
  }

  /** @throws WeftError unless the option is absent, null or one of these values */
  only(key: string, ...known: unknown[]): void {
    const value = this.config[key];
    const isKnown = known.some((one) => JSON.stringify(one) === JSON.stringify(value));
    if (value !== undefined && value !== null && !isKnown)
      this.fail(key, known.map((one) => JSON.stringify(one)).join(' or '));
  }

  number(key: string, otherwise?: number): number {
    const value = this.config[key] ?? otherwise;
    return typeof value === 'number' && Number.isFinite(value) ? value : this.fail(key, 'numbers');
  }

  whole(key: string, otherwise?: number): number {
    const value = this.number(key, otherwise);
    return Number.isSafeInteger(value) && value >= 1 && value <= 2 ** 31
      ? value
      : this.fail(key, 'whole numbers');
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.config[key] ?? otherwise;
    return typeof value === 'boolean' ? value : this.fail(key, 'true and false');
  }

  /** Two whole numbers, written as a list or as one number. */
  pair(key: string, otherwise?: number | readonly [number, number]): [number, number] {
    const value = this.config[key] ?? otherwise;
    const pair = Array.isArray(value) ? value : [value, value];
    const isPair = pair.length === 2 && pair.every((size) => Number.isSafeInteger(size) && size >= 1);
    return isPair ? (pair as [number, number]) : this.fail(key, 'one or two whole numbers');
  }

  /** Of one sample; -1 stands for what is left. */
  shape(key: string): number[] {
    const value = this.config[key];
    const isShape =
      Array.isArray(value) &&
      value.length >= 1 &&
      value.length <= 4 &&
      value.every((size) => Number.isSafeInteger(size) && (size === -1 || (size >= 1 && size <= 2 ** 31)));
    return isShape ? value : this.fail(key, 'shapes of one to four sizes');
  }

  oneOf<T extends string>(key: string, known: readonly T[], otherwise: T): T {
    const value = this.config[key] ?? otherwise;
    return known.find((one) => one === value) ?? this.fail(key, known.join(', '));
  }

  /** Channels come last here. */
  channelsLast(): void {
    this.only('data_format', 'channels_last');
  }
}
