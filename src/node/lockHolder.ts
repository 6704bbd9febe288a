import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';
import * as v from 'valibot';
import { object, wholeNumber } from '../schema.ts';
import { hasCode } from './files.ts';

/*
 * Who holds a lock, so that others can tell whether he still lives. A process' number alone says little: another process gets it later,
 * and every container counts anew.
 */

const text = v.string();

export const lockHolder = object({
  pid: wholeNumber({ min: 1 }),
  /** When the process started, in the kernel's clock ticks since the machine did. */
  started: v.optional(text),
  host: v.optional(text),
  /** When the lock was taken. */
  since: v.optional(text),
  /** The machine; unlike its name, no other has it. Containers often have none. */
  machine: v.optional(text),
  /** One start of the machine. */
  boot: v.optional(text),
  /** Whose counting the process' number is from: that of a container, or of the machine. */
  pidNamespace: v.optional(text),
  /** Of this taking of the lock, and of no other. */
  id: v.optional(text),
});

export type LockHolder = v.InferOutput<typeof lockHolder>;

/** This process as the holder of a new lock. */
export function newHolder(): LockHolder {
  return { pid: process.pid, ...here(), since: new Date().toISOString(), id: randomUUID() };
}

/**
 * Whether a holder is at work still. `elsewhere`: its process can't be seen from here, on another machine or in another container, and may
 * well be.
 */
export function stateOf(holder: LockHolder): 'running' | 'gone' | 'elsewhere' {
  const { host, machine, boot, pidNamespace } = here();
  const isThisBoot = holder.boot === boot && (boot !== undefined || holder.host === host);
  // Before holders said more than their number, it was taken for one of this machine.
  const isOld = holder.host === undefined;
  if (isOld || (isThisBoot && holder.pidNamespace === pidNamespace))
    return isRunning(holder) ? 'running' : 'gone';
  const restarted = machine !== undefined && holder.machine === machine && holder.host === host;
  return restarted && !isThisBoot ? 'gone' : 'elsewhere';
}

const here = () => ({
  started: statusOf(process.pid)?.started,
  host: os.hostname(),
  machine: ifReadable(() => readLine('/etc/machine-id')),
  boot: ifReadable(() => readLine('/proc/sys/kernel/random/boot_id')),
  pidNamespace: ifReadable(() => readlinkSync('/proc/self/ns/pid')),
});

function isRunning({ pid, started, since = '' }: LockHolder): boolean {
  const status = statusOf(pid);
  if (status && started !== undefined) return !status.hasEnded && status.started === started;
  if (pid === process.pid) return Date.parse(since) >= performance.timeOrigin;
  if (status) return !status.hasEnded;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}

/** What Linux says of a process; undefined where it says nothing. */
function statusOf(pid: number): { hasEnded: boolean; started: string } | undefined {
  const line = ifReadable(() => readLine(`/proc/${pid}/stat`));
  // The program's name, which may hold anything, ends at the last parenthesis.
  const fields = line?.slice(line.lastIndexOf(')') + 2).split(' ');
  // A zombie has ended, though its parent hasn't asked how.
  return fields && { hasEnded: fields[0] === 'Z' || fields[0] === 'X', started: fields[19] };
}

const readLine = (path: string): string | undefined => readFileSync(path, 'utf8').trim() || undefined;

function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
