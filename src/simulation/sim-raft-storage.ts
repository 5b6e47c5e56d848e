/**
 * A disk under the production Raft storage that forgets, fails, stalls and rots on demand. It stands in for LMDB where
 * LMDB's promises end: a commit is there wholly or not at all, those that were acknowledged are there, and the one under
 * way when the process or the power went may be either. It never says that something is durable which is not.
 */
import type { RaftStorage } from '../raft/storage.ts'
import { openKeyValueStorage, type PieceLimits } from '../raft-storage/key-value-storage.ts'
import type { Change, KeyValueStore, Pair } from '../raft-storage/key-value-store.ts'
import { initialRecords } from '../raft-storage/records.ts'
import type { Clock } from '../util/clock.ts'
import type { Logger } from '../util/logger.ts'
import type { Random } from '../util/random.ts'
import { uuidBytes, uuidFrom } from '../util/uuid.ts'
import { type DamageKind, type DurableState, RaftDiskImage } from './sim-raft-storage-image.ts'

/** `hang`: the commit is never answered, and may have happened. */
export type WriteFault = 'EIO' | 'ENOSPC' | 'hang'

export interface SimRaftDiskOptions {
  readonly nodeId: number
  readonly random: Random
  /** The disk's own time, which goes on while a process is stopped. */
  after(delayMs: number, run: () => void): unknown
  /** How long the next commit takes. */
  writeDelayMs(): number
  /** Small ones make a small snapshot be saved in many pieces. */
  readonly pieces?: PieceLimits
}

export interface SimRaftLifeOptions {
  readonly deadlineMs: number
  /** Of the process. */
  readonly clock: Pick<Clock, 'setTimer'>
  /** How an answer reaches the process: at once, or when it is not stopped any more. */
  readonly deliver?: (answer: () => void) => void
  readonly logger: Logger
}

/** How often each thing happened to the disk. */
export type SimRaftDiskCounts = Record<
  WriteFault | DamageKind | 'commit' | 'stall' | 'crash' | 'keptUnacknowledged' | 'lostUnacknowledged',
  number
>

export class SimRaftDisk {
  readonly diskId: string
  readonly counts: SimRaftDiskCounts = {
    commit: 0,
    stall: 0,
    EIO: 0,
    ENOSPC: 0,
    hang: 0,
    bitFlip: 0,
    lostValue: 0,
    misdirectedValue: 0,
    crash: 0,
    keptUnacknowledged: 0,
    lostUnacknowledged: 0,
  }
  readonly #options: SimRaftDiskOptions
  readonly #image = new RaftDiskImage()
  #store: SimStore | null = null
  #nextFault: WriteFault | null = null
  #hasFailed = false

  /** A new, blank disk. */
  constructor(options: SimRaftDiskOptions) {
    this.#options = options
    this.diskId = uuidFrom(options.random.nextBytes(uuidBytes))
    // As in production, where the directory is made beside and renamed: there wholly or not at all.
    this.#image.apply(initialRecords(options.nodeId, this.diskId))
  }

  get isIntact(): boolean {
    return this.#image.isIntact
  }

  /** A fault hit a commit of the life that is open: the process must end. */
  get hasFailed(): boolean {
    return this.#hasFailed
  }

