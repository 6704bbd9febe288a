/*
 * What a report looks like in light, in dark, on a phone and on paper, as PNG pictures to look at:
 *
 *   node test/report/screenshots.mjs report.html folder
 *
 * Ends with 1 where the page asks for a file, writes an error, or is wider than its window. Chromium is that of WEFT_CHROMIUM, or
 * Debian's.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

/** A picture may be so high, in CSS pixels; what is longer goes on in the next. */
const PICTURE_HEIGHT = 4000;
/** A4 less margins of 10 mm, in CSS pixels. */
const PAPER_WIDTH = 718;

const looks = [
  { name: 'light', width: 1100, colorScheme: 'light' },
  { name: 'dark', width: 1100, colorScheme: 'dark' },
  { name: 'phone', width: 360, colorScheme: 'dark' },
  { name: 'paper', width: PAPER_WIDTH, colorScheme: 'dark', media: 'print' },
];

const [file, folder] = process.argv.slice(2);
if (!file || !folder) {
  console.error('use: node test/report/screenshots.mjs report.html folder');
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
const url = pathToFileURL(resolve(file)).href;
const executablePath = process.env.WEFT_CHROMIUM ?? '/usr/bin/chromium';
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
for (const { name, width, colorScheme, media = 'screen' } of looks) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const fails = (what) => {
    console.error(`${name}: ${what}`);
    process.exitCode = 1;
  };
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) fails(`asks for ${request.url()}`);
  });
  page.on('console', (message) => fails(message.text()));
  await page.emulateMedia({ media });
  await page.goto(url);
  const size = await page.evaluate(() => {
    const { scrollWidth, scrollHeight } = document.documentElement;
    return { scrollWidth, scrollHeight };
  });
  if (size.scrollWidth > width) fails(`is ${size.scrollWidth} px wide, its window ${width} px`);
  for (let y = 0, n = 1; y < size.scrollHeight; y += PICTURE_HEIGHT, n++) {
    const path = join(folder, `${name}-${n}.png`);
    const clip = { x: 0, y, width, height: Math.min(PICTURE_HEIGHT, size.scrollHeight - y) };
    await page.screenshot({ path, fullPage: true, clip });
    console.log(path);
  }
  if (media === 'print') {
    const path = join(folder, 'paper.pdf');
    const margin = { top: '10mm', bottom: '10mm', left: '10mm', right: '10mm' };
    await page.pdf({ path, format: 'A4', margin, printBackground: true });
    console.log(path);
  }
  await page.close();
}
await browser.close();
