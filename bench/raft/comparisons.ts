/** What consensus is measured by: loads, and which of them stand beside which. */

export interface Proposals {
  /** Entries of a proposal. */
  readonly batch: number
  /** Bytes of an entry. */
  readonly size: number
  /** Proposals under way. */
  readonly concurrency: number
}

/** Of a group of three voters, each a process of its own. */
export interface GroupLoad extends Proposals {
  readonly kind: 'group'
  /** AppendEntries under way to one follower. */
  readonly window: number
  /** Bytes of one AppendEntries; a larger proposal is one by itself. */
  readonly appendBytes: number
  /** Milliseconds that a message takes, each way. */
  readonly delay: number
}

/** `lmdb`: one process that commits to LMDB. `three-lmdb`: three at once, as the voters do, that say nothing to each other. */
export type Load = GroupLoad | ({ readonly kind: 'lmdb' | 'three-lmdb' } & Proposals)

export interface Comparison {
  readonly name: string
  readonly by: 'commits/s' | 'p50 ms'
  readonly of: Load
  readonly beside: Load
  /** What the machine leaves for three at once. */
  readonly ceiling: Load | null
  readonly target: string
}

const group = { kind: 'group', window: 64, appendBytes: 262_144, delay: 0 } as const
/** One proposal is one AppendEntries: with all that waits in the next one a window of one would be a pipeline too. */
const singly = { ...group, batch: 1, size: 1_024, appendBytes: 1_024 }
const windowed = { ...singly, concurrency: 512, window: 256 }
/** As it is set by default, with more under way than there are commits in a round trip. */
const plenty = { ...group, batch: 1, size: 1_024, concurrency: 2_048 }
const delayMs = 10

/** What a delay between voters costs when appends do not wait for each other. */
export const pipelining: readonly Comparison[] = [
  {
    name: `${delayMs} ms each way: window ${windowed.window} ÷ window 1, commits/s`,
    by: 'commits/s',
    of: { ...windowed, delay: delayMs },
    // More of them under way would only wait longer, and so would we.
    beside: { ...singly, concurrency: 16, window: 1, delay: delayMs },
    ceiling: null,
    target: '≥ 10',
  },
  {
    name: `${plenty.concurrency} under way: ${delayMs} ms each way ÷ no delay, commits/s`,
    by: 'commits/s',
    of: { ...plenty, delay: delayMs },
    beside: plenty,
    ceiling: null,
    target: '≥ 0.8',
  },
]

const alone = { batch: 1, size: 100, concurrency: 1 }

/** Three voters, who share the disk and the cores that LMDB has for itself. */
export const besideLmdb: readonly Comparison[] = [
  ...[
    { batch: 1, size: 100, concurrency: 256 },
    { batch: 100, size: 100, concurrency: 16 },
    { batch: 100, size: 1_024, concurrency: 8 },
  ].map(
    (load): Comparison => ({
      name: `three voters ÷ LMDB alone, ${load.batch} × ${load.size} bytes, ${load.concurrency} under way, commits/s`,
      by: 'commits/s',
      of: { ...group, ...load },
      beside: { kind: 'lmdb', ...load },
      ceiling: { kind: 'three-lmdb', ...load },
      target: '≥ 0.5',
    }),
  ),
  {
    name: 'one proposal at a time ÷ one LMDB commit at a time, p50 ms',
    by: 'p50 ms',
    of: { ...group, ...alone },
    beside: { kind: 'lmdb', ...alone },
    ceiling: { kind: 'three-lmdb', ...alone },
    target: '≤ 2.5',
  },
]
