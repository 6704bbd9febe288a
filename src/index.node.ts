/** The public API under Node: the same, with Dawn as the source of adapters. */
export * from './index.ts';

import './node/provideDawn.ts';
