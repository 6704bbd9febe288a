import { defineConfig } from 'vitest/config';
import { common } from '../../vitest.config.ts';

/** The same kernels, and each variant of those that have several, on another adapter, SwiftShader, and on the usual one with no more than the limits that WebGPU guarantees. */
export default defineConfig({
  test: {
    ...common,
    // SwiftShader compiles one unrolled kernel in minutes.
    testTimeout: 900_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'SwiftShader',
          env: { WEFT_ADAPTER: 'swiftshader' },
          include: ['test/adapters/*.test.ts', 'test/kernels/{conv2d,conv2dFilterGradient,matmul}.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'default limits',
          env: { WEFT_LIMITS: 'default' },
          include: ['test/adapters/*.test.ts', 'test/{kernels,nn,tensor}/*.test.ts'],
        },
      },
    ],
  },
});
