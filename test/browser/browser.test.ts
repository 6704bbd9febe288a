import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samples } from '../adapters/samples.ts';
import { seed } from '../support/seed.ts';
import { launchChromium, openIn } from './chromium.ts';
import type { TestPage } from './page.ts';
import { TestServer } from './server.ts';

declare const testPage: TestPage;

const LIBRARY = '/dist/index.js';
const fileOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Whatever a test imports from `src` comes from the built library instead. */
const builtLibrary: Plugin = {
  name: 'built library',
  setup({ onResolve }) {
    onResolve({ filter: /\/src\/.*\.ts$/ }, () => ({ path: LIBRARY, external: true }));
  },
};

async function bundleForPage(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileOf('page.ts')],
    alias: { vitest: fileOf('../support/vitestAlone.ts') },
    plugins: [builtLibrary],
    bundle: true,
    format: 'esm',
    write: false,
  });
  return outputFiles[0].text;
}

const html = (script: string) => `<!doctype html><title>Weft</title>
<script type="importmap">{ "imports": { "weft-gpu": "${LIBRARY}" } }</script>
<script type="module" src="${script}"></script>`;

let server: TestServer;
let browser: Browser;

beforeAll(async () => {
  const made = new Map([
    ['/samples.html', html('/samples.js')],
    ['/samples.js', await bundleForPage()],
    ['/example.html', html('/examples/train.mjs')],
  ]);
  server = await TestServer.start({ made, folders: ['dist', 'examples'] });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

const openPage = (path: string) => openIn(browser, server.origin + path);

describe('the built library in Chromium', () => {
  let page: Page;
  beforeAll(async () => {
    const opened = await openPage('/samples.html');
    page = opened.page;
    const adapter = await Promise.race([
      page.waitForFunction(() => 'testPage' in globalThis).then(() => page.evaluate(() => testPage.open())),
      opened.failed,
    ]);
    console.log(`adapter: ${adapter}`);
  });
  afterAll(() => page?.evaluate(() => testPage.close()));

  it.each(samples.map(({ name }) => name))('%s', async (name) => {
    const failure = await page.evaluate(([name, seed]) => testPage.check(name, seed), [name, seed] as const);
    expect(failure, `${name}, seed ${seed}`).toBeUndefined();
  });
});

describe('tuning in Chromium', () => {
  const openGpu = async (page: Page) => {
    await page.waitForFunction(() => 'testPage' in globalThis);
    await page.evaluate(() => testPage.open());
  };

  it('keeps what it decided in the browser', async () => {
    const { page, failed } = await openPage('/samples.html');
    const decided = async () => {
      await Promise.race([openGpu(page), failed]);
      return page.evaluate(() => testPage.tune());
    };
    expect(await decided()).toEqual(['matmul [n,24] [24,8], small: timed']);
    await page.reload();
    expect(await decided()).toEqual(['matmul [n,24] [24,8], small: stored']);
    await page.close();
  });

  it('does without where the browser keeps nothing, and says so', async () => {
    const { page, lines, failed } = await openPage('/samples.html');
    await Promise.race([page.waitForFunction(() => 'testPage' in globalThis), failed]);
    expect(await page.evaluate(() => testPage.keepWithoutDatabase())).toEqual({});
    expect(lines.filter((line) => line.startsWith('tuned choices are not kept: '))).toHaveLength(2);
    await page.close();
  });
});

describe('the example in Chromium', () => {
  it('trains with falling loss', async () => {
    const { page, lines, failed } = await openPage('/example.html');
    const losses = () =>
      lines.flatMap(
        (line) =>
          line
            .match(/loss (\S+)/)
            ?.slice(1)
            .map(Number) ?? [],
      );
    while (losses().length < 6) await Promise.race([page.waitForEvent('console'), failed]);
    expect(losses()[5]).toBeLessThan(0.5 * losses()[0]);
    await page.close();
  });
});

describe('what the pages loaded', () => {
  it("is free of Node's modules and of Dawn", () => {
    expect([...server.served.keys()]).toContain(LIBRARY);
    for (const [path, text] of server.served) {
      if (path.startsWith('/dist/'))
        expect(text, path).not.toMatch(/['"]node:|\brequire\(|['"]webgpu['"]|\bprocess\.|\bBuffer\./);
    }
  });
});
