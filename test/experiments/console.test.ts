import { afterEach, describe, expect, it, vi } from 'vitest';
import { Console } from '../../src/experiments/console.ts';

/** What a console writes to either stream. */
function written(use: (out: Console) => void): string {
  const texts: string[] = [];
  for (const stream of [process.stdout, process.stderr])
    vi.spyOn(stream, 'write').mockImplementation((text) => texts.push(String(text)) > 0);
  use(new Console());
  vi.restoreAllMocks();
  return texts.join('');
}

describe('a console', () => {
  afterEach(() => vi.restoreAllMocks());
  const evil = 'a\u001b]0;title\u0007\u001b[2J\r\u0090\u009b31m\u202eb\u2066\u200f\u2028';

  it('shows no control code and none that turns the direction, whatever it writes', () => {
    const text = written((out) => {
      out.line(`layer ${evil}`);
      out.write(evil);
      out.error(`error: ${evil}\n`);
      // A second after the first, so that it is written where there is no terminal.
      vi.spyOn(performance, 'now').mockReturnValue(1e9);
      out.progress(evil, 1, 2, evil);
      vi.spyOn(performance, 'now').mockReturnValue(2e9);
      out.progress(evil, 2, 2, evil);
      out.endProgress();
    });
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(text).toContain('layer a\\u001b]0;title\\u0007\\u001b[2J');
    expect(text).toContain('error: a\\u001b');
    expect(text.match(/b\\u2066/g)?.length).toBeGreaterThanOrEqual(5);
  });

  it('keeps the lines of a text', () => {
    expect(written((out) => out.line('one\ntwo'))).toBe('one\ntwo\n');
  });
});
