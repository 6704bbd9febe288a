import { describe, expect, it } from 'vitest';
import { cleaningUp, undoing } from '../../src/node/cleanUp.ts';

const fail = (message: string) => () => {
  throw new Error(message);
};

describe('cleaningUp', () => {
  it('gives what the work gives, after every clean-up', async () => {
    const done: string[] = [];
    const result = await cleaningUp(
      async () => 'result',
      async () => done.push('one'),
      () => done.push('two'),
    );
    expect([result, done]).toEqual(['result', ['one', 'two']]);
  });

  it('throws the first error, and does every clean-up all the same', async () => {
    const done: string[] = [];
    const clean = () => done.push('clean');
    await expect(cleaningUp(fail('work'), fail('first'), clean)).rejects.toThrow('work');
    await expect(cleaningUp(() => 1, fail('first'), clean, fail('second'))).rejects.toThrow('first');
    expect(done).toEqual(['clean', 'clean']);
  });
});

describe('undoing', () => {
  it('takes back what failed alone, and throws its error', async () => {
    const done: string[] = [];
    expect(
      await undoing(
        async () => 1,
        () => done.push('undone'),
      ),
    ).toBe(1);
    expect(done).toEqual([]);
    await expect(
      undoing(
        async () => fail('work')(),
        () => done.push('undone'),
      ),
    ).rejects.toThrow('work');
    await expect(undoing(async () => fail('work')(), fail('undo'))).rejects.toThrow('work');
    expect(done).toEqual(['undone']);
  });
});
