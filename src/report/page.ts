import { checkOptions, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { PAGE_STYLE } from './pageStyle.ts';

/** What a section shows, from top to bottom. */
export type Block =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'facts'; readonly facts: readonly (readonly [name: string, value: string])[] }
  | {
      readonly kind: 'table';
      readonly caption: string;
      readonly header: readonly string[];
      /** The first cell of a row is its name. An empty row is a rule. Columns of numbers stand to the right, of words to the left. */
      readonly rows: readonly (readonly string[])[];
      /** How dark the background of each cell is, 0 to 1, by row and column: a confusion matrix has them. */
      readonly shades?: readonly (readonly (number | undefined)[])[];
    }
  | {
      readonly kind: 'chart';
      readonly caption: string;
      /** What the chart shows, in words, for those who can't see it. */
      readonly alt: string;
      /** Several stand side by side where there is room. */
      readonly svg: string | readonly string[];
    }
  | {
      readonly kind: 'pictures';
      readonly caption: string;
      readonly pictures: readonly {
        readonly png: Uint8Array;
        readonly alt: string;
        readonly label?: string;
      }[];
      /** Width of each in CSS pixels. Default 84. */
      readonly size?: number;
    };

/** A part of a page, under a heading. */
export interface Section {
  readonly title: string;
  /** Neighbours of the same group stand below one heading, its name. */
  readonly group?: string;
  readonly blocks: readonly Block[];
}

/** What a page is made of. */
export interface ReportPageOptions {
  readonly title: string;
  readonly subtitle?: string;
  readonly sections: readonly Section[];
}

/**
 * One HTML file that needs nothing else: styles, charts and pictures are inside it. It is legible in light and dark, on a phone and on
 * paper, and without seeing its figures.
 * @throws WeftError where it isn't told of sections
 */
