import { WeftError } from '../errors.ts';

/** What a download may take at most. */
export interface DownloadLimits {
  bytes: number;
  /** Until the first answer, and from one piece to the next. */
  stallMs: number;
  /** In all. */
  totalMs: number;
  /** Called with the bytes so far, and those in all where the server says. */
  onBytes?: (done: number, total: number) => void;
}

/**
 * Downloads a file into memory.
 * @throws WeftError where it isn't there or breaks off, or a limit is passed
 */
export async function download(url: string, limits: DownloadLimits): Promise<Uint8Array> {
  const { bytes, stallMs, totalMs, onBytes } = limits;
  const abort = new AbortController();
  const giveUp = (why: string) => abort.abort(new WeftError(`${url}: ${why}`));
  const total = setTimeout(() => giveUp(`not there within ${totalMs / 1000} s`), totalMs);
  let stall: NodeJS.Timeout | undefined;
  const progress = () => {
    clearTimeout(stall);
    stall = setTimeout(() => giveUp(`no answer in time: nothing came for ${stallMs / 1000} s`), stallMs);
  };
  progress();
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok || !response.body) throw new WeftError(`${url}: HTTP status ${response.status}`);
    const announced = Number(response.headers.get('content-length') ?? 0);
    const chunks: Uint8Array[] = [];
    let done = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      progress();
      chunks.push(chunk);
      done += chunk.length;
      if (done > bytes) throw new WeftError(`${url}: larger than ${bytes} bytes, the most that it can be`);
      onBytes?.(done, announced);
    }
    return Buffer.concat(chunks);
  } catch (error) {
    const reason: unknown = abort.signal.aborted ? abort.signal.reason : error;
    // Lets go of the connection where the rest isn't wanted.
    abort.abort();
    if (reason instanceof WeftError) throw reason;
    const cause = ((reason as Error).cause as Error | undefined) ?? (reason as Error);
    throw new WeftError(`${url}: ${cause.message}`, { cause: error });
  } finally {
    clearTimeout(total);
    clearTimeout(stall);
  }
}
