import { describe, expect, it } from 'vitest';
import { imageDataGenerator, torchvisionTransforms } from '../../src/data/augmentation.ts';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import {
  batchSizes,
  choosePreset,
  describePlan,
  estimate,
  QUICK_SECONDS,
  repeatSizes,
  settle,
  stepsPerEpoch,
} from '../../src/experiments/presets.ts';
import { twoConv } from '../../src/experiments/rasiaq/twoConvolutions.ts';

describe('the recipe', () => {
  const plan = settle(v5, 'recipe', {}, 1e-4);

  it('is what the network was trained with', () => {
    expect(plan).toEqual({
      preset: 'recipe',
      batchSize: 512,
      optimizer: { name: 'Adam', learningRate: 3e-4 },
      batches: 'whole',
      pixelScale: 1,
      frozenLayers: 0,
      augment: imageDataGenerator({
        widthShiftRange: 3,
        heightShiftRange: 3,
        horizontalFlip: true,
        fillMode: 'constant',
      }),
      trainingImages: 50_000,
      validationImages: 10_000,
      testImages: 10_000,
      stratified: false,
      epochs: 100,
      repeats: 5,
      patience: 20,
      statisticsImages: 0,
      tested: 'best',
    });
    expect(stepsPerEpoch(plan)).toBe(97);
  });

  it('depends on no measured time', () => {
    expect(settle(v5, 'recipe', {}, 100)).toEqual(plan);
  });

  it('takes the time of its steps, and a third of it for what is run forward', () => {
    const training = 5 * 100 * 97 * 512 * 1e-4;
    expect(estimate(plan, 1e-4).training).toBeCloseTo(training);
    expect(estimate(plan, 1e-4).total).toBeCloseTo(training + (5 * (100 * 10_000 + 10_000) * 1e-4) / 3);
  });
});

describe('a recipe with more than one part', () => {
  const nested = settle(twoConv, 'recipe', {}, 1e-4);

  it('splits the training images of the repeat before', () => {
    const sizes = [1, 2, 3, 4].map((repeat) => repeatSizes(nested, repeat));
    expect(sizes.map(({ trainingImages }) => trainingImages)).toEqual([48_000, 38_400, 30_720, 24_576]);
    expect(sizes.map(({ validationImages }) => validationImages)).toEqual([12_000, 9_600, 7_680, 6_144]);
    expect(sizes.map(({ epochs }) => epochs)).toEqual([50, 10, 10, 10]);
    const steps = 50 * 1500 + 10 * (1200 + 960 + 768);
    expect(estimate(nested, 1e-4).training).toBeCloseTo(steps * 32 * 1e-4);
  });

  it('counts the copies that images are trained on beside', () => {
    const replicate = torchvisionTransforms([{ kind: 'randomHorizontalFlip' }]);
    const recipe = { ...v5.recipe, batches: 'all', replicate } as const;
    const plan = settle({ recipe }, 'recipe', {}, 1);
    expect(stepsPerEpoch(plan)).toBe(Math.ceil(100_000 / 512));
    expect(batchSizes(plan).training).toEqual([512, 100_000 % 512]);
    expect(stepsPerEpoch(settle({ recipe }, 'recipe', { noAugment: true }, 1))).toBe(98);
  });

  it('leaves its frozen phase where every layer is to be trained', () => {
    const optimizer = { name: 'SGD', learningRate: 1e-3, momentum: 0.9, nesterov: true } as const;
    const frozenPhase = { frozenLayers: 7, optimizer, epochs: 3 };
    const recipe = { ...v5.recipe, frozenPhase, frozenLayers: 4 };
    expect(settle({ recipe }, 'recipe', { epochs: 2 }, 1)).toMatchObject({
      frozenPhase: { epochs: 2 },
      frozenLayers: 4,
    });
    const all = settle({ recipe }, 'recipe', { unfrozen: true }, 1);
    expect(all.frozenPhase).toBeUndefined();
    expect(all.frozenLayers).toBe(0);
    expect(describePlan(settle({ recipe }, 'recipe', {}, 1))).toContain(
      '3 epochs with 7 layers frozen, SGD 0.001, Nesterov momentum 0.9, then, 4 layers frozen, Adam 0.0003',
    );
  });
});

