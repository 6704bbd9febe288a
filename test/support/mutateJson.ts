import type { Draw } from './property.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const VALUES: readonly Json[] = [
  ...[null, true, false, 0, -1, 1.5, -0, 1e308, -1e308, 1e-320, 2 ** 31, 2 ** 53, -(2 ** 31)],
  ...['', 'x', '1', 'NaN', '__proto__', 'constructor', 'toString', '../../x', '\u001b[2J', 'a'.repeat(5000)],
  ...[[], {}, [0], [-1], [1.5], ['3'], [[1]], [null], [2 ** 31, 2 ** 31], { a: 1 }],
  new Array<number>(300).fill(1),
];
const KEYS = [
  '__proto__',
  'constructor',
  'toString',
  'length',
  '',
  'then',
  '0',
  'name',
  '\u0000',
  '<script>',
];

/** Where something is in a JSON value: the object or array that holds it, and its key there. */
type Place = readonly [holder: Record<string, Json>, key: string];

function placesIn(value: Json, places: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return places;
  const holder = value as Record<string, Json>;
  for (const key of Object.keys(holder)) {
    places.push([holder, key]);
    placesIn(holder[key], places);
  }
  return places;
}

const set = (holder: object, key: string, value: Json): void => {
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
};

/** What stands in the place of a value that is another kind of wrong. */
function instead(old: Json, { pick }: Draw): Json {
  if (typeof old === 'number')
    return pick([old + 1, old - 1, -old, old * 1e9, old + 0.5, 0, old * 2, old / 1e9]);
  if (typeof old === 'string') return pick([`${old}x`, old.slice(1), old.toUpperCase(), '', old.repeat(50)]);
  if (Array.isArray(old))
    return pick<Json>([old.slice(1), [...old, ...old], old.map(String), old.flat(), { ...old }]);
  return pick(VALUES);
}

function mutateAt([holder, key]: Place, draw: Draw): void {
  const { int, pick, chance } = draw;
  const old = holder[key];
  const kind = int(0, 6);
  if (kind === 0) set(holder, key, pick(VALUES));
  else if (kind === 1 && Array.isArray(holder)) holder.splice(Number(key), 1);
  else if (kind === 1) delete holder[key];
  else if (kind === 2 && Array.isArray(holder)) holder.push(old);
  else if (kind === 2) set(holder, pick(KEYS), chance(0.5) ? old : pick(VALUES));
  else if (kind === 3) {
    const other = pick(Object.keys(holder));
    [holder[key], holder[other]] = [holder[other], old];
  } else if (kind === 4) {
    let deep = old;
    for (let i = pick([1, 30, 200]); i > 0; i--) deep = [deep];
    set(holder, key, deep);
  } else set(holder, key, instead(old, draw));
}

/** The text of a JSON file with one to three faults in it: of its values, or now and then of its letters. */
export function mutateJson(text: string, draw: Draw): string {
  const { int, pick, chance } = draw;
  if (chance(0.1)) {
    const at = int(0, text.length - 1);
    return pick([
      text.slice(0, at),
      `${text.slice(0, at)}${pick(['{', '[', ']', '"', ',', '1', '-', '\u0000', '\\'])}${text.slice(at + 1)}`,
      text.replace(/\d+/g, (number) => (chance(0.05) ? pick(['NaN', '1e999', '-1', '0.5', '1e30']) : number)),
      text.replace(/"\w+":/g, (key) => (chance(0.05) ? '"__proto__":' : key)),
    ]);
  }
  const root: { value: Json } = { value: JSON.parse(text) };
  for (let left = int(1, 3); left > 0; left--) {
    const places = placesIn(root.value);
    mutateAt(places.length === 0 || chance(0.02) ? [root, 'value'] : pick(places), draw);
  }
  return JSON.stringify(root.value ?? null);
}
