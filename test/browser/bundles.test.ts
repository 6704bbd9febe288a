import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as esbuild } from 'esbuild';
import { decode } from 'fast-png';
import type { Browser, Page } from 'playwright-core';
import { build as vite } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixture } from '../formats/fixtures.ts';
import { launchChromium, openIn } from './chromium.ts';
import { TestServer } from './server.ts';

/** What `bundlePage.js` offers. */
declare const bundlePage: {
  report(): { html: string; png: number[] };
  npz(): Promise<number[]>;
  h5(): Promise<number[][]>;
  kerasLayers(bytes: number[]): Promise<string[]>;
  damaged(bytes: number[]): Promise<string>;
};

const root = fileURLToPath(new URL('../../', import.meta.url));
/** A project of its own inside this one, where packages are found. */
const project = join(root, '.cache', 'test-bundles');
const entry = join(project, 'page.js');

const html = (script: string) =>
  `<!doctype html><title>Weft</title><script type="module" src="${script}"></script>`;

/** How pages are built. Each writes into a folder, and what a page loads is `page.js` there. */
const bundlers: Record<string, (out: string) => Promise<unknown>> = {
  esbuild: (outdir) => esbuild({ entryPoints: [entry], bundle: true, minify: true, outdir }),
  'esbuild-splitting': (outdir) =>
    esbuild({ entryPoints: [entry], bundle: true, splitting: true, format: 'esm', outdir }),
  Vite: (outDir) =>
    vite({
      ...{ root: project, configFile: false, logLevel: 'error', base: '/Vite/' },
      build: {
        ...{ outDir, target: 'es2022' },
        rolldownOptions: { input: entry, output: { entryFileNames: 'page.js' } },
      },
    }),
};

let server: TestServer;
let browser: Browser;

beforeAll(async () => {
  await rm(project, { recursive: true, force: true });
  await mkdir(join(project, 'node_modules'), { recursive: true });
  await symlink(root, join(project, 'node_modules', 'weft-gpu'), 'dir');
  await copyFile(fileURLToPath(new URL('bundlePage.js', import.meta.url)), entry);
  const made = new Map<string, string>();
  for (const [name, build] of Object.entries(bundlers)) {
    const out = join(project, 'out', name);
    await build(out);
    for (const file of await readdir(out, { recursive: true }))
      if (file.endsWith('.js')) made.set(`/${name}/${file}`, await readFile(join(out, file), 'utf8'));
    made.set(`/${name}.html`, html(`/${name}/page.js`));
  }
  server = await TestServer.start({ made, folders: [] });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  await rm(project, { recursive: true, force: true });
});

describe.each(Object.keys(bundlers))('a page that %s built', (name) => {
  let page: Page;
  beforeAll(async () => {
    const opened = await openIn(browser, `${server.origin}/${name}.html`);
    page = opened.page;
    await Promise.race([page.waitForFunction(() => 'bundlePage' in globalThis), opened.failed]);
  });
  afterAll(() => page?.close());

  it('makes reports with charts and pictures', async () => {
    const { html, png } = await page.evaluate(() => bundlePage.report());
    expect(html).toMatch(/^<!DOCTYPE html>[\s\S]*<svg[\s\S]*data:image\/png;base64,/);
    expect(decode(Uint8Array.from(png))).toMatchObject({
      ...{ width: 2, height: 2, channels: 1 },
      data: Uint8Array.of(0, 50, 100, 255),
    });
  });

  it("reads and writes NumPy's and Keras' files", async () => {
    expect(await page.evaluate(() => bundlePage.npz())).toEqual([1, 2]);
    const [before, after] = await page.evaluate(() => bundlePage.h5());
    expect(before).toHaveLength(12);
    expect(after).toEqual(before);
    const file = [...fixture('keras/list.h5')];
    const layers = await page.evaluate((file) => bundlePage.kerasLayers(file), file);
    expect(layers.length).toBeGreaterThan(2);
  });

  it('is told what is wrong with a damaged file', async () => {
    const file = [...fixture('keras/list.h5').subarray(0, 3000)];
    expect(await page.evaluate((file) => bundlePage.damaged(file), file)).toMatch(
      /^WeftError: the file: HDF5: /,
    );
  });
});

describe('a page that needs no .h5', () => {
  it('is built without what reads it', async () => {
    const file = join(project, 'npz.js');
    await writeFile(file, "import { decodeNpz } from 'weft-gpu/files'; globalThis.decodeNpz = decodeNpz;");
    const { outputFiles } = await esbuild({ entryPoints: [file], bundle: true, minify: true, write: false });
    expect(outputFiles[0].contents.length).toBeLessThan(200_000);
  });
});
