import { BACKGROUND, LINES_STROKE, TEXT } from './style.ts';

/** The page's look: colours for light and dark, columns that fit a phone, and paper. */
export const PAGE_STYLE = `
:root {
  --background: #ffffff; --surface: #f6f7f9; --text: #1c1f23; --text-soft: #5b6470; --line: #d5d9df; --accent: #1d5fd1; --on-shade: #000000;
}
@media (prefers-color-scheme: dark) {
  :root { --background: #14171c; --surface: #1d2128; --text: #e6e9ee; --text-soft: #a2abb8; --line: #3a414c; --accent: #7fb0ff; --on-shade: #ffffff; }
}
* { box-sizing: border-box; }
html { background: var(--background); color: var(--text); font: 16px/1.5 system-ui, sans-serif; -webkit-text-size-adjust: 100%; }
body { max-width: 1040px; margin: 0 auto; padding: 16px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 8px 0 0; overflow-wrap: anywhere; }
header p { color: var(--text-soft); margin: 4px 0 0; }
h2 { font-size: 1.2rem; margin: 40px 0 12px; padding-top: 12px; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 32px 0 12px; overflow-wrap: anywhere; }
p { max-width: 76ch; overflow-wrap: anywhere; }
a { color: var(--accent); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 18px; padding: 0; }
nav .group { flex-basis: 100%; font-weight: 600; overflow-wrap: anywhere; }
nav .group ul { font-weight: 400; font-size: 0.875rem; }
figure { margin: 20px 0; }
figcaption, caption { color: var(--text-soft); font-size: 0.875rem; text-align: left; }
figcaption { margin: 6px 0; max-width: 76ch; }
caption { padding-bottom: 6px; }
caption span { display: block; position: sticky; left: 0; width: max-content; max-width: min(76ch, 100vw - 32px); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); gap: 8px 24px; margin: 16px 0; }
dl div { min-width: 0; }
dt { color: var(--text-soft); font-size: 0.875rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 20px 0; }
.scroll:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; white-space: nowrap; font-weight: 400; }
thead th { color: var(--text-soft); border-bottom: 1px solid var(--line); vertical-align: bottom; }
th:first-child, .words { text-align: left; }
tbody th { position: sticky; left: 0; background: var(--background); }
tr.rule td { padding: 0; border-bottom: 1px solid var(--line); }
td.shaded, td.deep { background: color-mix(in srgb, #2563c9 var(--shade), var(--background)); }
td.shaded { color: var(--on-shade); }
td.deep { color: #ffffff; }
.charts { display: flex; flex-wrap: wrap; gap: 16px; }
.chart { min-width: 0; max-width: 100%; overflow-x: auto; }
.chart svg { display: block; max-width: 100%; height: auto; }
.chart [fill="${TEXT}"] { fill: var(--text-soft); }
.chart [stroke="${TEXT}"] { stroke: var(--text-soft); }
.chart [stroke="${LINES_STROKE}"] { stroke: var(--line); stroke-opacity: 1; }
.chart [stroke="${BACKGROUND}"] { stroke: var(--background); }
.pictures { list-style: none; display: flex; flex-wrap: wrap; gap: 12px; margin: 0; padding: 0; }
.pictures li { width: var(--size); max-width: 100%; font-size: 0.75rem; line-height: 1.3; }
.pictures img { display: block; width: 100%; image-rendering: pixelated; border: 1px solid var(--line); }
.pictures span { display: block; margin-top: 3px; color: var(--text-soft); overflow-wrap: anywhere; white-space: pre-line; }
@media print {
  :root { --background: #ffffff; --surface: #ffffff; --text: #000000; --text-soft: #444444; --line: #999999; --accent: #000000; --on-shade: #000000; }
  html { font-size: 12px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; padding: 0; }
  nav { display: none; }
  figure, table, dl { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; }
  th, td { padding: 2px 5px; white-space: normal; }
  tbody th { position: static; }
  caption span { position: static; width: auto; max-width: none; }
}
`;
