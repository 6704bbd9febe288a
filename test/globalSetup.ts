import { adapterEnvironment } from '../src/node/adapter.ts';

/** Provides the tests' adapter once, as a user's first training would, before the processes start that use it. */
export default async function setup(): Promise<void> {
  let last = '';
  const variables = await adapterEnvironment({
    adapter: process.env.WEFT_ADAPTER,
    onProgress: ({ what }) => {
      if (what !== last) console.log(what);
      last = what;
    },
  });
  Object.assign(process.env, variables);
}
