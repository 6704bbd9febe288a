import { WeftError } from '../errors.ts';
import { type IdxArray, parseIdx } from './idx.ts';

/** Labelled images in memory, as bytes: pixels 0 (background) to 255. */
export interface DataSet {
  /** `count × height × width × channels` bytes, row-major. */
  images: Uint8Array;
  /** `count` class numbers, each an index into `classNames`. */
  labels: Uint8Array;
  count: number;
  height: number;
  width: number;
  channels: number;
  classNames: readonly string[];
}

export const FASHION_MNIST_CLASSES: readonly string[] = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
];

/**
 * Where the four gzipped files are published, the first to be asked first: the authors' repository, Keras' mirror and the authors' own
 * server, which has no HTTPS.
 */
export const FASHION_MNIST_PUBLISHERS: readonly string[] = [
  'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion',
  'https://storage.googleapis.com/tensorflow/tf-keras-datasets',
  'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com',
];

/** One of the set's four files. Sizes and checksums are those of the uncompressed file: distributors gzip it anew. */
export interface FashionMnistFile {
  name: string;
  bytes: number;
  sha256: string;
}

export type FashionMnistPart = 'trainImages' | 'trainLabels' | 'testImages' | 'testLabels';

export const FASHION_MNIST_FILES: Readonly<Record<FashionMnistPart, FashionMnistFile>> = {
  trainImages: {
    name: 'train-images-idx3-ubyte',
    bytes: 47040016,
    sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
  },
  trainLabels: {
    name: 'train-labels-idx1-ubyte',
    bytes: 60008,
    sha256: 'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
  },
  testImages: {
    name: 't10k-images-idx3-ubyte',
    bytes: 7840016,
    sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
  },
  testLabels: {
    name: 't10k-labels-idx1-ubyte',
    bytes: 10008,
    sha256: '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
  },
};

/**
 * Checks that `bytes` (uncompressed) are exactly the file that they should be.
 *
 * @param path what error messages call it.
 * @throws WeftError saying what was expected and what is there: another file of the set, a file cut short, other bytes.
 */
export async function verifyFashionMnistFile(
  file: FashionMnistFile,
  bytes: Uint8Array,
  path: string,
): Promise<void> {
  const sha256 = await sha256Hex(bytes);
  if (sha256 === file.sha256) return;
  const twin = Object.values(FASHION_MNIST_FILES).find((other) => other.sha256 === sha256);
  if (twin)
    throw new WeftError(
      `${path}: expected ${file.name}, got the contents of ${twin.name}: files are swapped`,
    );
  if (bytes.length !== file.bytes) {
    const fault = bytes.length < file.bytes ? 'the file is cut short' : 'the file is too long';
    throw new WeftError(`${path}: expected ${file.bytes} bytes uncompressed, got ${bytes.length}: ${fault}`);
  }
  throw new WeftError(`${path}: expected SHA-256 ${file.sha256}, got ${sha256}: the file is corrupt`);
}

/** The uncompressed bytes of the four files. */
export type FashionMnistBytes = Readonly<Record<FashionMnistPart, Uint8Array>>;

/**
 * Makes the training set (60,000 images) and the test set (10,000) of the four files, each checked against its checksum.
 *
 * @throws WeftError naming the file that isn't what it should be.
 */
export async function assembleFashionMnist(
  files: FashionMnistBytes,
): Promise<{ train: DataSet; test: DataSet }> {
  const parts = Object.entries(FASHION_MNIST_FILES) as [FashionMnistPart, FashionMnistFile][];
  await Promise.all(parts.map(([part, file]) => verifyFashionMnistFile(file, files[part], file.name)));
  return fashionMnistSets(files);
}

/** As `assembleFashionMnist`, for files that have passed `verifyFashionMnistFile` already. */
export function fashionMnistSets(files: FashionMnistBytes): { train: DataSet; test: DataSet } {
  const parse = (part: FashionMnistPart) => parseIdx(files[part], FASHION_MNIST_FILES[part].name);
  return {
    train: dataSet(parse('trainImages'), parse('trainLabels')),
    test: dataSet(parse('testImages'), parse('testLabels')),
  };
}

function dataSet(images: IdxArray, labels: IdxArray): DataSet {
  const [count, height, width] = images.shape;
  const classNames = FASHION_MNIST_CLASSES;
  return { images: images.data, labels: labels.data, count, height, width, channels: 1, classNames };
}

async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle)
    throw new WeftError(
      'no SHA-256 here: browsers offer crypto.subtle only to pages from https or localhost',
    );
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
