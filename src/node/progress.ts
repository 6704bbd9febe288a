/** How far a download or another long step has come. */
export interface Progress {
  /** What is being done, for a person to read. */
  what: string;
  /** Bytes so far, or steps so far. */
  done: number;
  /** Bytes or steps in all; 0 where that isn't known. */
  total: number;
}

/** Where long-running helpers say what they do. */
export interface Reporting {
  /** Called as it goes on. */
  onProgress?: (progress: Progress) => void;
  /** Gets one line for what a person should know and may not miss; default: standard error. */
  onNote?: (line: string) => void;
}

export function note(reporting: Reporting, line: string): void {
  if (reporting.onNote) reporting.onNote(line);
  else process.stderr.write(`${line}\n`);
}
