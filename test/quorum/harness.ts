/** A member of a quorum on virtual time and faulty storage, and the list it replicates. */

import { openQuorum } from '../../src/quorum/open-quorum.ts'
import type { QuorumOptions } from '../../src/quorum/options.ts'
import { noPeers } from '../../src/quorum/peer-port.ts'
import type { CommittedEntry, Quorum, StateMachine } from '../../src/quorum/types.ts'
import type { LoadedState, PersistBatch, RaftStorage } from '../../src/raft/storage.ts'
import type { HardState, Snapshot } from '../../src/raft/types.ts'
import { type MemoryStorageImage, memoryStorage } from '../../src/raft-storage/memory-storage.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type LogIndex, type NodeId, toNodeId } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { urlOf } from './virtual-network.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
export const bytes = (text: string): Uint8Array => encoder.encode(text)

/** Remembers every text in order; its snapshot is all of them. */
export class ListMachine implements StateMachine {
  texts: string[] = []
  restores = 0

  apply(entries: readonly CommittedEntry[]): void {
    for (const entry of entries) this.texts.push(decoder.decode(entry.data))
  }

  /** A piece for each text, of the texts as they are now. */
  snapshot(): Iterable<Uint8Array> {
    const { texts } = this
    const count = texts.length
    return (function* () {
      for (let i = 0; i < count; i++) yield encoder.encode(`${JSON.stringify(texts[i])}\n`)
    })()
  }

  *restore(snapshot: Uint8Array): Generator<void, undefined> {
    const texts: string[] = []
    for (const line of decoder.decode(snapshot).split('\n').slice(0, -1)) {
      texts.push(JSON.parse(line))
      yield
    }
    this.restores++
    this.texts = texts
  }
}

/** Storage whose calls finish when the test says so, or not at all, or with an error. */
export class GatedStorage implements RaftStorage {
  readonly #inner: RaftStorage
  readonly #waiting: Array<{ run: () => Promise<void>; resolve: () => void; reject: (error: Error) => void }> = []
  /** While closed, calls wait for `finish` or `fail`. */
  isGated = false
  persists = 0
  snapshots = 0

  constructor(inner: RaftStorage) {
    this.#inner = inner
  }

  get diskId(): string {
    return this.#inner.diskId
  }

  get waiting(): number {
    return this.#waiting.length
  }

  load(): Promise<LoadedState> {
    return this.#inner.load()
  }

  persist(batch: PersistBatch): Promise<void> {
    this.persists++
    return this.#enter(() => this.#inner.persist(batch))
  }

  saveSnapshot(snapshot: Snapshot, discardUpTo: LogIndex): Promise<void> {
    this.snapshots++
    return this.#enter(() => this.#inner.saveSnapshot(snapshot, discardUpTo))
  }

  installSnapshot(snapshot: Snapshot, hardState: HardState): Promise<void> {
    return this.#enter(() => this.#inner.installSnapshot(snapshot, hardState))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]()
  }

  /** The oldest waiting call reaches the disk. */
  async finish(): Promise<void> {
    const call = this.#waiting.shift()!
    await call.run()
    call.resolve()
    await turns()
  }

  /** The oldest waiting call fails; nobody knows whether it reached the disk. */
  async fail(error: Error): Promise<void> {
    this.#waiting.shift()!.reject(error)
    await turns()
  }

  #enter(run: () => Promise<void>): Promise<void> {
    if (!this.isGated) return run()
    return new Promise((resolve, reject) => this.#waiting.push({ run, resolve, reject }))
  }
}

/** Lets every promise that can move, move. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

export const soleVoter: ReadonlyMap<NodeId, string> = new Map([[toNodeId(1), urlOf(1)]])

export class Node {
  readonly clock: VirtualClock
  readonly storage: GatedStorage
  readonly machine = new ListMachine()
  readonly leadership: Array<number | null> = []
  readonly fatal: Error[] = []
  quorum!: Quorum

  constructor(image: MemoryStorageImage, clock: VirtualClock) {
    this.clock = clock
    this.storage = new GatedStorage(memoryStorage(image))
  }

  /** Runs deferred work and promises, without time passing, until nothing moves. */
  async run(): Promise<void> {
    for (let i = 0; i < 50; i++) {
      this.clock.runDue()
      await turns()
    }
  }

  /** Time passes in small steps, so that what one step causes happens before the next. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      this.clock.advance(10)
      await turns()
    }
  }
}

export async function openNode(image: MemoryStorageImage, options: Partial<QuorumOptions> = {}): Promise<Node> {
  const node = new Node(image, (options.clock as VirtualClock) ?? new VirtualClock())
  node.quorum = await openQuorum({
    nodeId: toNodeId(1),
    storage: node.storage,
    voters: soleVoter,
    url: urlOf(options.nodeId ?? 1),
    stateMachine: node.machine,
    clock: node.clock,
    random: seededRandom(1),
    logger: silentLogger,
    peers: noPeers,
    onFatal: error => node.fatal.push(error),
    ...options,
  })
  node.quorum.onLeadership(term => node.leadership.push(term))
  return node
}

/** A node that leads, with nothing under way. */
export async function openLeader(image: MemoryStorageImage, options: Partial<QuorumOptions> = {}): Promise<Node> {
  const node = await openNode(image, options)
  await node.run()
  return node
}
