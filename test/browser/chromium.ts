import { existsSync } from 'node:fs';

const EXECUTABLES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Chromium's executable: WEFT_CHROMIUM, or where Linux has it. @throws Error naming the package to install. */
export function findChromium(): string {
  const candidates = process.env.WEFT_CHROMIUM ? [process.env.WEFT_CHROMIUM] : EXECUTABLES;
  const found = candidates.find((path) => existsSync(path));
  if (!found)
    throw new Error(
      `no Chromium at ${candidates.join(', ')}: install Debian's package chromium (apt-get install chromium), or set WEFT_CHROMIUM to its executable`,
    );
  return found;
}
