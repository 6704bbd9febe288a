import { InvalidArgumentError } from 'commander';
import { checkSettings, type Settings } from './settings.ts';

/*
 * Readers of option values: each returns the value, or says what would be right; commander puts the option's name before it.
 */

/** A whole number from `least` on, up to `most`. */
export const wholeNumber =
  (least: number, most = Number.MAX_SAFE_INTEGER) =>
  (text: string) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(
        `It must be a whole number, at least ${least}${most < Number.MAX_SAFE_INTEGER ? ` and at most ${most}` : ''}.`,
      );
    return value;
  };

/** A number above zero. */
export function positiveNumber(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(Number.isFinite(value) && value > 0)) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}

const SECONDS = { s: 1, m: 60, h: 3600 } as const;

/** A time in seconds: `90s`, `10m`, `1.5h`, or a plain number of seconds. */
export function timeSpan(text: string): number {
  const [, number, unit = 's'] = text.match(/^(\d+(?:\.\d+)?)([smh])?$/) ?? [];
  const seconds = Number(number) * SECONDS[unit as keyof typeof SECONDS];
  if (!(seconds > 0)) throw new InvalidArgumentError('It must be a time such as 90s, 10m or 1h.');
  return seconds;
}

/** One path segment. */
export function folderName(text: string): string {
  if (text === '' || text === '.' || text === '..' || /[/\\]/.test(text))
    throw new InvalidArgumentError('It must be a plain folder name; --out takes a path.');
  return text;
}

/** Adds a setting to those before: `optimizer.name=SGD`, `dropout=0.4`. */
export function setting(text: string, before: Settings = {}): Settings {
  const [, name, value] = text.match(/^([^=]+)=(.+)$/) ?? [];
  if (name === undefined) throw new InvalidArgumentError('It must be <name>=<value>.');
  const settings = { [name]: readValue(value) };
  try {
    checkSettings(settings);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
  return { ...before, ...settings };
}

/** A number, true or false; else the text itself. */
function readValue(text: string): number | boolean | string {
  if (text === 'true' || text === 'false') return text === 'true';
  const number = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : text;
}
