import { Console } from '../../src/experiments/console.ts';

/** Keeps what a command prints, line by line, and shows nothing. */
export class Lines extends Console {
  readonly lines: string[] = [];
  override line(text = ''): void {
    this.lines.push(...text.split('\n'));
  }
  override progress(): void {}
}
