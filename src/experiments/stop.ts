import { CLOSED_PIPE } from './output.ts';

/** Thrown where work ends early because it was asked to: no failure. */
export class Stopped extends Error {
  override name = 'Stopped';
  constructor(
    readonly reason: string,
    readonly exitCode: number,
  ) {
    super(reason);
  }
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGPIPE: CLOSED_PIPE } as const;

/** Knows whether work is to end early: by Ctrl-C, SIGTERM or a closed pipe, or because the time it was given is over. */
export class StopSignal {
  /** Set once a signal came. */
  signalled: Stopped | undefined;
  private readonly handlers = Object.entries(EXIT_CODES).map(([signal, exitCode]) => {
    const handle = () => {
      // A closed pipe says so again with every line that is written.
      if (this.signalled && signal === 'SIGPIPE') return;
      // The second time there is no patience left; the newest checkpoint is on the disk.
      if (this.signalled) process.exit(exitCode);
      this.signalled = new Stopped(`stopped by ${signal}`, exitCode);
      this.onSignal();
    };
    process.on(signal, handle);
    return { signal, handle };
  });

  /**
   * @param maxSeconds counted from the start of the process
   * @param onSignal called when the first signal arrives
   */
  constructor(
    private readonly maxSeconds: number | undefined,
    private readonly onSignal: () => void,
  ) {}

  /** Why to end, if so. */
  get asked(): Stopped | undefined {
    return this.signalled ?? this.timeOver;
  }

  /**
   * @throws Stopped where a signal came: for work that must be begun anew once it is broken off. Time alone doesn't stop such work,
   * or a run that is gone on with for a short time, again and again, would never get through it.
   */
  checkSignals(): void {
    if (this.signalled) throw this.signalled;
  }

  /** @throws Stopped where it is time to end. */
  check(): void {
    if (this.asked) throw this.asked;
  }

  dispose(): void {
    for (const { signal, handle } of this.handlers) process.off(signal, handle);
  }

  private get timeOver(): Stopped | undefined {
    const isOver = this.maxSeconds !== undefined && performance.now() >= this.maxSeconds * 1000;
    return isOver ? new Stopped('the time of --max-time is over', 0) : undefined;
  }
}
