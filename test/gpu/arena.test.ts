import { describe, expect, test } from 'vitest';
import { ALIGNMENT, type ArenaOptions, livePeak, planArenas, type Temporary } from '../../src/gpu/arena.ts';
import { type Draw, draws } from '../support/property.ts';
import { again } from '../support/seed.ts';

const MAX = 2 ** 28;
const temporary = (bytes: number, first: number, last: number, conflicts: number[] = []): Temporary => ({
  bytes,
  first,
  last,
  conflicts,
});
const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);

/** Plans, and holds the plan to everything that it promises. */
function checked(temporaries: readonly Temporary[], options: ArenaOptions, label = '') {
  const plan = planArenas(temporaries, options);
  const { spots, arenas } = plan;
  const { maxBufferSize, existing = [] } = options;
  expect(arenas.slice(0, existing.length), label).toEqual(existing);
  for (const bytes of arenas.slice(existing.length)) expect(bytes, label).toBeLessThanOrEqual(maxBufferSize);
  temporaries.forEach((t, i) => {
    const { arena, offset } = spots[i];
    expect(offset % ALIGNMENT, label).toBe(0);
    expect(offset + t.bytes, label).toBeLessThanOrEqual(arenas[arena]);
    for (const other of t.conflicts) expect(spots[other].arena, label).not.toBe(arena);
    for (let j = 0; j < i; j++) {
      const other = temporaries[j];
      const sameTime = other.first <= t.last && t.first <= other.last;
      const sameBytes =
        spots[j].arena === arena &&
        spots[j].offset < offset + t.bytes &&
        offset < spots[j].offset + other.bytes;
      expect(sameTime && sameBytes, `${label}: ${i} and ${j}`).toBe(false);
    }
  });
  return plan;
}

/** Temporaries of random lifetimes, some read after the step, with random conflicts. */
function randomTemporaries({ int, chance }: Draw, largest: number): Temporary[] {
  const count = int(1, 30);
  const conflicts = Array.from({ length: count }, () => new Set<number>());
  for (let n = int(0, 2 * count); n > 0; n--) {
    const [a, b] = [int(0, count - 1), int(0, count - 1)];
    if (a === b) continue;
    conflicts[a].add(b);
    conflicts[b].add(a);
  }
  return conflicts.map((others) => {
    const first = int(-1, 40);
    const last = chance(0.1) ? Number.POSITIVE_INFINITY : first + int(0, 12);
    return temporary(int(1, largest), first, last, [...others]);
  });
}

