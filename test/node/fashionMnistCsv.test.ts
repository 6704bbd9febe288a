import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadFashionMnist } from '../../src/node/fashionMnist.ts';
import { readFashionMnistArchive } from '../../src/node/fashionMnistCsv.ts';

const sizes = { train: 40, test: 20 };
const pixel = (row: number, i: number) => (row * 31 + i * 7) % 256;

/** A CSV with every class as often, and what `change` makes of its rows. */
function csv(count: number, change: (rows: string[][]) => void = () => {}): string {
  const rows = [['label', ...Array.from({ length: 784 }, (_, i) => `pixel${i + 1}`)]];
  for (let row = 0; row < count; row++)
    rows.push([`${row % 10}`, ...Array.from({ length: 784 }, (_, i) => `${pixel(row, i)}`)]);
  change(rows);
  return rows.map((row) => `${row.join(',')}\n`).join('');
}

function labelLast(rows: string[][]): void {
  for (const row of rows) row.push(row.shift()!);
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-csv-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function archive(files: [name: string, contents: string][], change = (bytes: Buffer) => bytes) {
  const tar = pack();
  for (const [name, contents] of files) tar.entry({ name }, contents);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  const path = join(folder, 'data.tar.gz');
  await writeFile(path, change(gzipSync(Buffer.concat(chunks))));
  return path;
}

const withTrain = (change: (rows: string[][]) => void): [string, string][] => [
  ['data/fashion_mnist_train.csv', csv(sizes.train, change)],
  ['data/fashion_mnist_test.csv', csv(sizes.test)],
];

describe('Fashion-MNIST as CSV in a tar.gz', () => {
  it('is read, whatever lies beside it and wherever the label stands', async () => {
    const path = await archive([
      ['data/README', 'hello'],
      ['data/fashion_mnist_test.csv', csv(sizes.test, labelLast)],
      ['data/fashion_mnist_train.csv', csv(sizes.train).replaceAll('\n', '\r\n')],
    ]);
    const { train, test, source } = await readFashionMnistArchive(path, sizes);
    expect(source).toBe(`${path} (CSV in a tar.gz, checked by counts, ranges and labels)`);
    for (const [set, count] of [
      [train, 40],
      [test, 20],
    ] as const) {
      expect(set).toMatchObject({ count, height: 28, width: 28, channels: 1 });
      expect(Array.from(set.labels)).toEqual(Array.from({ length: count }, (_, row) => row % 10));
      expect(set.images).toEqual(
        Uint8Array.from({ length: count * 784 }, (_, n) => pixel(Math.floor(n / 784), n % 784)),
      );
    }
  });

  it.each<[string, (rows: string[][]) => void, string]>([
    [
      'a pixel out of range',
      (rows) => rows[3].splice(2, 1, '256'),
      "line 4, column pixel2: expected a whole number from 0 to 255, got '256'",
    ],
    [
      'a pixel that is no number',
      (rows) => rows[3].splice(784, 1, '1.5'),
      "line 4, column pixel784: expected a whole number from 0 to 255, got '1.5'",
    ],
    [
      'an empty pixel',
      (rows) => rows[1].splice(1, 1, ''),
      "line 2, column pixel1: expected a whole number from 0 to 255, got ''",
    ],
    [
      'a label out of range',
      (rows) => rows[1].splice(0, 1, '10'),
      "line 2, column label: expected a whole number from 0 to 9, got '10'",
    ],
    ['a short line', (rows) => rows[5].pop(), 'line 6: expected 785 columns, got 784'],
    [
      'no label',
      (rows) => rows[0].splice(0, 1, 'class'),
      'line 1: expected a column named label, got class, pixel1, pixel2',
    ],
    ['too few lines', (rows) => rows.pop(), 'line 40: expected 40 images, got 39: the file is cut short'],
    ['too many lines', (rows) => rows.push(rows[1]), 'line 42: expected 40 images, got more'],
    ['an open quote', (rows) => rows[2].splice(0, 1, '"1'), 'line 3: '],
    [
      'another share of classes',
      (rows) => rows[1].splice(0, 1, '1'),
      'expected 4 images of each class, got 3 with label 0',
    ],
  ])('with %s is refused by file, line and column', async (_, change, message) => {
    const path = await archive(withTrain(change));
    await expect(readFashionMnistArchive(path, sizes)).rejects.toThrow(message);
    await expect(readFashionMnistArchive(path, sizes)).rejects.toThrow(`${path}: fashion_mnist_train.csv`);
  });

  it('is refused where the archive is cut short, no archive, or lacks a file', async () => {
    const files = withTrain(() => {});
    const cut = await archive(files, (bytes) => bytes.subarray(0, bytes.length / 2));
    await expect(readFashionMnistArchive(cut, sizes)).rejects.toThrow(
      /data.tar.gz: fashion_mnist_train.csv line \d+: unexpected end of file/,
    );
    const other = await archive(files, (bytes) => Buffer.from(bytes.map((byte) => byte ^ 1)));
    await expect(readFashionMnistArchive(other, sizes)).rejects.toThrow(
      `could not read ${other}: incorrect header check`,
    );
    const lacking = await archive(files.slice(0, 1));
    await expect(readFashionMnistArchive(lacking, sizes)).rejects.toThrow(
      `${lacking} holds no fashion_mnist_test.csv`,
    );
    const twice = await archive([...files, files[0]]);
    await expect(readFashionMnistArchive(twice, sizes)).rejects.toThrow(
      'holds fashion_mnist_train.csv twice',
    );
    await expect(readFashionMnistArchive(join(folder, 'no.tar.gz'))).rejects.toThrow(
      /could not read .*no.tar.gz: ENOENT/,
    );
  });

  it('is what loadFashionMnist takes such a path for', async () => {
    const path = await archive(withTrain(() => {}));
    await expect(loadFashionMnist({ dir: path })).rejects.toThrow(
      'expected 60000 images, got 40: the file is cut short',
    );
  });
});
