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

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** Asked by whoever works whether to end: Ctrl-C, SIGTERM, or the time given is used up. */
export class StopSignal {
  private asked: Stopped | undefined;
  private readonly deadline: number;
  private readonly handlers = Object.entries(EXIT_CODES).map(([signal, exitCode]) => {
    const handle = () => {
      // The second time there is no patience left; the newest checkpoint is on the disk.
      if (this.asked) process.exit(exitCode);
      this.asked = new Stopped(`stopped by ${signal}`, exitCode);
      this.onAsked?.();
    };
    process.on(signal, handle);
    return { signal, handle };
  });

  /**
   * @param maxSeconds counted from the start of the process
   * @param onAsked called when a signal arrives
   */
  constructor(
    private readonly maxSeconds: number | undefined,
    private readonly onAsked?: () => void,
  ) {
    this.deadline = maxSeconds === undefined ? Number.POSITIVE_INFINITY : maxSeconds - process.uptime();
    this.deadline = performance.now() + this.deadline * 1000;
  }

  get stopped(): Stopped | undefined {
    if (!this.asked && performance.now() >= this.deadline) this.asked = new Stopped(`${this.maxSeconds} s are over`, 0);
    return this.asked;
  }

  /** Why to end, if so. */
  readonly reason = (): string | undefined => this.stopped?.reason;

  /** @throws Stopped */
  readonly check = (): void => {
    if (this.stopped) throw this.stopped;
  };

  dispose(): void {
    for (const { signal, handle } of this.handlers) process.off(signal, handle);
  }
}
