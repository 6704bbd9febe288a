/** Names that are spelt alike but for case and punctuation: `he_normal`, `heNormal`. */
const bare = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/**
 * Of some names the one that `given` is most like, so that an error can name it: `learningRate` for `learning_rate`, `f32` for `float32`.
 * @returns undefined where none is much like it
 */
export function nearestName(given: string, names: readonly string[]): string | undefined {
  const from = bare(given).slice(0, 40);
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const name of names) {
    const to = bare(name);
    const distance = isShortFor(to, from) || isShortFor(from, to) ? 1 : editsBetween(from, to);
    if (distance <= Math.max(1, to.length / 3) && distance < (best?.distance ?? Number.POSITIVE_INFINITY))
      best = { name, distance };
  }
  return best?.name;
}

/** Whether the letters of `short` come in `long` in their order, the first at its beginning: `f32` in `float32`. */
function isShortFor(short: string, long: string): boolean {
  if (short.length < 2 || short[0] !== long[0]) return false;
  let at = 0;
  for (const letter of long) if (letter === short[at]) at++;
  return at === short.length;
}

/** Letters to add, drop or replace (Levenshtein). */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}
