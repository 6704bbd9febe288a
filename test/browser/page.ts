import { close, init } from '../../src/index.ts';
import { samples } from '../adapters/samples.ts';

/** What the test asks of the page. */
const page = {
  /** Opens the GPU and says which. */
  async open(): Promise<string> {
    return (await init()).adapterName;
  },
  /** Runs one sample; undefined if it passed, else what went wrong. */
  async check(name: string, seed: number): Promise<string | undefined> {
    try {
      await samples.find((sample) => sample.name === name)!.check(seed);
      return undefined;
    } catch (error) {
      return (error as Error).stack ?? String(error);
    }
  },
  close,
};

export type TestPage = typeof page;
Object.assign(globalThis, { testPage: page });
