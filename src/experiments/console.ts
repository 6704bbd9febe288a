import cliProgress from 'cli-progress';
import { printable } from '../checks.ts';
import type { Progress } from '../node/progress.ts';

/** Without a terminal, a long step says how far it is this often. */
const PLAIN_EVERY_MS = 15_000;

/** A text as a terminal gets it: names from files, which may be anybody's, move no cursor there and turn no direction. */
const forTerminal = (text: string): string => text.split('\n').map(printable).join('\n');

/** What a command prints, all of it: lines, errors, and below them the progress of one thing at a time. */
export class Console {
  private bar: cliProgress.SingleBar | undefined;
  private what = '';
  private lastPlain = 0;
  private readonly isTerminal = process.stderr.isTTY === true;

  line(text = ''): void {
    this.write(`${text}\n`);
  }

  /** Writes a text as it is, without its control codes. */
  write(text: string): void {
    this.endProgress();
    process.stdout.write(forTerminal(text));
  }

  /** What went wrong. */
  error(text: string): void {
    this.endProgress();
    process.stderr.write(forTerminal(text));
  }

  /** How far `what` is; a bar on a terminal, a line now and then elsewhere. */
  progress(what: string, done: number, total: number, details = ''): void {
    if (what !== this.what) this.startProgress(what, total);
    if (this.bar) {
      this.bar.setTotal(total);
      this.bar.update(done, { details: forTerminal(details) });
      if (done >= total && total > 0) this.endProgress();
    } else if (performance.now() - this.lastPlain >= PLAIN_EVERY_MS) {
      this.lastPlain = performance.now();
      process.stdout.write(
        forTerminal(`${what}: ${done}${total > 0 ? ` of ${total}` : ''}${details && `  ${details}`}\n`),
      );
    }
  }

  /** For downloads: how far, in MB. */
  readonly download = ({ what, done, total }: Progress): void => {
    const megabytes = (bytes: number) => (bytes < 1e6 ? bytes : `${(bytes / 1e6).toFixed(1)} MB`);
    this.progress(what, done, total, `${megabytes(done)}${total > 0 ? ` of ${megabytes(total)}` : ''}`);
  };

  /** Takes the bar away, so that something else can be written. */
  endProgress(): void {
    this.bar?.stop();
    this.bar = undefined;
    this.what = '';
  }

  private startProgress(what: string, total: number): void {
    this.endProgress();
    this.what = what;
    this.lastPlain = performance.now();
    if (!this.isTerminal) return;
    this.bar = new cliProgress.SingleBar({
      format: `${forTerminal(what)} [{bar}] {percentage}% {details}`,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      gracefulExit: false,
    });
    this.bar.start(total, 0, { details: '' });
  }
}

/** A time in words: `40 s`, `12 min 5 s`, `3.4 h`, `38 days`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}
