import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

const EXECUTABLES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Chromium's executable: WEFT_CHROMIUM, or where Linux has it. @throws Error naming the package to install. */
function findChromium(): string {
  const candidates = process.env.WEFT_CHROMIUM ? [process.env.WEFT_CHROMIUM] : EXECUTABLES;
  const found = candidates.find((path) => existsSync(path));
  if (!found)
    throw new Error(
      `no Chromium at ${candidates.join(', ')}: install Debian's package chromium (apt-get install chromium), or set WEFT_CHROMIUM to its executable`,
    );
  return found;
}

const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: findChromium(), args: FLAGS });

/** A page that was opened, what it printed, and a promise that an error in it rejects. */
export interface OpenedPage {
  readonly page: Page;
  readonly lines: string[];
  readonly failed: Promise<never>;
}

/** Opens a page; an error in it fails the test that waits for it. */
export async function openIn(browser: Browser, address: string): Promise<OpenedPage> {
  const page = await browser.newPage();
  const lines: string[] = [];
  page.on('console', (message) => lines.push(message.text()));
  const failed = new Promise<never>((_, reject) => {
    page.on('pageerror', reject);
    page.on('crash', () => reject(new Error('the page crashed')));
  });
  failed.catch(() => {});
  await page.goto(address);
  return { page, lines, failed };
}
