import { describe, expect, it } from 'vitest';
import { type Block, reportPage } from '../../src/report/page.ts';
import { encodePng, grayPicture } from '../../src/report/pictures.ts';

const page = (...blocks: Block[]) => reportPage({ title: 'Mine', sections: [{ title: 'One', blocks }] });

const png = encodePng(grayPicture(Uint8Array.of(0, 255), 2, 1));
const hostile = `</style><script>alert("1")</script>&'`;
const escaped = '&lt;/style&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;';

/** Tags that are opened and not closed, or the other way round; those that stand alone are left out. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  for (const [, close, name] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)\b[^>]*?(?<!\/)>/gi)) {
    if (['meta', 'img', 'br'].includes(name)) continue;
    if (!close) open.push(name);
    else if (open.pop() !== name) return [name];
  }
  return open;
}

const all: Block[] = [
  { kind: 'text', text: `${hostile}\n\nsecond` },
  { kind: 'facts', facts: [[hostile, hostile]] },
  {
    kind: 'table',
    caption: hostile,
    header: [hostile, hostile],
    rows: [[hostile, hostile], []],
    shades: [[1]],
  },
  { kind: 'chart', caption: hostile, alt: hostile, svg: '<svg width="9" height="9"></svg>' },
  { kind: 'pictures', caption: hostile, pictures: [{ png, alt: hostile, label: hostile }] },
];

describe('a page', () => {
  it('is one well-formed file without addresses, scripts or files beside it', () => {
    const html = page(...all);
    expect(html).toMatch(/^<!DOCTYPE html>\n<html lang="en">/);
    expect(unbalanced(html)).toEqual([]);
    expect(html).not.toMatch(/<script|<link|https?:|url\(/i);
    expect([...html.matchAll(/src="([^"]{0,22})/g)].map(([, start]) => start)).toEqual([
      'data:image/png;base64,',
    ]);
  });

  it('takes every text as text', () => {
    const html = reportPage({
      title: hostile,
      subtitle: hostile,
      sections: Array.from({ length: 4 }, () => ({ title: hostile, group: hostile, blocks: all })),
    });
    expect(html).not.toContain('<script');
    expect(html).not.toContain(hostile);
    expect(unbalanced(html)).toEqual([]);
    // In a section: its title, text, fact (2), table's label and text and cells (5), chart (2), pictures (3); and the contents.
    expect(html.split(escaped).length - 1).toBe(4 * (1 + 1 + 2 + 6 + 2 + 3) + 3 + 6);
  });

  it('lists its sections from the fourth on, and puts neighbours of a group under one heading', () => {
    const section = (title: string, group?: string) => ({ title, group, blocks: [] });
    const three = [section('a'), section('b', 'B'), section('c', 'B')];
    expect(reportPage({ title: 'x', sections: three })).not.toContain('<nav');
    const html = reportPage({ title: 'x', sections: [...three, section('d')] });
    expect([...html.matchAll(/<a href="#(section-\d)">(\w)/g)].map(([, id, name]) => [id, name])).toEqual([
      ['section-1', 'a'],
      ['section-2', 'b'],
      ['section-3', 'c'],
      ['section-4', 'd'],
    ]);
    const headings = [...html.matchAll(/<h([23])>(\w)/g)].map(([, level, name]) => level + name);
    expect(headings).toEqual(['2a', '2B', '3b', '3c', '2d']);
  });

  it('has paragraphs, facts, and tables with rules and shaded cells', () => {
    const html = page(
      { kind: 'text', text: 'one\n\ntwo' },
      { kind: 'facts', facts: [['size', '3']] },
      {
        kind: 'table',
        caption: 'T',
        header: ['class', 'n', 'word'],
        rows: [['a', '1', 'x'], [], ['b', '', '2']],
        shades: [[0.25, 0.95]],
      },
    );
    expect(html).toContain('<p>one</p>\n<p>two</p>');
    expect(html).toContain('<dt>size</dt><dd>3</dd>');
    expect(html).toContain('<td class="shaded" style="--shade:25.0%">1</td>');
    expect(html).toContain('<td class="words deep" style="--shade:95.0%">x</td>');
    expect(html).toContain('<tr class="rule"><td colspan="3"></td></tr><tr><th scope="row">b</th><td></td>');
    expect(html).toContain('<th scope="col">n</th><th scope="col" class="words">word</th>');
  });

  it('has charts that scale, several side by side under one description', () => {
    const svg = '<svg width="400" height="300" viewBox="0 0 400 300"></svg>';
    const html = page({ kind: 'chart', caption: 'C', alt: 'two lines', svg: [svg, svg] });
    expect(html).toContain('role="img" aria-label="two lines"');
    expect(html.match(/<svg aria-hidden="true" style="width:400px;min-width:284px" viewBox/g)).toHaveLength(
      2,
    );
    expect(html).toContain('<figcaption>C</figcaption>');
  });

  it('has pictures in their size with descriptions', () => {
    const html = page({
      kind: 'pictures',
      caption: 'P',
      pictures: [{ png, alt: 'dark', label: 'd' }],
      size: 50,
    });
    expect(html).toContain(
      `<img alt="dark" src="data:image/png;base64,${Buffer.from(png).toString('base64')}">`,
    );
    expect(html).toContain('style="--size:50px"');
    expect(html).toContain('<span>d</span>');
  });
});
