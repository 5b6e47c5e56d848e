/** When a snapshot is due, taking it in slices while entries go on being applied, and the newest one that is on disk. */
import type { RaftStorage } from '../raft/storage.ts'
import type { Entry, Snapshot, SnapshotMeta } from '../raft/types.ts'
import { joinBytes } from '../util/bytes.ts'
import type { Clock } from '../util/clock.ts'
import { type LogIndex, toLogIndex } from '../util/numbers.ts'
import type { SnapshotPolicy } from './options.ts'
import type { QuorumRules } from './rules.ts'
import { Slices } from './slices.ts'
import type { StateMachine } from './types.ts'

/** With the rule broken: long enough for more to be applied. */
const brokenDelayMs = 100

export interface SnapshotterOptions {
  readonly policy: SnapshotPolicy
  readonly storage: RaftStorage
  readonly stateMachine: StateMachine
  readonly clock: Clock
  readonly sliceMs: number
  readonly rules: QuorumRules
  /** The lowest index of a snapshot on its way to a follower, which will want the entries after it; `null` for none. */
  readonly neededIndex: () => LogIndex | null
  /** It is durable, and entries up to `discardUpTo` (inclusive) left the disk with it. */
  readonly onSaved: (snapshot: Snapshot, discardUpTo: LogIndex) => void
  readonly onFailure: (error: Error) => void
}

export class Snapshotter {
  readonly #options: SnapshotterOptions
  #saved: Snapshot | null
  #appliedEntries = 0
  #appliedBytes = 0
  #taking: Slices<Uint8Array> | null = null
  #isBusy = false

  constructor(options: SnapshotterOptions, loaded: Snapshot | null) {
    this.#options = options
    this.#saved = loaded
  }

  /** The newest one on this server's disk. */
  get saved(): Snapshot | null {
    return this.#saved
  }

  /** One is being taken or written. */
  get isBusy(): boolean {
    return this.#isBusy
  }

  /** Counts what was applied; true when a snapshot is due. */
  applied(entries: readonly Entry[]): boolean {
    this.#appliedEntries += entries.length
    for (let i = 0; i < entries.length; i++) this.#appliedBytes += entries[i]!.data.length
    const { entriesMax, bytesMax } = this.#options.policy
    return !this.#isBusy && (this.#appliedEntries >= entriesMax || this.#appliedBytes >= bytesMax)
  }

  /** The state machine has applied everything up to `meta.index` and nothing after it. */
  take(meta: SnapshotMeta): void {
    const { stateMachine, clock, sliceMs, rules, onFailure } = this.#options
    this.#isBusy = true
    this.#appliedEntries = 0
    this.#appliedBytes = 0
    const pieces: Uint8Array[] = []
    const begin = (): void => {
      let isOver = false
      const taking = new Slices(stateMachine.snapshot(), clock, sliceMs, {
        onStep: piece => pieces.push(piece),
        onEnd: () => {
          isOver = true
          this.#taking = null
          this.#save({ meta, data: joinBytes(pieces) })
        },
        onError: onFailure,
      })
      if (!isOver) this.#taking = taking
    }
    if (rules.snapshotIsOfItsIndex) begin()
    else clock.setTimer(brokenDelayMs, begin)
  }

  /** Gives up one that is being taken: what comes from the leader is newer. One that is being written stays in order. */
  abandon(): void {
    if (this.#taking === null) return
    this.#taking.cancel()
    this.#taking = null
    this.#isBusy = false
  }

  /** One from the leader is durable and restored. */
  installed(snapshot: Snapshot): void {
    this.#saved = snapshot
    this.#appliedEntries = 0
    this.#appliedBytes = 0
  }

  #save(snapshot: Snapshot): void {
    const { policy, storage, neededIndex, onSaved, onFailure } = this.#options
    const { index } = snapshot.meta
    const keptFrom = Math.min(index - policy.retainedEntries, neededIndex() ?? index)
    const discardUpTo = toLogIndex(Math.max(0, keptFrom))
    storage.saveSnapshot(snapshot, discardUpTo).then(() => {
      this.#isBusy = false
      // One received from the leader meanwhile is newer and stays.
      if (index > (this.#saved?.meta.index ?? 0)) this.#saved = snapshot
      onSaved(snapshot, discardUpTo)
    }, onFailure)
  }
}