  /** The process starts. The one before has ended: see `crash`. */
  open(options: SimRaftLifeOptions): Promise<RaftStorage> {
    const { nodeId, random, pieces } = this.#options
    this.#store = new SimStore(this, this.#image, this.#options, options.deliver ?? (answer => answer()))
    return openKeyValueStorage(this.#store, {
      nodeId,
      deadlineMs: options.deadlineMs,
      setTimer: (delayMs, fn) => options.clock.setTimer(delayMs, fn),
      newDiskId: () => uuidFrom(random.nextBytes(uuidBytes)),
      logger: options.logger,
      ...(pieces && { pieces }),
    })
  }

  /** The process ends, by itself, by a signal or with the power: a commit under way is there or not. */
  crash(): void {
    if (this.#store === null) return
    this.counts.crash++
    this.#store.abandon()
    this.#store = null
    this.#nextFault = null
    this.#hasFailed = false
  }

  /** The commit under way, or else the next one, takes `forMs` longer. */
  stall(forMs: number): boolean {
    if (this.#store === null) return false
    this.counts.stall++
    this.#store.stall(forMs)
    return true
  }

  /** The next commit fails in this way. False when no process has the disk open. */
  failNext(fault: WriteFault): boolean {
    if (this.#store === null) return false
    this.#nextFault = fault
    return true
  }

  /**
   * Damages the value of `target`, or of any key: found at the next load, if it is not written anew before. False when
   * nothing there can be damaged in this way.
   */
  damage(kind: DamageKind, random: Random, target?: Uint8Array): boolean {
    const isDone = this.#image.damage(kind, random, target)
    if (isDone) this.counts[kind]++
    return isDone
  }

  durable(): DurableState {
    return this.#image.durable()
  }

  /** For `SimStore`. */
  takeFault(): WriteFault | null {
    const fault = this.#nextFault
    this.#nextFault = null
    if (fault === null) return null
    this.counts[fault]++
    this.#hasFailed = true
    return fault
  }
}

interface UnderWay {
  readonly changes: readonly Change[]
  readonly fault: WriteFault | null
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** The disk as one life of a process has it open. */
class SimStore implements KeyValueStore {
  readonly where = 'simulated disk'
  readonly #disk: SimRaftDisk
  readonly #image: RaftDiskImage
  readonly #options: SimRaftDiskOptions
  readonly #deliver: (answer: () => void) => void
  #underWay: UnderWay | null = null
  /** Promises of a process that is gone go on; what they ask for never happens. */
  #isAbandoned = false
  /** Counts the plans: a stall makes the one before void. */
  #planned = 0
  #stalledMs = 0

  constructor(
    disk: SimRaftDisk,
    image: RaftDiskImage,
    options: SimRaftDiskOptions,
    deliver: (answer: () => void) => void,
  ) {
    this.#disk = disk
    this.#image = image
    this.#options = options
    this.#deliver = deliver
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#image.get(key)
  }

  getRange(): Iterable<Pair> {
    return this.#image.sorted()
  }

  commit(changes: readonly Change[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isAbandoned) return
      this.#underWay = { changes: [...changes], fault: this.#disk.takeFault(), resolve, reject }
      this.#plan(this.#options.writeDelayMs() + this.#stalledMs)
      this.#stalledMs = 0
    })
  }

  async close(): Promise<void> {
    this.#underWay = null
  }

  stall(forMs: number): void {
    if (this.#underWay === null) this.#stalledMs += forMs
    else this.#plan(forMs + this.#options.writeDelayMs())
  }

  /** The process is gone: nobody hears of the commit under way, which may have happened. */
  abandon(): void {
    if (this.#underWay !== null) this.#toss(this.#underWay)
    this.#underWay = null
    this.#isAbandoned = true
  }

  #plan(delayMs: number): void {
    const plan = ++this.#planned
    this.#options.after(delayMs, () => {
      if (plan === this.#planned && this.#underWay !== null) this.#finish(this.#underWay)
    })
  }

  #finish(commit: UnderWay): void {
    const { changes, fault, resolve, reject } = commit
    if (fault === 'hang') return
    this.#underWay = null
    if (fault === null) {
      this.#image.apply(changes)
      this.#disk.counts.commit++
      this.#deliver(resolve)
    } else {
      this.#toss(commit)
      this.#deliver(() => reject(new Error(fault)))
    }
  }

  #toss({ changes }: UnderWay): void {
    const isKept = this.#options.random.nextInt(2) === 0
    if (isKept) this.#image.apply(changes)
    this.#disk.counts[isKept ? 'keptUnacknowledged' : 'lostUnacknowledged']++
  }
}