describe('the quick preset', () => {
  it('is one pass over as many whole batches as fit in its time', () => {
    const plan = settle(v5, 'quick', {}, 0.1);
    expect(plan).toMatchObject({ batchSize: 64, optimizer: { learningRate: 1e-3 }, epochs: 1, repeats: 1 });
    expect(plan).toMatchObject({ validationImages: 1000, testImages: 2000, stratified: true });
    expect(plan.trainingImages).toBe(Math.floor(QUICK_SECONDS / 0.1 / 64) * 64);
    expect(estimate(plan, 0.1).training).toBeLessThanOrEqual(QUICK_SECONDS);
    expect(estimate(plan, 0.1).training).toBeGreaterThan(QUICK_SECONDS - 64 * 0.1);
  });

  it('makes more passes once all images fit, with none of the validation images among them', () => {
    const plan = settle(v5, 'quick', {}, 1e-3);
    expect(plan.trainingImages).toBe(Math.floor(59_000 / 64) * 64);
    expect(plan.epochs).toBe(10);
    expect(estimate(plan, 1e-3).training).toBeLessThanOrEqual(QUICK_SECONDS);
  });

  it('trains on one batch at least', () => {
    expect(settle(v5, 'quick', {}, 1000)).toMatchObject({ trainingImages: 64, epochs: 1 });
  });

  it('shares its time among the epochs and repeats that were asked for', () => {
    const plan = settle(v5, 'quick', { epochs: 3, repeats: 2 }, 0.1);
    expect(plan).toMatchObject({ epochs: 3, repeats: 2, trainingImages: 1000 - (1000 % 64) });
  });
});

describe('what a user says', () => {
  it('goes over the preset', () => {
    const said = { epochs: 7, repeats: 2, batchSize: 100, learningRate: 0.5, noAugment: true };
    const expected = {
      epochs: 7,
      repeats: 2,
      batchSize: 100,
      optimizer: { name: 'Adam', learningRate: 0.5 },
    };
    expect(settle(v5, 'recipe', said, 1)).toMatchObject(expected);
    expect(settle(v5, 'recipe', said, 1).augment).toBeUndefined();
  });

  it('bounds training, validation and test images alike', () => {
    const bounded = { trainingImages: 64, validationImages: 64, testImages: 64 };
    expect(settle(v5, 'recipe', { limit: 64 }, 1e-6)).toMatchObject({ ...bounded, epochs: 100 });
    expect(settle(v5, 'quick', { limit: 64 }, 1e-6)).toMatchObject({ ...bounded, epochs: 1 });
    expect(settle(v5, 'quick', { limit: 10 }, 1e-6)).toMatchObject({ trainingImages: 10, testImages: 10 });
    expect(stepsPerEpoch(settle(v5, 'quick', { limit: 10 }, 1e-6))).toBe(1);
  });

  it('asks for all test images', () => {
    expect(settle(v5, 'quick', { fullTest: true }, 1).testImages).toBe(10_000);
  });

  it('chooses the preset, else the kind of adapter does', () => {
    expect(choosePreset(undefined, true).preset).toBe('quick');
    expect(choosePreset(undefined, false).preset).toBe('recipe');
    expect(choosePreset('quick', false)).toEqual({ preset: 'quick', why: 'as --preset says' });
  });

  it('can be read', () => {
    expect(describePlan(settle(v5, 'recipe', { epochs: 1, repeats: 1 }, 1))).toBe(
      '50,000 training, 10,000 validation and 10,000 test images, batch 512, Adam 0.0003, shifts within 2 px and flips, 1 epoch, 1 repeat',
    );
  });
});
