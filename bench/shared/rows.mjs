/*
 * A row of a result says one thing that was measured:
 *
 *   key, what         which row it is, for programs and for people
 *   value, suffix     the figure (a ratio is the median of the rounds' ratios) and what stands behind it: 'x', '/s', ' %', ' MiB'
 *   better            'higher' or 'lower'
 *   must, aim         bars, where there are any
 *   spread            { min, max } of the figure, where it was measured several times
 *   reason            why there is no figure, instead of all that follows `what`
 *   weft, beside      of what the figure was made: { median, min, max, all }, in `unit`; `beside` has a name
 */

const short = (value) => Number(value.toPrecision(3)).toString();

const reaches = (row, bar) => (row.better === 'lower' ? row.value <= bar : row.value >= bar);

const range = ({ min, max }) => `(${short(min)}-${short(max)})`;
const timing = (times) => (times ? `${short(times.median)} ${range(times)}` : '');
const bar = (row, name) => {
  if (row[name] === undefined) return '';
  const text = `${row.better === 'lower' ? '≤' : '≥'} ${row[name]}${row.suffix}`;
  return reaches(row, row[name]) ? `${text}, met` : `${text}, missed`;
};

/** A table's lines as cells, the first of them the header. */
export const tableOf = (rows) => [
  ['what', 'Weft', 'beside', 'figure', 'must', 'aim'],
  ...rows.map((row) => [
    row.what,
    row.weft ? `${timing(row.weft)} ${row.unit}` : '',
    row.beside ? `${timing(row.beside)} ${row.beside.name}` : '',
    row.reason ?? `${short(row.value)}${row.suffix}${row.spread ? ` ${range(row.spread)}` : ''}`,
    bar(row, 'must'),
    bar(row, 'aim'),
  ]),
];

/** A result with its table, for a terminal. */
export function textOf({ adapter, cores, commit, date, versions, rows }) {
  const table = tableOf(rows);
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)));
  const lines = table.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
  return [
    `${adapter}, ${cores} cores, commit ${commit}, ${date}`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
    'medians (smallest-largest)',
    '',
    ...lines,
  ].join('\n');
}

/** A line for each bar that had to be cleared and wasn't. */
export const missed = (rows) =>
  rows
    .filter((row) => row.must !== undefined && !reaches(row, row.must))
    .map(
      (row) =>
        `missed: ${row.what}: ${short(row.value)}${row.suffix}, must be ${row.better === 'lower' ? 'at most' : 'at least'} ${row.must}${row.suffix}`,
    );

/** The README's table: rows that were measured at several times, each with its `date` and `commit`. */
export function markdownOf({ adapter, cores, rows }) {
  const [header, ...lines] = tableOf(rows);
  const markdown = (cells) => `| ${cells.join(' | ')} |`;
  const moments = rows.map(({ date, commit }) => `${date.slice(0, 10)} at ${commit}`);
  return [
    markdown(header),
    markdown(header.map(() => '---')),
    ...lines.map(markdown),
    '',
    `Medians (smallest-largest) of runs in turns on ${adapter}, ${cores} cores; ${[...new Set(moments)].join(', ')}.`,
  ].join('\n');
}
