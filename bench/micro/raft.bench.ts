/**
 * Consensus without disk and network. Core: proposals of one 100-byte entry, a flush and a finished write after each batch, with
 * one voter alone and with a leader and two followers whose messages are handed over at once. Driver: one voter on memory storage.
 */
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
import type { Case, Prepared, Room } from './case.ts'
import { objects } from './references.ts'

const entry = new Uint8Array(100)
const leader = toNodeId(1)

export const room: Room = {
  name: 'raft',
  cases: [
    stepping('Raft step, 1 voter, 1 entry a batch', 1, 1),
    stepping('Raft step, 1 voter, 100 entries a batch', 1, 100),
    stepping('Raft step, 3 voters, 1 entry a batch', 3, 1),
    stepping('Raft step, 3 voters, 100 entries a batch', 3, 100),
    driving('Raft driver, 1 proposal under way', 1),
    driving('Raft driver, 100 proposals under way', 100),
  ],
}

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
    this.drive(leader, { kind: 'campaign' })
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
    return this.#rafts.get(leader)!.log.commitIndex
  }

  #perform(id: NodeId, effect: Effect, queue: Array<{ id: NodeId; input: Input }>): void {
    if (effect.kind === 'persist') queue.push({ id, input: { kind: 'persisted', write: effect.write } })
    if (effect.kind === 'send') queue.push({ id: effect.to, input: { kind: 'message', message: effect.message } })
  }
}

function stepping(name: string, voters: number, batch: number): Case {
  const prepare = (): Prepared => {
    const bunch = new Bunch(voters)
    const run = (): number => {
      const before = bunch.commitIndex()
      for (let i = 0; i < batch; i++) bunch.drive(leader, { kind: 'proposal', entries: [entry] })
      bunch.drive(leader, { kind: 'flush' })
      const committed = bunch.commitIndex() - before
      if (committed !== batch) throw new Error(`${committed} of ${batch} committed`)
      if (bunch.commitIndex() % 1_000 < batch) bunch.compact()
      return batch
    }
    return { run, reference: objects }
  }
  return { name, operation: 'an entry committed', clock: 'cpu', prepare }
}

function driving(name: string, inFlight: number): Case {
  const prepare = async (): Promise<Prepared> => {
    const storage = memoryStorage()
    const quorum = await openQuorum({
      nodeId: leader,
      storage,
      voters: new Map([[leader, 'memory:1']]),
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
    return {
      run: async () => {
        await Promise.all(Array.from({ length: inFlight }, () => quorum.propose([entry], 10_000)))
        return inFlight
      },
      reference: objects,
      close: async () => {
        await quorum[Symbol.asyncDispose]()
        await storage[Symbol.asyncDispose]()
      },
    }
  }
  return { name, operation: 'a proposal', clock: 'cpu', prepare }
}
