/**
 * One replicated partition, exhaustively at small scope: three brokers, a controller whose decisions they learn of late,
 * any append, acknowledgement or request late, repeated or lost, any broker stopped or believed to be gone at any time,
 * the ISR shrunk and grown as often as they like. Without any one of the rules a trace to a broken invariant.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runs } from '../support/depth.ts'
import { assertBreaks, assertHolds } from './check.ts'
import { noting } from './explore.ts'
import { IsrModel } from './isr-model.ts'
import { type Rules, type Scope, soundRules } from './isr-rules.ts'
import { leadingVersion, type State, versionOf } from './isr-state.ts'

const isDeep = runs(1) >= 10

const scope: Scope = {
  brokerCount: 3,
  minIsr: 2,
  recordMax: 1,
  epochMax: 2,
  lagMax: 2,
  flushPolicy: 'sync',
  powerLossMax: 0,
  invariants: 'all',
  rules: soundRules,
}
const twoRecords = { ...scope, recordMax: 2, epochMax: 1, lagMax: 1 }
const pageCache = { ...scope, flushPolicy: 'os', powerLossMax: 1, lagMax: 1 } as const

const epochsLed = (state: State): readonly number[] => {
  return state.brokers.flatMap((_, i) => leadingVersion(state, i)?.epoch ?? [])
}

/** What must be among the states, or they would prove nothing. */
const goals: Readonly<Record<string, (state: State) => boolean>> = {
  'two lead at once, and the older has committed': state => epochsLed(state).length > 1 && state.committed !== '',
  'nobody leads, all are only eligible': state => versionOf(state).isr === 0,
  'somebody left the ISR and is in it again': state => {
    return versionOf(state).epoch === 0 && versionOf(state).isr === 7 && state.versions.length > 2
  },
  'the leader of the third epoch commits what it appended': ({ epochs }) => {
    return epochs[2]!.highWatermark > epochs[2]!.startOffset
  },
}

test('isr: three epochs and a record keep every invariant', t => {
  const reached = new Set<string>()
  assertHolds(t, noting(new IsrModel(scope), goals, reached), { stateCountMin: 100_000 })
  assert.deepEqual([...reached].sort(), Object.keys(goals).sort())
})

test('isr: two records keep every invariant', t => {
  const reached = new Set<string>()
  const diverged = ({ brokers }: State) => brokers.some(({ log }) => log !== '' && log[0]! !== brokers[0]!.log[0])
  const model = noting(new IsrModel(twoRecords), { 'logs that differ': diverged }, reached)
  assertHolds(t, model, { stateCountMin: 50_000 })
  assert.equal(reached.size, 1)
})

test('isr: in the page cache, one loss of power keeps every invariant (KIP-966)', t => {
  assertHolds(t, new IsrModel(pageCache), { stateCountMin: 30_000 })
})

test('isr: two brokers of which one is enough keep every invariant', t => {
  assertHolds(t, new IsrModel({ ...scope, brokerCount: 2, minIsr: 1, recordMax: 2 }), { stateCountMin: 10_000 })
})

const deepScopes: Readonly<Record<string, Scope>> = {
  'decisions heard of three late': { ...scope, lagMax: 3 },
  'two records, decisions heard of two late': { ...twoRecords, lagMax: 2 },
  'two records, three epochs': { ...twoRecords, epochMax: 2 },
  'page cache, decisions heard of two late': { ...pageCache, lagMax: 2 },
}

for (const [name, deepScope] of Object.entries(deepScopes)) {
  test(`isr: ${name}`, { skip: !isDeep && 'deep' }, t => {
    assertHolds(t, new IsrModel(deepScope), { stateCountMin: 200_000 })
  })
}

const without = (rule: keyof Rules, from: Scope = scope): IsrModel => {
  return new IsrModel({ ...from, rules: { ...soundRules, [rule]: false } })
}

test('isr: truncation to the high watermark loses a committed record (before KIP-101)', t => {
  const pair: Scope = { ...scope, brokerCount: 2, invariants: 'loss' }
  assertBreaks(t, without('truncatesWhereItDiffers', pair), /lost for good/)
})

test('isr: without a look at the epoch of the record before, logs diverge (KIP-279)', t => {
  assertBreaks(t, without('comparesEpochs', { ...twoRecords, recordMax: 3 }), /log matching/)
})

test('isr: a follower that obeys a deposed leader loses a committed record (KIP-320)', t => {
  assertBreaks(t, without('fencesAppends', twoRecords), /no committed record lost/)
})

test('isr: an acknowledgement from another epoch is for another record (KIP-320)', t => {
  assertBreaks(t, without('fencesAcks', twoRecords), /strict min ISR|no committed record lost/)
})

test('isr: a member that joins is waited for before the controller says so (KIP-497)', t => {
  assertBreaks(t, without('waitsForJoining'), /no committed record lost/)
})

test('isr: a member that leaves is waited for until the controller says so (KIP-497)', t => {
  assertBreaks(t, without('waitsForLeaving'), /no committed record lost/)
})

test('isr: a request made in ignorance of the version in force undoes it (KIP-497)', t => {
  assertBreaks(t, without('checksPartitionEpoch'), /no committed record lost/)
})

test('isr: a request that was overtaken may be what overtook it', t => {
  assertBreaks(t, without('keepsOvertakenProposal'), /no committed record lost/)
})

test('isr: a refusal says nothing of another copy of the request', t => {
  assertBreaks(t, without('keepsRepeatedProposal'), /no committed record lost/)
})

test('isr: a follower that has only what its leader knows to be committed is not in sync (KAFKA-7128)', t => {
  assertBreaks(t, without('joinsBeyondEpochStart'), /no committed record lost/)
})

test('isr: a rebooted follower does not join on its old acknowledgement (KIP-903)', t => {
  assertBreaks(t, without('checksBrokerEpochs', pageCache), /no committed record lost/)
})

test('isr: a broker that lost what it acknowledged is not eligible (KIP-966)', t => {
  assertBreaks(t, without('distrustsDamaged', pageCache), /no committed record lost/)
})

test('isr: below the minimum nothing is committed while there are eligible replicas (KIP-966)', t => {
  assertBreaks(t, without('strictMinIsr'), /no committed record lost/)
})

test('isr: a member that has asked to join does not count for the minimum', t => {
  assertBreaks(t, without('countsOnlyCommittedIsr'), /no committed record lost/)
})

test('isr: an election outside ISR and ELR loses a committed record', t => {
  assertBreaks(t, without('electsOnlyEligible'), /no committed record lost/)
})

test('isr: an acknowledgement before the disk loses a committed record', t => {
  assertBreaks(t, without('diskBeforeAck'), /no committed record lost/)
})

test('isr: a leader that counts its memory loses a committed record', t => {
  assertBreaks(t, without('leaderCountsOwnDisk'), /no committed record lost/)
})

test('isr: a leader that goes on after a restart gives an offset of its epoch to another record', t => {
  assertBreaks(t, without('waitsForRegistration', twoRecords), /log matching/)
})
