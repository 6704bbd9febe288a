import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type DataSet, FASHION_MNIST_CLASSES } from '../data/fashionMnist.ts';
import { WeftError } from '../errors.ts';
import { loadPeer } from '../formats/peer.ts';

/*
 * Fashion-MNIST as CSV in a tar.gz: fashion_mnist_train.csv and fashion_mnist_test.csv, in any folder of it. The first line names the
 * columns, `label` and 784 pixels, row by row. Nobody has published checksums: counts, ranges and labels are checked.
 */

const FILES = { train: 'fashion_mnist_train.csv', test: 'fashion_mnist_test.csv' } as const;
type Part = keyof typeof FILES;

const SIDE = 28;
const PIXELS = SIDE * SIDE;
/** Both files are some 140 MB; what is far larger isn't them. */
const MAX_UNPACKED_BYTES = 2 ** 29;
const MAX_LINE_BYTES = 2 ** 16;

/** Whether a path names such an archive rather than a folder. */
export const isArchive = (path: string): boolean => /\.(tar\.gz|tgz)$/i.test(path);

/** Images a file has, as many of each class. */
export type Sizes = Readonly<Record<Part, number>>;

/**
 * Reads both sets, line by line.
 * @throws WeftError naming file, line and column where something isn't as it should be; and where the packages tar-stream and
 * csv-parse aren't installed
 */
export async function readFashionMnistArchive(
  path: string,
  sizes: Sizes = { train: 60_000, test: 10_000 },
): Promise<{ train: DataSet; test: DataSet; source: string }> {
  const { extract } = await loadPeer('tar-stream', 'reading .tar.gz', () => import('tar-stream'));
  const found: Partial<Record<Part, DataSet>> = {};
  const archive = extract();
  let unpacked = 0;
  const unpacking = pipeline(
    createReadStream(path),
    createGunzip(),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        unpacked += chunk.length;
        if (unpacked > MAX_UNPACKED_BYTES)
          throw new WeftError(
            `${path} holds more than ${MAX_UNPACKED_BYTES} bytes: that isn't Fashion-MNIST`,
          );
        yield chunk;
      }
    },
    archive,
  );
  const reading = (async () => {
    for await (const entry of archive) {
      const part = (Object.keys(FILES) as Part[]).find((key) => FILES[key] === basename(entry.header.name));
      if (part && found[part]) throw new WeftError(`${path} holds ${FILES[part]} twice`);
      if (part)
        found[part] = await readCsv(entry as unknown as Readable, `${path}: ${FILES[part]}`, sizes[part]);
      else entry.resume();
    }
  })();
  // What was read says more of what is wrong than the archive that it broke off.
  const [read, unpackedWhole] = await Promise.allSettled([
    reading.catch((error) => {
      archive.destroy(error);
      throw error;
    }),
    unpacking,
  ]);
  for (const { reason } of [read, unpackedWhole].filter((result) => result.status === 'rejected')) {
    if (reason instanceof WeftError) throw reason;
    throw new WeftError(`could not read ${path}: ${(reason as Error).message}`, { cause: reason });
  }
  const { train, test } = found;
  const missing = train ? FILES.test : FILES.train;
  if (!train || !test) throw new WeftError(`${path} holds no ${missing}`);
  return { train, test, source: `${path} (CSV in a tar.gz, checked by counts, ranges and labels)` };
}

async function readCsv(stream: Readable, name: string, count: number): Promise<DataSet> {
  const { parse } = await loadPeer('csv-parse', 'reading CSV', () => import('csv-parse'));
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  const fail = (line: number, column: string | undefined, expected: string, got: string): never => {
    const place = column === undefined ? '' : `, column ${column}`;
    throw new WeftError(`${name} line ${line}${place}: expected ${expected}, got ${got}`);
  };
  let header: string[] | undefined;
  let labelAt = 0;
  let row = 0;
  const rows = parse({
    bom: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_LINE_BYTES,
  });
  stream.on('error', (error) => rows.destroy(error));
  stream.pipe(rows);
  try {
    for await (const cells of rows as AsyncIterable<string[]>) {
      const line = row + (header ? 2 : 1);
      if (cells.length !== PIXELS + 1) fail(line, undefined, `${PIXELS + 1} columns`, `${cells.length}`);
      if (!header) {
        header = cells;
        labelAt = header.indexOf('label');
        if (labelAt < 0) fail(line, undefined, 'a column named label', header.slice(0, 3).join(', '));
        continue;
      }
      if (row === count) fail(line, undefined, `${count} images`, 'more');
      let at = row * PIXELS;
      for (let i = 0; i < cells.length; i++) {
        const most = i === labelAt ? FASHION_MNIST_CLASSES.length - 1 : 255;
        const value = /^\d{1,3}$/.test(cells[i]) ? Number(cells[i]) : Number.NaN;
        if (!(value <= most))
          fail(line, header[i], `a whole number from 0 to ${most}`, `'${cells[i].slice(0, 20)}'`);
        if (i === labelAt) labels[row] = value;
        else images[at++] = value;
      }
      row++;
    }
  } catch (error) {
    stream.destroy();
    if (error instanceof WeftError) throw error;
    throw new WeftError(`${name} line ${row + (header ? 2 : 1)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (row !== count) fail(row + 1, undefined, `${count} images`, `${row}: the file is cut short`);
  const classes = FASHION_MNIST_CLASSES.map((_, label) => labels.filter((other) => other === label).length);
  const odd = classes.findIndex((images) => images !== count / classes.length);
  if (odd >= 0)
    throw new WeftError(
      `${name}: expected ${count / classes.length} images of each class, got ${classes[odd]} with label ${odd}`,
    );
  return { images, labels, count, height: SIDE, width: SIDE, channels: 1, classNames: FASHION_MNIST_CLASSES };
}
