import { WeftError } from '../../errors.ts';
import { type Answer, type Request, workerProgram } from './worker.ts';

/** A worker that a host has started. */
export interface HostWorker {
  post(request: Request): void;
  terminate(): void;
}

/**
 * Starts a worker: Node's way is registered by the entry points for Node, a browser's is below.
 * @param onEnd called where the worker dies, with the reason
 */
export type WorkerHost = (
  program: string,
  onAnswer: (answer: Answer) => void,
  onEnd: (reason: string) => void,
) => HostWorker;

let startWorker: WorkerHost = (program, onAnswer, onEnd) => {
  const address = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  const worker = new Worker(address);
  worker.onmessage = ({ data }) => onAnswer(data);
  worker.onerror = ({ message }) => onEnd(message);
  return {
    post: (request) => worker.postMessage(request),
    terminate: () => {
      worker.terminate();
      URL.revokeObjectURL(address);
    },
  };
};

export function setWorkerHost(host: WorkerHost): void {
  startWorker = host;
}

/** How HDF5 files are read and written. */
export interface Hdf5Options {
  /** What error messages call the file. */
  name?: string;
  /**
   * Milliseconds that reading or writing may take. Default: 60,000 to write, 15,000 to read, and 1 more for each KB. While a file is
   * read, no answer of the library may take more than a tenth of it, and 1 more for each 10 KB of the array that is read: a file that
   * makes the library loop is known soon, one with many arrays has its time.
   */
  timeLimit?: number;
  /** Most bytes that the arrays read may have together. Default 1 GiB. */
  maxBytes?: number;
}

/** A request that waits for its answer. */
interface Pending {
  readonly what: string;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: WeftError) => void;
}

/** What an error says of a request, beside the library's words, which don't tell what was read. */
function whatOf(request: Request): string {
  switch (request.do) {
    case 'start':
      return 'h5wasm could not be started';
    case 'open':
      return 'the file is damaged: it could not be opened';
    case 'names':
      return `the file is damaged, or no group '${request.path}' is in it`;
    case 'attribute':
      return `the file is damaged: the attribute '${request.name}' of '${request.path}' could not be read`;
    case 'describe':
    case 'read':
      return `the file is damaged, or no dataset '${request.path}' is in it`;
    case 'write':
      return 'the file could not be written';
  }
}

/** The HDF5 library in a worker of its own, until `end()` or its time is over. */
export class Hdf5Session {
  private readonly worker: HostWorker;
  private readonly timer: ReturnType<typeof setTimeout>;
  private pending: Pending | undefined;
  private ended: string | undefined;

  private constructor(
    private readonly name: string,
    program: string,
    timeLimit: number,
  ) {
    this.worker = startWorker(
      program,
      (answer) => {
        const { pending } = this;
        this.pending = undefined;
        clearTimeout(pending?.timer);
        if ('value' in answer) pending?.resolve(answer.value);
        else pending?.reject(this.failure(`${pending.what}: ${answer.error}`));
      },
      (reason) => this.end(reason),
    );
    this.timer = setTimeout(() => this.end(`not done in ${timeLimit / 1000} s: the time limit`), timeLimit);
  }

  static async start(
    { name = 'the file', timeLimit }: Hdf5Options & { timeLimit: number },
    memoryBytes: number,
  ): Promise<Hdf5Session> {
    // Large, and for these files alone.
    const { h5wasmCode } = await import('./h5wasm.ts');
    const session = new Hdf5Session(name, workerProgram(await h5wasmCode()), timeLimit);
    try {
      await session.ask({ do: 'start', memoryBytes });
      return session;
    } catch (error) {
      session.end();
      throw error;
    }
  }

  /**
   * @param timeLimit milliseconds for the answer
   * @throws WeftError with the library's reason, or that the time is over
   */
  ask<T>(request: Request, timeLimit?: number): Promise<T> {
    return new Promise<unknown>((resolve, reject) => {
      if (this.ended) return reject(this.failure(this.ended));
      const what = whatOf(request);
      const timer =
        timeLimit === undefined
          ? undefined
          : setTimeout(
              () => this.end(`${what}: no answer in ${timeLimit / 1000} s: the time limit`),
              timeLimit,
            );
      this.pending = { what, timer, resolve, reject };
      this.worker.post(request);
    }) as Promise<T>;
  }

  end(reason = 'closed'): void {
    if (this.ended) return;
    this.ended = reason;
    clearTimeout(this.timer);
    clearTimeout(this.pending?.timer);
    this.worker.terminate();
    this.pending?.reject(this.failure(reason));
    this.pending = undefined;
  }

  private failure(reason: string): WeftError {
    const text = reason.replace(/\s+/g, ' ').trim();
    return new WeftError(`${this.name}: HDF5: ${text.length > 300 ? `${text.slice(0, 300)}…` : text}`);
  }
}