export function reportPage(options: ReportPageOptions): string {
  const { title, subtitle, sections } = checkOptions('reportPage', options, '{ title, sections: […] }');
  if (!Array.isArray(sections))
    throw new WeftError(`reportPage: sections must be a list, got ${showValue(sections)}`);
  const groups = groupsOf(sections);
  const contents = sections.length > 3 ? `<nav aria-label="Contents">${linksHtml(groups)}</nav>` : '';
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1>${subtitle === undefined ? '' : `<p>${escapeHtml(subtitle)}</p>`}</header>
${contents}
<main>
${groups.map(groupHtml).join('\n')}
</main>
</body>
</html>
`;
}

/** Sections that follow each other, with their places in the page. */
interface Group {
  readonly name: string | undefined;
  readonly sections: { readonly section: Section; readonly id: string }[];
}

function groupsOf(sections: readonly Section[]): Group[] {
  const groups: Group[] = [];
  for (const [i, section] of sections.entries()) {
    const last = groups.at(-1);
    const placed = { section, id: `section-${i + 1}` };
    if (last && section.group !== undefined && last.name === section.group) last.sections.push(placed);
    else groups.push({ name: section.group, sections: [placed] });
  }
  return groups;
}

const linksHtml = (groups: readonly Group[]): string =>
  `<ul>${groups
    .map(({ name, sections }) => {
      const links = sections.map(
        ({ section, id }) => `<li><a href="#${id}">${escapeHtml(section.title)}</a></li>`,
      );
      return name === undefined
        ? links.join('')
        : `<li class="group">${escapeHtml(name)}<ul>${links.join('')}</ul></li>`;
    })
    .join('')}</ul>`;

function groupHtml({ name, sections }: Group): string {
  const level = name === undefined ? 2 : 3;
  const html = sections.map(({ section, id }) => sectionHtml(section, id, level)).join('\n');
  return name === undefined ? html : `<section>\n<h2>${escapeHtml(name)}</h2>\n${html}\n</section>`;
}

const sectionHtml = ({ title, blocks }: Section, id: string, level: 2 | 3): string =>
  `<section id="${id}">\n<h${level}>${escapeHtml(title)}</h${level}>\n${blocks.map(blockHtml).join('\n')}\n</section>`;

function blockHtml(block: Block): string {
  switch (block.kind) {
    case 'text':
      return block.text
        .split(/\n{2,}/)
        .map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`)
        .join('\n');
    case 'facts':
      return `<dl>${block.facts
        .map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`)
        .join('')}</dl>`;
    case 'table':
      return tableHtml(block);
    case 'chart': {
      const charts = typeof block.svg === 'string' ? [block.svg] : block.svg;
      const drawn = charts.map((svg) => `<div class="chart">${scalable(svg)}</div>`).join('');
      return `<figure><div class="charts" role="img" aria-label="${escapeHtml(block.alt)}">${drawn}</div>${caption(block.caption)}</figure>`;
    }
    case 'pictures':
      return picturesHtml(block);
  }
}

/** From this shade on, white text stands out on the background better than black: both have a contrast of at least 4.5. */
const DEEP = 0.88;

function tableHtml({ caption: text, header, rows, shades }: Extract<Block, { kind: 'table' }>): string {
  const [corner, ...columns] = header;
  const inWords = columns.map((_, c) =>
    rows.some((row) => row.length > 0 && !/^([-+]?[.\d].*)?$/.test(row[c + 1])),
  );
  const classOf = (c: number, shade?: number) =>
    [inWords[c] && 'words', shade !== undefined && (shade > DEEP ? 'deep' : 'shaded')]
      .filter(Boolean)
      .join(' ');
  const attribute = (value: string) => (value === '' ? '' : ` class="${value}"`);
  const head = `<tr><th scope="col">${escapeHtml(corner)}</th>${columns.map((name, c) => `<th scope="col"${attribute(classOf(c))}>${escapeHtml(name)}</th>`).join('')}</tr>`;
  const body = rows.map((row, r) => {
    if (row.length === 0) return `<tr class="rule"><td colspan="${header.length}"></td></tr>`;
    const [name, ...cells] = row;
    const filled = cells.map((cell, c) => {
      const shade = shades?.[r]?.[c];
      const style = shade === undefined ? '' : ` style="--shade:${(100 * shade).toFixed(1)}%"`;
      return `<td${attribute(classOf(c, shade))}${style}>${escapeHtml(cell)}</td>`;
    });
    return `<tr><th scope="row">${escapeHtml(name)}</th>${filled.join('')}</tr>`;
  });
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(text)}"><table><caption><span>${escapeHtml(text)}</span></caption><thead>${head}</thead><tbody>${body.join('')}</tbody></table></div>`;
}

function picturesHtml({ caption: text, pictures, size = 84 }: Extract<Block, { kind: 'pictures' }>): string {
  const shown = pictures.map(({ png, alt, label }) => {
    const image = `<img alt="${escapeHtml(alt)}" src="data:image/png;base64,${base64(png)}">`;
    return `<li>${image}${label === undefined ? '' : `<span>${escapeHtml(label)}</span>`}</li>`;
  });
  return `<figure>${caption(text)}<ul class="pictures" style="--size:${size}px">${shown.join('')}</ul></figure>`;
}

const caption = (text: string): string => `<figcaption>${escapeHtml(text)}</figcaption>`;

/**
 * The chart as wide as its place lets it be, rather than as many pixels as it was drawn with; but not so narrow that its text couldn't be
 * read: its place then scrolls.
 */
const scalable = (svg: string): string =>
  svg.replace(
    /^(<svg[^>]*?)\swidth="(\d+)"\sheight="\d+"/,
    (_, start: string, width: string) =>
      `${start} aria-hidden="true" style="width:${width}px;min-width:${Math.round(SMALLEST_SCALE * Number(width))}px"`,
  );

/** Charts' text is 14 px high where they are as wide as they were drawn. */
const SMALLEST_SCALE = 0.71;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character]);

/** Bytes as base64, in pieces that `fromCharCode` takes. */
function base64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}
