import { checkBytes, showValue } from '../../checks.ts';
import { WeftError } from '../../errors.ts';
import { type Shape, showShape, sizeOf } from '../../tensor/shape.ts';
import { type Hdf5Options, Hdf5Session } from './session.ts';
import type { Attribute, Description, GroupToWrite, Request } from './worker.ts';

export type { GroupToWrite, Hdf5Options };

/*
 * HDF5 files, read and written by the package h5wasm in a worker (`worker.ts`) with a limit of time and memory (`session.ts`).
 */

const MiB = 2 ** 20;
const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
/** What the library takes for itself. */
const OWN_MEMORY = 64 * MiB;
/** Most that deflate makes of one byte. */
const MAX_RATIO = 1032;

/** A file that is open for reading. `close()` it: a worker lives as long. */
export class Hdf5File {
  /** Bytes that uncompressed arrays, and arrays at all, may still have. */
  private plainLeft: number;
  private left: number;

  private constructor(
    readonly name: string,
    private readonly session: Hdf5Session,
    /** Milliseconds for each answer. */
    private readonly answerLimit: number,
    private readonly fileBytes: number,
    maxBytes: number,
  ) {
    this.plainLeft = fileBytes;
    this.left = maxBytes;
  }

  /** @throws WeftError where the bytes are no HDF5 file, or a damaged one */
  static async open(bytes: Uint8Array, options: Hdf5Options = {}): Promise<Hdf5File> {
    checkBytes('an .h5 file', bytes);
    const {
      name = 'the file',
      maxBytes = 1024 * MiB,
      timeLimit = 15_000 + Math.ceil(bytes.length / 1000),
    } = options;
    if (!hasSignature(bytes)) throw new WeftError(`${name} is no HDF5 file: it lacks the format's signature`);
    const allowed = Math.min(maxBytes, MAX_RATIO * bytes.length);
    const session = await Hdf5Session.start({ ...options, timeLimit }, OWN_MEMORY + 2 * allowed);
    try {
      const file = new Hdf5File(name, session, Math.ceil(timeLimit / 10), bytes.length, allowed);
      await file.ask({ do: 'open', bytes });
      return file;
    } catch (error) {
      session.end();
      throw error;
    }
  }

  private ask<T>(request: Request, bytes = 0): Promise<T> {
    return this.session.ask<T>(request, this.answerLimit + Math.ceil(bytes / 10_000));
  }

  /** The names in a group. */
  names(path: string): Promise<string[]> {
    return this.ask({ do: 'names', path });
  }

  /** The value of an attribute: a string or an array of them, a number or an array. Undefined where there is none. */
  async attribute(path: string, name: string): Promise<unknown> {
    const maxBytes = this.fileBytes;
    const found = await this.ask<Attribute | undefined>({ do: 'attribute', path, name, maxBytes });
    return found?.value;
  }

  /** The numbers of a dataset as f32. @throws WeftError where it isn't one, or claims more than the file can hold */
  async dataset(path: string): Promise<{ shape: Shape; data: Float32Array }> {
    const { shape, bytes, isPlain, isNumeric } = await this.ask<Description>({
      do: 'describe',
      path,
    });
    if (!isNumeric) throw new WeftError(`${this.name}: '${path}' holds no numbers`);
    const allowed = isPlain ? Math.min(this.plainLeft, this.left) : this.left;
    if (!(bytes <= allowed && sizeOf(shape) <= bytes))
      throw new WeftError(
        `${this.name}: '${path}' claims ${bytes} bytes for shape ${showShape(shape)}, more than ${allowed}, which the file of ${this.fileBytes} bytes can still hold`,
      );
    this.left -= bytes;
    if (isPlain) this.plainLeft -= bytes;
    const data = await this.ask<Float32Array>({ do: 'read', path }, bytes);
    if (data.length !== sizeOf(shape))
      throw new WeftError(
        `${this.name}: '${path}' holds ${data.length} values for shape ${showShape(shape)}`,
      );
    return { shape, data };
  }

  close(): void {
    this.session.end();
  }
}

/**
 * The bytes of a file with these groups, attributes and datasets. A group whose name has slashes lies in others.
 * @throws WeftError where a group has a name that the format has no place for
 */
export async function encodeHdf5(root: GroupToWrite, options: Hdf5Options = {}): Promise<Uint8Array> {
  checkNames(root, options.name ?? 'the file');
  const bytes = bytesOf(root);
  const { timeLimit = 60_000 + Math.ceil(bytes / 1000) } = options;
  const session = await Hdf5Session.start({ ...options, timeLimit }, OWN_MEMORY + 4 * bytes);
  try {
    return await session.ask<Uint8Array>({ do: 'write', root });
  } finally {
    session.end();
  }
}

/** The format skips parts of a path that are empty or a dot, and ends it at a zero. */
function checkNames({ groups }: GroupToWrite, file: string): void {
  for (const [name, group] of groups) {
    if (name.includes('\0') || name.split('/').some((part) => part === '' || part === '.'))
      throw new WeftError(`${file}: HDF5 has no groups of such a name: ${showValue(name)}`);
    checkNames(group, file);
  }
}

const bytesOf = ({ groups, datasets }: GroupToWrite): number =>
  [...datasets.values()].reduce((sum, { data }) => sum + data.byteLength, 0) +
  [...groups.values()].reduce((sum, group) => sum + bytesOf(group), 0);

/** The signature may come after a block of the user's own, of 512 bytes or that doubled. */
function hasSignature(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at = at === 0 ? 512 : at * 2)
    if (SIGNATURE.every((byte, i) => bytes[at + i] === byte)) return true;
  return false;
}
