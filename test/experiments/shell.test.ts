import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { shellPath, shellWord } from '../../src/experiments/shell.ts';

/** What a shell takes a text for. */
const wordsOf = (text: string): string[] =>
  execFileSync('bash', ['--norc', '-c', `printf '%s\\0' ${text}`], {
    encoding: 'utf8',
    env: { LC_ALL: 'C.UTF-8' },
  })
    .split('\0')
    .slice(0, -1);

describe('a word of a suggested command', () => {
  const texts = [
    'runs/v5-2026-01-31-7',
    'my runs/a b',
    "it's",
    '"quoted"',
    '$HOME `id` $(id)',
    'a;b|c&d>e<f',
    '~',
    '*',
    '',
    'größe/Ω',
    'a\nb\tc',
    '\u001b[31mred',
    "tab\tand 'quote' and \\ backslash",
    '\u202eturned',
  ];
  for (const text of texts)
    it(`is one word for a shell: ${JSON.stringify(text)}`, () => {
      expect(wordsOf(shellWord(text))).toEqual([text]);
      expect(wordsOf(shellPath(text))).toEqual([text]);
      // Nothing in it moves a terminal's cursor.
      expect(shellWord(text)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    });

  it('stays as it is where it can', () => {
    expect(shellWord('optimizer.learningRate=0.001')).toBe('optimizer.learningRate=0.001');
  });

  it('is no option where it is a path', () => {
    expect(shellPath('-rf')).toBe('./-rf');
    expect(wordsOf(shellPath('--out x'))).toEqual(['./--out x']);
  });
});
