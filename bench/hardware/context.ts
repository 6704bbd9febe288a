import type { PartResult, Report } from './report.ts';

/** What a run is given: a line of JSON on its standard input, which stays open until the benchmark ends. */
export interface Given {
  /** Seconds that it may take. */
  readonly seconds: number;
  /** The adapter as `openAdapter` takes it. */
  readonly adapter: string;
  /** Where a training is kept. */
  readonly folder: string;
  /** What was found so far. */
  readonly report: Report;
}

/** A run, from within. It reports by lines of JSON on its standard output. */
export class RunContext {
  private readonly end: number;

  constructor(readonly given: Given) {
    this.end = performance.now() + 1000 * given.seconds;
  }

  get secondsLeft(): number {
    return (this.end - performance.now()) / 1000;
  }

  /** Sets fields of the part that the run belongs to. */
  set(fields: Record<string, unknown>): void {
    process.stdout.write(`${JSON.stringify({ set: fields })}\n`);
  }

  /** Says that the run ends before it has measured everything. */
  cut(): void {
    this.set({ cut: true } satisfies Partial<PartResult>);
  }

  /** Says on the terminal how far the run is. */
  note(text: string): void {
    process.stderr.write(`  ${text}\n`);
  }
}

/** Reads what the run is given, and ends the process when the benchmark that began it is gone. */
export async function readGiven(): Promise<Given> {
  let text = '';
  return new Promise((resolve) => {
    process.stdin.setEncoding('utf8');
    process.stdin.on('data', (chunk) => {
      text += chunk;
      if (text.endsWith('\n')) resolve(JSON.parse(text));
    });
    process.stdin.on('end', () => process.exit(1));
  });
}
