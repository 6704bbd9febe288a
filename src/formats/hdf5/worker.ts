/*
 * What runs in the worker, as text: h5wasm, the HDF5 library in WebAssembly, answers there, so that a file which makes it loop is
 * ended with its worker, and one which makes it crash brings down nothing else. h5wasm's build for browsers is taken everywhere:
 * it sees no files but the one that it is given.
 */

/** An attribute as the HDF5 library describes it, and its value. */
export interface Attribute {
  readonly value: unknown;
}

/** A dataset without its data. */
export interface Description {
  readonly shape: number[];
  /** Of all elements as they are in memory. */
  readonly bytes: number;
  /** Whether the elements lie in the file as they are, uncompressed. */
  readonly isPlain: boolean;
  readonly isNumeric: boolean;
}

/** A group to be written. Strings are of variable length, lists of strings of a fixed one, as h5py writes Python's bytes. */
export interface GroupToWrite {
  readonly attributes: ReadonlyMap<string, string | readonly string[]>;
  readonly groups: ReadonlyMap<string, GroupToWrite>;
  readonly datasets: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
}

export type Request =
  | { do: 'start'; memoryBytes: number }
  | { do: 'open'; bytes: Uint8Array }
  | { do: 'names'; path: string }
  | { do: 'attribute'; path: string; name: string; maxBytes: number }
  | { do: 'describe'; path: string }
  | { do: 'read'; path: string }
  | { do: 'write'; root: GroupToWrite };

export type Answer = { value: unknown } | { error: string };

// biome-ignore-start lint/suspicious/noExplicitAny: h5wasm is known by its code alone
/**
 * Answers requests. Its text is in the worker's program: it uses nothing outside itself.
 * @param load gives h5wasm
 */
function makeResponder(load: () => any): (request: Request) => Promise<Answer> {
  let h5: any;
  let library: any;
  let file: any;

  async function start(memoryBytes: number): Promise<void> {
    const { grow } = WebAssembly.Memory.prototype;
    WebAssembly.Memory.prototype.grow = function (pages: number) {
      if (this.buffer.byteLength + pages * 65536 > memoryBytes) throw new RangeError('out of memory');
      return grow.call(this, pages);
    };
    // The library prints its stack of errors beside throwing it.
    console.error = () => {};
    console.warn = () => {};
    h5 = load();
    library = await h5.ready;
    // Python's bytes are called ASCII, and hold UTF-8.
    const { get_attribute_metadata } = library;
    library.get_attribute_metadata = (...place: unknown[]) => ({
      ...get_attribute_metadata(...place),
      cset: 1,
    });
  }

  function attribute(path: string, name: string, maxBytes: number): Attribute | undefined {
    if (!library.get_attribute_names(file.file_id, path).includes(name)) return undefined;
    const { size, total_size: count } = library.get_attribute_metadata(file.file_id, path, name);
    if (!(size * count <= maxBytes)) throw new Error(`attribute '${name}' claims ${size * count} bytes`);
    const value = new h5.Group(file.file_id, path).get_attribute(name);
    return { value };
  }

  function describe(path: string): Description {
    const { shape, size, total_size, type, chunks } = library.get_dataset_metadata(file.file_id, path);
    const { H5T_FLOAT, H5T_INTEGER } = library.H5T_class_t;
    return {
      shape: Array.from(shape ?? [], Number),
      bytes: size * Number(total_size),
      isPlain: !chunks || library.get_dataset_filters(file.file_id, path).length === 0,
      isNumeric: Boolean(shape) && (type === H5T_FLOAT.value || type === H5T_INTEGER.value),
    };
  }

  function read(path: string): Float32Array {
    const value = new h5.Dataset(file.file_id, path).value;
    const list = ArrayBuffer.isView(value) ? (value as any) : [value];
    return list instanceof Float32Array ? list : Float32Array.from(list, Number);
  }

  function write(root: GroupToWrite): Uint8Array {
    const path = '/written.h5';
    const out = new h5.File(path, 'w');
    const written = new Set<string>();
    /** Groups within one another, where the name has slashes. */
    const groupIn = (parent: any, name: string) => {
      const path = `${parent.path}/${name}`;
      if (written.has(path)) throw new Error(`two groups are named '${path}'`);
      written.add(path);
      return name.split('/').reduce((outer, part) => outer.get(part) ?? outer.create_group(part), parent);
    };
    const fill = (group: any, { attributes, groups, datasets }: GroupToWrite) => {
      for (const [name, value] of attributes) {
        if (typeof value === 'string') group.create_attribute(name, value, [], 'A');
        else if (value.length === 0) group.create_attribute(name, new Float64Array(0), [0], '<d');
        else {
          const lengths = value.map((text) => new TextEncoder().encode(text).length);
          group.create_attribute(name, value, [value.length], `A${Math.max(1, ...lengths)}`);
        }
      }
      for (const [name, { shape, data }] of datasets)
        group.create_dataset({ name, data, shape: [...shape], dtype: '<f' });
      for (const [name, inner] of groups) fill(groupIn(group, name), inner);
    };
    fill(out, root);
    out.close();
    return library.FS.readFile(path);
  }

  async function carryOut(request: Request): Promise<unknown> {
    switch (request.do) {
      case 'start':
        return start(request.memoryBytes);
      case 'open':
        library.FS.writeFile('/file.h5', request.bytes);
        file = new h5.File('/file.h5', 'r');
        return undefined;
      case 'names':
        return library.get_names(file.file_id, request.path, false);
      case 'attribute':
        return attribute(request.path, request.name, request.maxBytes);
      case 'describe':
        return describe(request.path);
      case 'read':
        return read(request.path);
      case 'write':
        return write(request.root);
    }
  }

  return async (request) => {
    try {
      return { value: await carryOut(request) };
    } catch (error) {
      return { error: String((error as any)?.message ?? error) };
    }
  };
}
// biome-ignore-end lint/suspicious/noExplicitAny: as above

/**
 * The worker's program: a script, under Node and in a browser.
 * @param h5wasm the code of a function `loadH5wasm`
 */
export const workerProgram = (h5wasm: string): string => `${h5wasm}
// A bundler that keeps functions' names calls this.
const __name = (f) => f;
const respond = (${makeResponder.toString()})(loadH5wasm);
if (typeof self === 'undefined' || typeof process === 'object' && process.versions?.node) {
  const { parentPort } = require('node:worker_threads');
  parentPort.on('message', async (request) => parentPort.postMessage(await respond(request)));
} else {
  self.onmessage = async ({ data }) => self.postMessage(await respond(data));
}
`;
