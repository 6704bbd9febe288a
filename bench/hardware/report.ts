import { atomicWrite } from '../../src/node/files.ts';
import { PARTS, type PartName } from './parts.ts';

/** What one part of the benchmark found. A field that was not measured is null. */
export interface PartResult {
  /** Whether the part ended before it had measured everything. */
  cut: boolean;
  /** What ended it, where that was not the time. */
  error: string | null;
  /** How long it took; null where it never began. */
  seconds: number | null;
  [field: string]: unknown;
}

/** All that the benchmark finds on one adapter: the file that it writes. */
export interface Report extends Record<PartName, PartResult> {
  readonly format: 1;
  /** The commit that was built. */
  readonly commit: string;
  /** When it began. */
  readonly date: string;
  /** The time that it was given. */
  readonly minutes: number;
}

/** A report of nothing yet. */
export function emptyReport(about: Pick<Report, 'commit' | 'date' | 'minutes'>): Report {
  const parts = Object.fromEntries(PARTS.map(({ name }) => [name, emptyPart(name)]));
  return { format: 1, ...about, ...parts } as Report;
}

export function emptyPart(name: PartName): PartResult {
  const { fields } = PARTS.find((part) => part.name === name)!;
  return {
    cut: true,
    error: null,
    seconds: null,
    ...Object.fromEntries(fields.map((field) => [field, null])),
  };
}

/** The report's file. It is whole at every moment, whatever ends the process. */
export class ReportFile {
  private writing: Promise<void> | undefined;
  private isStale = false;

  constructor(
    readonly path: string,
    private readonly report: Report,
  ) {}

  /** Writes the report as it is now, or once more after the writing that is under way. */
  save(): Promise<void> {
    this.isStale = true;
    this.writing ??= this.writeWhileStale().finally(() => {
      this.writing = undefined;
    });
    return this.writing;
  }

  private async writeWhileStale(): Promise<void> {
    while (this.isStale) {
      this.isStale = false;
      await atomicWrite(this.path, `${JSON.stringify(this.report, null, 1)}\n`);
    }
  }
}
