import { GpuError } from '../errors.ts';

/** What was asked of a device and isn't answered yet. */
export class Answers {
  private readonly unanswered = new Set<Promise<unknown>>();
  private readonly waiting = new Set<(error: GpuError) => void>();
  private lost: GpuError | undefined;

  /** @param whileWaiting called with each answer that comes only when the GPU has done its work */
  constructor(private readonly whileWaiting: ((answer: Promise<unknown>) => void) | undefined) {}

  /** Notes a question until it is answered. */
  asked<T>(answer: Promise<T>): Promise<T> {
    this.unanswered.add(answer);
    const answered = () => void this.unanswered.delete(answer);
    answer.then(answered, answered);
    return answer;
  }

  /** Resolves as `answer` does, or rejects as soon as the device is lost. */
  orLost<T>(answer: Promise<T>): Promise<T> {
    // No Promise.race: a loss that never comes would keep something of every answer for as long as the device lives.
    return new Promise((resolve, reject) => {
      if (this.lost) return reject(this.lost);
      this.waiting.add(reject);
      answer.then(
        (value) => {
          this.waiting.delete(reject);
          resolve(value);
        },
        (error) => {
          this.waiting.delete(reject);
          reject(error instanceof GpuError ? error : new GpuError(`the GPU gave no answer: ${error}`));
        },
      );
    });
  }

  /** As `orLost`, for an answer that comes when the GPU has done its work. */
  workDone<T>(answer: Promise<T>): Promise<T> {
    this.whileWaiting?.(answer);
    return this.orLost(this.asked(answer));
  }

  /** Rejects everything that waits. */
  lose(error: GpuError): void {
    this.lost = error;
    for (const reject of this.waiting) reject(error);
    this.waiting.clear();
  }

  /** Resolves when every question was answered, one way or the other. */
  async settled(): Promise<void> {
    // An answer may lead to another question.
    while (this.unanswered.size > 0) await Promise.allSettled(this.unanswered);
  }
}
