import { beforeAll, test } from 'vitest';
import { nanSamples } from '../adapters/samples.ts';
import { testGpu } from '../support/gpu.ts';
import { seed } from '../support/seed.ts';

beforeAll(testGpu);

test.each(nanSamples.map(({ name, check }) => [name, check] as const))('%s', (_, check) => check(seed));
