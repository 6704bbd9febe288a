import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, normalize } from 'node:path';

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
};

/** What a page finds by its path. */
export interface Site {
  /** Pages and scripts made for the test. */
  readonly made: ReadonlyMap<string, string>;
  /** Folders of the project that are served as they are. */
  readonly folders: readonly string[];
}

/** A server for one page on this machine alone, with a note of every path that was asked for and found. */
export class TestServer {
  readonly served = new Map<string, string>();
  private constructor(
    private readonly server: Server,
    readonly origin: string,
  ) {}

  static async start(site: Site): Promise<TestServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const started = new TestServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on('request', async ({ url = '/' }, response) => {
      const path = normalize(new URL(url, started.origin).pathname);
      const body = site.made.get(path) ?? (await fromFolders(path, site.folders));
      if (body === undefined) return response.writeHead(404).end();
      started.served.set(path, body);
      response.writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'text/html' }).end(body);
    });
    return started;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

async function fromFolders(path: string, folders: readonly string[]): Promise<string | undefined> {
  if (!folders.some((folder) => path.startsWith(`/${folder}/`))) return undefined;
  return readFile(new URL(`../../${path.slice(1)}`, import.meta.url), 'utf8').catch(() => undefined);
}
