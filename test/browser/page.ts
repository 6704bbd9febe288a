import { browserChoices, close, init, matmul, ones, tune } from '../../src/index.ts';
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
  /** Tunes a product with decisions kept in the browser, and says how each key was decided. */
  async tune(): Promise<string[]> {
    const [a, b] = [ones([4, 24]), ones([24, 8])];
    const rows = await tune(() => matmul(a, b), { store: browserChoices('test') });
    return rows.filter(({ chosen }) => chosen).map(({ key, source }) => `${key}: ${source}`);
  },
  /** Keeps choices in the browser where it doesn't let it; what is there afterwards. */
  async keepWithoutDatabase(): Promise<object> {
    Object.defineProperty(globalThis, 'indexedDB', { value: undefined });
    const store = browserChoices('test');
    await store.save('adapter', { key: { candidate: 'plain', among: ['plain'] } });
    return store.load('adapter');
  },
  close,
};

export type TestPage = typeof page;
Object.assign(globalThis, { testPage: page });