describe('planArenas', () => {
  test('temporaries that live at other times share memory', () => {
    const { spots, arenas } = checked([temporary(1000, 0, 1), temporary(900, 2, 3), temporary(500, 1, 2)], {
      maxBufferSize: MAX,
    });
    expect(spots[0]).toEqual(spots[1]);
    expect(sum(arenas)).toBe(1024 + 512);
  });

  test('a command that writes one and reads the other keeps them apart, in time and in buffers', () => {
    const { spots, arenas } = checked([temporary(256, 0, 1, [1]), temporary(256, 1, 2, [0])], {
      maxBufferSize: MAX,
    });
    expect(spots[0].arena).not.toBe(spots[1].arena);
    expect(arenas).toEqual([256, 256]);
  });

  test('the smallest gap that fits is taken', () => {
    // Between the two that live throughout lie gaps of 4 and 2 units; the one of 2 is for the second.
    const unit = ALIGNMENT;
    const all = [temporary(8 * unit, 0, 9), temporary(4 * unit, 0, 1), temporary(2 * unit, 2, 3)];
    expect(sum(checked(all, { maxBufferSize: MAX }).arenas)).toBe(12 * unit);
  });

  test('what is read after the step is never overwritten', () => {
    const { arenas } = checked(
      [temporary(512, 0, Number.POSITIVE_INFINITY), temporary(512, 5, 6), temporary(512, 7, 7)],
      { maxBufferSize: MAX },
    );
    expect(sum(arenas)).toBe(1024);
  });

  test('nothing needs nothing', () => {
    expect(planArenas([], { maxBufferSize: MAX })).toEqual({ spots: [], arenas: [] });
    expect(planArenas([], { maxBufferSize: MAX, existing: [512] })).toEqual({ spots: [], arenas: [512] });
  });

  test('a temporary larger than a buffer may be is refused', () => {
    expect(() => planArenas([temporary(1025, 0, 1)], { maxBufferSize: 1024 })).toThrow(
      'a buffer of 1025 bytes was asked for, maxBufferSize is 1024',
    );
    // A limit need not be a multiple of the alignment.
    expect(checked([temporary(1000, 0, 1)], { maxBufferSize: 1000 }).arenas).toEqual([1000]);
  });

  test('existing arenas are used where they fit, and others made where they are too small', () => {
    const existing = [1024, 512];
    const small = [temporary(1000, 0, 1, [1]), temporary(500, 1, 2, [0])];
    expect(checked(small, { maxBufferSize: MAX, existing }).arenas).toEqual(existing);
    const large = [temporary(1000, 0, 1, [1]), temporary(2000, 1, 2, [0])];
    expect(checked(large, { maxBufferSize: MAX, existing }).arenas).toEqual([...existing, 2048]);
  });

  test('any plan keeps apart what must be apart', () => {
    for (const draw of draws('planArenas', 100)) {
      const largest = draw.pick([600, 5000, 100_000]);
      const temporaries = randomTemporaries(draw, largest);
      const options = {
        maxBufferSize: largest + draw.int(0, 3) * draw.int(0, largest),
        existing: Array.from({ length: draw.int(0, 2) }, () => 256 * draw.int(1, 40)),
      };
      checked(temporaries, options, draw.label);
      expect(planArenas(temporaries, options), draw.label).toEqual(planArenas(temporaries, options));
    }
  });

  test('livePeak is the largest sum of what lives at one command', () => {
    for (const draw of draws('livePeak', 100)) {
      const temporaries = randomTemporaries(draw, 2000);
      const liveAt = (command: number) =>
        sum(
          temporaries
            .filter(({ first, last }) => first <= command && last >= command)
            .map(({ bytes }) => Math.ceil(bytes / 256) * 256),
        );
      const all = Array.from({ length: 60 }, (_, i) => liveAt(i - 1));
      const peak = livePeak(temporaries);
      expect(peak.bytes, draw.label).toBe(Math.max(...all));
      expect(liveAt(peak.command), draw.label).toBe(peak.bytes);
    }
  });

  test('a network of layers needs hardly more than its live peak', () => {
    const ratios: number[] = [];
    for (const draw of draws('layered networks', 60)) {
      const temporaries = network(draw);
      const { arenas } = checked(temporaries, { maxBufferSize: MAX }, draw.label);
      ratios.push(sum(arenas) / livePeak(temporaries).bytes);
    }
    ratios.sort((a, b) => a - b);
    // Measured over 300 networks: median 1.00, nine of ten below 1.10, the worst 1.36, where what conflicts forbids less.
    expect(ratios[30], again).toBeLessThanOrEqual(1.05);
    expect(ratios[48], again).toBeLessThanOrEqual(1.15);
    expect(ratios[59], again).toBeLessThanOrEqual(1.6);
  });
});

/** A training step of random layers: each reads its input and writes its output; backward, each reads the output's gradient and its saved input. */
function network({ int, pick, chance }: Draw): Temporary[] {
  const made: { bytes: number; first: number; last: number; conflicts: Set<number> }[] = [];
  let command = 0;
  const make = (bytes: number) =>
    made.push({ bytes, first: Number.POSITIVE_INFINITY, last: -1, conflicts: new Set() }) - 1;
  const dispatch = (reads: number[], writes: number[]) => {
    for (const i of [...reads, ...writes]) {
      made[i].first = Math.min(made[i].first, command);
      made[i].last = command;
    }
    for (const a of reads) {
      for (const b of writes) {
        made[a].conflicts.add(b);
        made[b].conflicts.add(a);
      }
    }
    command++;
  };
  let bytes = 2 ** 20 * int(1, 40);
  const activations = [make(bytes)];
  const saves: boolean[] = [];
  for (let layer = int(5, 25); layer > 0; layer--) {
    if (chance(0.3)) bytes = Math.min(MAX, Math.max(1024, bytes * pick([0.25, 0.5, 0.5, 2])));
    const x = activations[activations.length - 1];
    const y = make(bytes);
    dispatch([x], [y]);
    activations.push(y);
    saves.push(chance(0.7));
  }
  let dy = make(made[activations[activations.length - 1]].bytes);
  dispatch([activations[activations.length - 1]], [dy]);
  for (let layer = saves.length - 1; layer >= 0; layer--) {
    const dx = make(made[activations[layer]].bytes);
    const dw = make(4 * int(10, 100_000));
    dispatch(saves[layer] ? [dy, activations[layer]] : [dy], [dx]);
    dispatch(saves[layer] ? [dy, activations[layer]] : [dy], [dw]);
    dispatch([dw], []);
    dy = dx;
  }
  return made.map(({ conflicts, ...rest }) => ({ ...rest, conflicts: [...conflicts] }));
}
