/**
 * What consensus costs without disk and network, in one process.
 * Core: proposals of one 100-byte entry; a flush and a finished write after each batch; one voter alone, and a leader
 * with two followers whose messages are handed over at once.
 * Driver: one voter on memory storage and the machine's clock; `in flight` proposals wait at a time.
 * Every core figure is the best of 5 rounds of at least 0.3 s; the driver's are of 1 s.
 *
 *     node --import tsx bench/micro/raft.bench.ts
 */
import { performance } from 'node:perf_hooks'
import { systemClock } from '../../src/platform/clock.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { openQuorum } from '../../src/quorum/open-quorum.ts'
import { noPeers } from '../../src/quorum/peer-port.ts'
import { encodeConfiguration } from '../../src/raft/configuration.ts'
import type { Effect, Input } from '../../src/raft/input-effect.ts'
import { defaultRaftOptions } from '../../src/raft/options.ts'
import { describeSnapshot } from '../../src/raft/snapshot.ts'
import { createRaft, type Raft } from '../../src/raft/state.ts'
import { step } from '../../src/raft/step.ts'
import { memoryStorage } from '../../src/raft-storage/memory-storage.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { type NodeId, toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { measure, report } from './measure.ts'

const entry = new Uint8Array(100)

/** Cores that hand each other their messages and finish their writes at once. */
class Bunch {
  readonly #rafts = new Map<NodeId, Raft>()

  constructor(count: number) {
    const voters = Array.from({ length: count }, (_, i) => toNodeId(i + 1))
    const data = encodeConfiguration({ voters, oldVoters: [], learners: [] })
    const entries = [{ index: toLogIndex(1), term: toTerm(1), kind: 'configuration', data } as const]
    for (const id of voters) {
      const loaded = { hardState: { term: toTerm(1), votedFor: null }, snapshot: null, entries }
      this.#rafts.set(id, createRaft(id, loaded, defaultRaftOptions, seededRandom(id)))
    }
    this.drive(toNodeId(1), { kind: 'campaign' })
  }

  drive(id: NodeId, input: Input): void {
    const queue: Array<{ id: NodeId; input: Input }> = [{ id, input }]
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      for (const effect of step(this.#rafts.get(next.id)!, next.input)) this.#perform(next.id, effect, queue)
    }
  }

  /** Forgets what is applied, as a snapshot would. */
  compact(): void {
    for (const [id, raft] of this.#rafts) {
      const meta = describeSnapshot(raft)
      this.drive(id, { kind: 'snapshotSaved', meta, discardUpTo: meta.index })
    }
  }

  commitIndex(): number {
    return this.#rafts.get(toNodeId(1))!.log.commitIndex
  }

  #perform(id: NodeId, effect: Effect, queue: Array<{ id: NodeId; input: Input }>): void {
    if (effect.kind === 'persist') queue.push({ id, input: { kind: 'persisted', write: effect.write } })
    if (effect.kind === 'send') queue.push({ id: effect.to, input: { kind: 'message', message: effect.message } })
  }
}

function coreRound(bunch: Bunch, batch: number): () => number {
  const leader = toNodeId(1)
  return () => {
    const before = bunch.commitIndex()
    for (let i = 0; i < batch; i++) bunch.drive(leader, { kind: 'proposal', entries: [entry] })
    bunch.drive(leader, { kind: 'flush' })
    const committed = bunch.commitIndex() - before
    if (committed !== batch) throw new Error(`${committed} of ${batch} committed`)
    if (bunch.commitIndex() % 10_000 < batch) bunch.compact()
    return batch
  }
}

const coreRows: Array<readonly [string, number]> = []
for (const voters of [1, 3]) {
  for (const batch of [1, 10, 100]) {
    const name = `${voters} ${voters === 1 ? 'voter' : 'voters'}, ${batch} a batch`
    coreRows.push([name, measure(coreRound(new Bunch(voters), batch))])
  }
}
report('core alone: entries committed', coreRows)

async function driverRate(inFlight: number): Promise<number> {
  const storage = memoryStorage()
  const quorum = await openQuorum({
    nodeId: toNodeId(1),
    storage,
    voters: new Map([[toNodeId(1), 'memory:1']]),
    url: 'memory:1',
    stateMachine: { apply() {}, snapshot: () => [], restore: () => [] },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    peers: noPeers,
    onFatal: error => {
      throw error
    },
  })
  await new Promise<void>(resolve => quorum.onLeadership(term => term !== null && resolve()))
  let count = 0
  const start = performance.now()
  const worker = async (): Promise<void> => {
    for (; performance.now() - start < 1000; count++) await quorum.propose([entry], 10_000)
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  const rate = count / ((performance.now() - start) / 1000)
  await quorum[Symbol.asyncDispose]()
  await storage[Symbol.asyncDispose]()
  return rate
}

const driverRows: Array<readonly [string, number]> = []
for (const inFlight of [1, 10, 100, 1000]) driverRows.push([`${inFlight} in flight`, await driverRate(inFlight)])
report('driver on memory storage: proposals', driverRows)
