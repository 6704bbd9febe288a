import { median } from '../shared/statistics.mjs';

const short = (ratio) => `${Number(ratio.toPrecision(3))}x`;

/** What the ratios of a result are in all. */
export function summaryOf({ rows }) {
  const ratios = rows.flatMap(({ value }) => value ?? []);
  if (ratios.length === 0) return 'no ratios';
  const below = ratios.filter((ratio) => ratio < 1).length;
  return `${ratios.length} ratios: the median ${short(median(ratios))}, the worst ${short(Math.min(...ratios))}, ${below} below 1x`;
}
