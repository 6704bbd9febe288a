import { showValue } from '../checks.ts';

/*
 * The directory of a zip archive (PKWARE's APPNOTE, 4.3): it lies at the archive's end, and says of each entry where it is, how long
 * and of which checksum. fflate's reader allocates what an entry claims as it comes to it, gives neither place nor checksum, and
 * can't stop.
 */

/** One file in an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Stored as it is, or by the algorithm deflate. */
  readonly isDeflated: boolean;
  /** Its bytes as the archive holds them. */
  readonly packed: Uint8Array;
  /** Its bytes unpacked, as claimed. */
  readonly size: number;
  readonly crc32: number;
}

/** As many as the format counts without its extension to 64 bits. */
export const MAX_ENTRIES = 0xffff;

const END = { mark: 0x06054b50, bytes: 22 };
const LOCATOR_64 = { mark: 0x07064b50, bytes: 20 };
const END_64 = { mark: 0x06064b50, bytes: 56 };
const IN_DIRECTORY = { mark: 0x02014b50, bytes: 46 };
const BEFORE_CONTENTS = { mark: 0x04034b50, bytes: 30 };
/** What stands for a number of 64 bits that lies elsewhere. */
const ELSEWHERE = 0xffffffff;
const MAX_COMMENT = 0xffff;

/**
 * The entries in the directory's order. Nothing is unpacked.
 * @param fail throws the error for what is wrong
 */
export function zipEntries(file: Uint8Array, fail: (why: string) => never): ZipEntry[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const isAt = (at: number, { mark, bytes }: { mark: number; bytes: number }): boolean =>
    at >= 0 && at + bytes <= file.length && view.getUint32(at, true) === mark;
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));

  let end = file.length - END.bytes;
  const first = Math.max(0, end - MAX_COMMENT);
  while (end >= first && !isAt(end, END)) end--;
  if (end < first) return fail('it has no directory at its end');
  let [count, at] = [view.getUint16(end + 10, true), view.getUint32(end + 16, true)];
  const locator = end - LOCATOR_64.bytes;
  if (isAt(locator, LOCATOR_64)) {
    const end64 = u64(locator + 8);
    if (!isAt(end64, END_64)) return fail('its directory of 64 bits is cut short');
    [count, at] = [u64(end64 + 32), u64(end64 + 48)];
  }
  if (count > MAX_ENTRIES) fail(`${count} entries; at most ${MAX_ENTRIES} are read`);

  const text = (from: number, length: number, isUtf8: boolean): string =>
    new TextDecoder(isUtf8 ? 'utf-8' : 'latin1').decode(file.subarray(from, from + length));
  return Array.from({ length: count }, (_, n): ZipEntry => {
    if (!isAt(at, IN_DIRECTORY)) return fail(`its directory is cut short at entry ${n} of ${count}`);
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((k) => view.getUint16(at + k, true));
    const extra = at + IN_DIRECTORY.bytes + nameBytes;
    const next = extra + extraBytes + commentBytes;
    if (next > file.length) return fail(`its directory is cut short at entry ${n} of ${count}`);
    const name = text(at + IN_DIRECTORY.bytes, nameBytes, (flags & 0x800) !== 0);
    const [size, packedBytes, begin] = wide(
      view,
      [24, 20, 42].map((k) => view.getUint32(at + k, true)),
      extra,
      extraBytes,
    );
    if (flags & 1 || (method !== 0 && method !== 8))
      fail(
        `${showValue(name)} is ${flags & 1 ? 'encrypted' : `packed by method ${method}; known: 0 (stored), 8 (deflated)`}`,
      );
    if (!isAt(begin, BEFORE_CONTENTS))
      return fail(`${showValue(name)} isn't at byte ${begin}, where it should be`);
    const contents =
      begin + BEFORE_CONTENTS.bytes + view.getUint16(begin + 26, true) + view.getUint16(begin + 28, true);
    if (contents + packedBytes > file.length || (method === 0 && size !== packedBytes))
      fail(
        `${showValue(name)} claims ${packedBytes} bytes from byte ${contents} of ${file.length}, and to be ${size} unpacked`,
      );
    const entry = {
      name,
      isDeflated: method === 8,
      packed: file.subarray(contents, contents + packedBytes),
      size,
      crc32: view.getUint32(at + 16, true),
    };
    at = next;
    return entry;
  });
}

/** Numbers of an entry, those that are elsewhere taken from its extra field of kind 1, which has them in this order. */
function wide(view: DataView, numbers: readonly number[], extra: number, extraBytes: number): number[] {
  const end = extra + extraBytes;
  let [from, to] = [end, end];
  for (let at = extra; at + 4 <= end; at += 4 + view.getUint16(at + 2, true))
    if (view.getUint16(at, true) === 1)
      [from, to] = [at + 4, Math.min(end, at + 4 + view.getUint16(at + 2, true))];
  return numbers.map((number) => {
    if (number !== ELSEWHERE || from + 8 > to) return number;
    from += 8;
    return Number(view.getBigUint64(from - 8, true));
  });
}
