import { hasCode } from '../node/files.ts';

/** What a shell reports of a program that was ended by SIGPIPE. */
export const CLOSED_PIPE = 141;

/**
 * Ends the command where nobody can read what it says: as other programs do, without a word where a pipe was closed, as by
 * `weft models | head -1`. Work that a StopSignal watches over ends in order.
 */
export function endWithOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!hasCode(error, 'EPIPE')) {
        process.stderr.write(`error: could not write the output: ${error.message}\n`);
        process.exit(1);
      }
      if (!process.emit('SIGPIPE')) process.exit(CLOSED_PIPE);
    });
  }
}
