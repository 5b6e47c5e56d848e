/** One core alone, fed by hand: what no cluster brings about easily. */
import assert from 'node:assert/strict'
import type { Effect, Input } from '../../src/raft/input-effect.ts'
import type { Message } from '../../src/raft/messages.ts'
import { defaultRaftOptions } from '../../src/raft/options.ts'
import type { Progress } from '../../src/raft/progress.ts'
import { createRaft, type Raft } from '../../src/raft/state.ts'
import { step } from '../../src/raft/step.ts'
import type { Configuration, Entry } from '../../src/raft/types.ts'
import { toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { bootstrapEntry, dataEntry } from './entries.ts'

export const three: Configuration = { voters: [1, 2, 3].map(toNodeId), oldVoters: [], learners: [] }

export function create(terms: readonly number[], term = terms.at(-1)!, options = defaultRaftOptions): Raft {
  const entries = terms.map((t, i) => (i === 0 ? bootstrapEntry(three, t) : dataEntry(i + 1, t, `${i + 1}`)))
  const hardState = { term: toTerm(term), votedFor: null }
  return createRaft(toNodeId(1), { hardState, snapshot: null, entries }, options, seededRandom(1))
}

/** Steps, with every write done at once. Returns all effects. */
export function run(raft: Raft, input: Input): readonly Effect[] {
  const effects = [...step(raft, input)]
  for (let i = 0; i < effects.length; i++) {
    const effect = effects[i]!
    if (effect.kind === 'persist' || effect.kind === 'persistSnapshot') {
      effects.push(...step(raft, { kind: 'persisted', write: effect.write }))
    }
  }
  return effects
}

export const receive = (raft: Raft, message: Message) => run(raft, { kind: 'message', message })
export const from = (id: number, term: number) => ({ from: toNodeId(id), term: toTerm(term) })

export function sent(effects: readonly Effect[]): readonly Message[] {
  return effects.flatMap(effect => (effect.kind === 'send' ? [effect.message] : []))
}

export function lead(raft: Raft): void {
  run(raft, { kind: 'campaign' })
  receive(raft, { kind: 'preVoteReply', ...from(2, raft.term + 1), isGranted: true, campaign: 1 })
  receive(raft, { kind: 'requestVoteReply', ...from(2, raft.term), isGranted: true })
  assert.equal(raft.role.kind, 'leader')
}

export function accept(raft: Raft, id: number, matchIndex: number): readonly Effect[] {
  return receive(raft, {
    kind: 'appendEntriesReply',
    ...from(id, raft.term),
    matchIndex: toLogIndex(matchIndex),
    round: 1,
  })
}

export function append(term: number, prev: readonly [number, number], entries: readonly Entry[], commit = 0): Message {
  const [prevIndex, prevTerm] = [toLogIndex(prev[0]), toTerm(prev[1])]
  const head = { ...from(2, term), prevIndex, prevTerm, commitIndex: toLogIndex(commit) }
  return { kind: 'appendEntries', ...head, entries, round: 1 }
}

export const snapshotAt = (index: number, term: number, configuration = three) => ({
  meta: { index: toLogIndex(index), term: toTerm(term), configuration },
  data: new Uint8Array([1]),
})

/** What a leader knows of another server; fails when it knows nothing. */
export function progressOf(raft: Raft, id: number): Progress {
  assert.ok(raft.role.kind === 'leader')
  const progress = raft.role.progress.get(toNodeId(id))
  assert.ok(progress !== undefined, `server ${id} is fed`)
  return progress
}
