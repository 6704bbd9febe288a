import { GpuError } from '../errors.ts';

/*
 * Memory of a recorded step. Which command uses which temporary is known before anything runs, so temporaries whose lifetimes don't
 * overlap share memory: Y. Pisarchyk and J. Lee, "Efficient memory management for deep neural net inference", 2020, section 5 (greedy
 * by size, best fit into the gaps between temporaries that live at the same time).
 *
 * WebGPU adds that no dispatch may bind one buffer both to read and to write, not even disjoint ranges of it, and no copy may have one
 * buffer at both ends. So there are several buffers (arenas), and temporaries that conflict in this way lie in different ones.
 */

/** Ranges of buffers begin at multiples of this: the largest value that WebGPU has for offsets of storage and uniform bindings. */
export const ALIGNMENT = 256;

/** A stretch of memory that a step needs from one command to another, both included. */
export interface Temporary {
  readonly bytes: number;
  /** The first command that uses it; -1: it is written before the commands run. */
  readonly first: number;
  /** The last command that uses it; infinite: it is read after the step. */
  readonly last: number;
  /** Temporaries that mustn't lie in the same buffer, by index; each names the other. */
  readonly conflicts: readonly number[];
}

export interface ArenaOptions {
  readonly maxBufferSize: number;
  /** Bytes of arenas that are there already: they are used first, and can't grow. */
  readonly existing?: readonly number[];
}

export interface Spot {
  readonly arena: number;
  /** In bytes. */
  readonly offset: number;
}

export interface ArenaPlan {
  /** Where each temporary lies. */
  readonly spots: readonly Spot[];
  /** Bytes of each arena: the existing ones, then new ones. */
  readonly arenas: readonly number[];
}

export const aligned = (bytes: number): number =>
  Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);

/** The most bytes that live at one command, which no placement can do without, and the first command where they do. */
export function livePeak(temporaries: readonly Temporary[]): { bytes: number; command: number } {
  const births = [...temporaries].sort((a, b) => a.first - b.first);
  const deaths = [...temporaries].sort((a, b) => (a.last < b.last ? -1 : 1));
  const peak = { bytes: 0, command: -1 };
  let live = 0;
  let dead = 0;
  for (const { bytes, first } of births) {
    for (; deaths[dead].last < first; dead++) live -= aligned(deaths[dead].bytes);
    live += aligned(bytes);
    if (live > peak.bytes) Object.assign(peak, { bytes: live, command: first });
  }
  return peak;
}

/** Work that a search for a better placement may take: pairs of temporaries looked at. Tenths of a second. */
const SEARCH_PAIRS = 2e7;
const SEARCH_TRIES = 1000;

/**
 * Places temporaries in as little memory as a search finds: the order of sizes first, then changes of the best order so far, until
 * the arenas are no larger than the live peak or the search has had its time. The result depends on the arguments alone.
 * @throws GpuError where a temporary is larger than a buffer may be.
 */
export function planArenas(temporaries: readonly Temporary[], options: ArenaOptions): ArenaPlan {
  const { maxBufferSize, existing = [] } = options;
  const largest = temporaries.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  if (largest > maxBufferSize)
    throw new GpuError(`a buffer of ${largest} bytes was asked for, maxBufferSize is ${maxBufferSize}`);
  const least = Math.max(sum(existing), livePeak(temporaries).bytes);
  const bySize = temporaries
    .map((_, i) => i)
    .sort(
      (a, b) => temporaries[b].bytes - temporaries[a].bytes || temporaries[a].first - temporaries[b].first,
    );
  const tries = Math.min(SEARCH_TRIES, SEARCH_PAIRS / temporaries.length ** 2);
  let best: ArenaPlan | undefined;
  // Small arenas leave more choice to what conflicts, large ones have fewer ends that nothing fits.
  for (const limit of new Set([maxBufferSize, Math.min(aligned(largest), maxBufferSize)])) {
    const random = xorshift(1);
    let order = bySize;
    let found = place(temporaries, order, limit, existing);
    for (let i = 0; i < tries && sum(found.arenas) > least; i++) {
      const changed = [...order];
      // Large temporaries decide the sum; they stand in front.
      const from = Math.floor(random() ** 2 * order.length);
      const to = Math.floor(random() * (from + 1));
      changed.splice(to, 0, ...changed.splice(from, 1));
      const plan = place(temporaries, changed, limit, existing);
      if (sum(plan.arenas) <= sum(found.arenas)) [order, found] = [changed, plan];
    }
    if (!best || sum(found.arenas) < sum(best.arenas)) best = found;
  }
  return best!;
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

interface Member {
  readonly offset: number;
  readonly end: number;
  readonly first: number;
  readonly last: number;
}

interface Arena {
  bytes: number;
  readonly limit: number;
  /** By offset. */
  readonly members: Member[];
  /** Temporaries that conflict with a member. */
  readonly refused: Set<number>;
}

/**
 * Places temporaries one after the other, each where the arenas grow least and, of such places, the gap is narrowest.
 * @param limit bytes that a new arena may have
 */
function place(
  temporaries: readonly Temporary[],
  order: readonly number[],
  limit: number,
  existing: readonly number[],
): ArenaPlan {
  const arenas: Arena[] = existing.map((bytes) => ({ bytes, limit: bytes, members: [], refused: new Set() }));
  const spots: Spot[] = new Array(temporaries.length);
  for (const i of order) {
    const { bytes, first, last, conflicts } = temporaries[i];
    const size = aligned(bytes);
    let best = {
      arena: arenas.length,
      offset: 0,
      growth: Math.min(size, limit),
      gap: Number.POSITIVE_INFINITY,
    };
    arenas.forEach((arena, a) => {
      if (arena.refused.has(i)) return;
      const consider = (offset: number, gap: number) => {
        const growth = Math.max(0, Math.min(offset + size, arena.limit) - arena.bytes);
        if (growth > best.growth || (growth === best.growth && gap >= best.gap)) return;
        best = { arena: a, offset, growth, gap };
      };
      let end = 0;
      for (const member of arena.members) {
        if (member.first > last || member.last < first) continue;
        if (member.offset - end >= size) consider(end, member.offset - end);
        end = Math.max(end, member.end);
      }
      if (end + bytes <= arena.limit) consider(end, Math.max(size, arena.bytes - end));
    });
    if (best.arena === arenas.length) arenas.push({ bytes: 0, limit, members: [], refused: new Set() });
    const { arena: a, offset } = best;
    const arena = arenas[a];
    // A limit need not be a multiple of the alignment.
    arena.bytes = Math.max(arena.bytes, Math.min(offset + size, arena.limit));
    const member = { offset, end: offset + size, first, last };
    const at = arena.members.findIndex((other) => other.offset > offset);
    arena.members.splice(at < 0 ? arena.members.length : at, 0, member);
    for (const other of conflicts) arena.refused.add(other);
    spots[i] = { arena: a, offset };
  }
  return { spots, arenas: arenas.map(({ bytes }) => bytes) };
}

/** Numbers from 0 to 1, the same each time (G. Marsaglia, "Xorshift RNGs", 2003). */
function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
