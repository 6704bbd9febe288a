import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WeftError } from '../../src/errors.ts';
import { download } from '../../src/node/download.ts';

const LIMITS = { bytes: 100_000, stallMs: 5000, totalMs: 10_000 };

const answers: Record<string, (response: http.ServerResponse) => void> = {
  '/file': (response) => response.end(new Uint8Array(100_000).fill(7)),
  '/endless': (response) => {
    const more = () => {
      while (response.writable && response.write(new Uint8Array(1 << 16)));
      response.once('drain', more);
    };
    more();
  },
  '/stalled': (response) => response.write('x'),
  '/silent': () => {},
  '/slow': (response) => {
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(timer));
  },
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': '5000' });
    response.write('x', () => response.destroy());
  },
  '/elsewhere': (response) => response.writeHead(302, { location: '/endless' }).end(),
};

let server: http.Server;
let address: string;
let open = 0;

beforeAll(async () => {
  server = http.createServer((request, response) => {
    open++;
    response.on('close', () => open--);
    const answer = answers[request.url!];
    if (answer) answer(response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

it('a file is downloaded whole, with progress', async () => {
  let last = 0;
  const onBytes = (done: number) => {
    last = done;
  };
  const bytes = await download(`${address}/file`, { ...LIMITS, onBytes });
  expect([bytes.length, bytes[99_999], last]).toEqual([100_000, 7, 100_000]);
});

it.each([
  ['/endless', {}, 'larger than 100000 bytes, the most that it can be'],
  ['/elsewhere', {}, 'larger than 100000 bytes'],
  ['/file', { bytes: 99_999 }, 'larger than 99999 bytes'],
  ['/stalled', { stallMs: 100 }, 'no answer in time: nothing came for 0.1 s'],
  ['/silent', { stallMs: 100 }, 'no answer in time'],
  ['/slow', { totalMs: 200 }, 'not there within 0.2 s'],
  ['/cut', {}, ''],
  ['/none', {}, 'HTTP status 404'],
])(
  '%s within %j is an error that names the file, and the connection is let go',
  async (path, limits, message) => {
    const failing = download(`${address}${path}`, { ...LIMITS, ...limits });
    await expect(failing).rejects.toThrow(WeftError);
    await expect(failing).rejects.toThrow(`${address}${path}: ${message}`);
    await expect.poll(() => open).toBe(0);
  },
);

it('where nobody listens, the reason is said', async () => {
  await expect(download('http://127.0.0.1:1/file', LIMITS)).rejects.toThrow('http://127.0.0.1:1/file: ');
});
