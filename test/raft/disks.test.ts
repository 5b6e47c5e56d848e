/** A server that lost its disk is somebody else under the same number; and the configuration that says who is who. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ConfigurationHistory,
  clusterIdOf,
  decodeConfiguration,
  encodeConfiguration,
  foundingConfiguration,
} from '../../src/raft/configuration.ts'
import { defaultRaftOptions, soundRules } from '../../src/raft/options.ts'
import { createRaft, type Raft } from '../../src/raft/state.ts'
import type { Configuration, Member } from '../../src/raft/types.ts'
import { toLogIndex, toNodeId, toTerm } from '../../src/util/numbers.ts'
import { seededRandom } from '../../src/util/random.ts'
import { bootstrapEntry, dataEntry } from './entries.ts'
import { append, from, lead, progressOf, receive, run, sent } from './single.ts'

const memberOf = (id: number, diskId = `disk-${id}`): Member => ({ id: toNodeId(id), diskId, url: `ws://${id}` })
const founders = [1, 2, 3].map(id => memberOf(id))
const founded = foundingConfiguration(founders)

function create(configuration = founded, diskId: string | null = 'disk-1'): Raft {
  const loaded = {
    hardState: { term: toTerm(1), votedFor: null },
    snapshot: null,
    entries: [bootstrapEntry(configuration), dataEntry(2, 1)],
  }
  return createRaft(toNodeId(1), loaded, defaultRaftOptions, seededRandom(1), soundRules, diskId)
}

function leading(): Raft {
  const raft = create()
  lead(raft)
  accept(raft, 2, 'disk-2', 3)
  assert.equal(raft.log.commitIndex, 3)
  return raft
}

function accept(raft: Raft, id: number, fromDisk: string, matchIndex: number) {
  const head = { ...from(id, raft.term), matchIndex: toLogIndex(matchIndex), round: 1 }
  return run(raft, { kind: 'message', message: { kind: 'appendEntriesReply', ...head }, fromDisk })
}

function change(raft: Raft, voters: readonly number[], learners: readonly number[], members: readonly Member[] = []) {
  const ids = { voters: voters.map(toNodeId), learners: learners.map(toNodeId) }
  const effects = run(raft, { kind: 'changeMembership', ...ids, members })
  return effects.find(effect => effect.kind === 'accepted' || effect.kind === 'refused')
}

const roleOf = (raft: Raft): string => raft.role.kind

test('what a voter says from another disk is not counted: no vote, no commit, no sign of life', () => {
  const raft = create()
  run(raft, { kind: 'campaign' })
  const grant = { kind: 'preVoteReply', ...from(2, 2), isGranted: true, campaign: 1 } as const
  run(raft, { kind: 'message', message: grant, fromDisk: 'blank' })
  assert.equal(roleOf(raft), 'preCandidate')
  run(raft, { kind: 'message', message: grant, fromDisk: 'disk-2' })
  assert.equal(roleOf(raft), 'candidate')
  const vote = { kind: 'requestVoteReply', ...from(2, 2), isGranted: true } as const
  run(raft, { kind: 'message', message: vote, fromDisk: 'blank' })
  assert.equal(roleOf(raft), 'candidate')
  run(raft, { kind: 'message', message: vote, fromDisk: 'disk-2' })
  assert.equal(roleOf(raft), 'leader')
  accept(raft, 2, 'blank', 3)
  assert.equal(raft.log.commitIndex, 0)
  assert.equal(progressOf(raft, 2).matchIndex, 0)
})

test('a leader on a disk that an older configuration does not know is followed: else nobody would tell the newer one', () => {
  const raft = create()
  const effects = run(raft, { kind: 'message', message: append(5, [2, 1], [dataEntry(3, 5)], 3), fromDisk: 'new' })
  assert.equal(sent(effects)[0]?.kind, 'appendEntriesReply')
  assert.equal(raft.log.commitIndex, 3)
})

test('who lost its disk does not stand for election in a configuration that names the lost one', () => {
  const raft = create(founded, 'blank')
  run(raft, { kind: 'campaign' })
  assert.equal(raft.role.kind, 'follower')
  receive(raft, { kind: 'timeoutNow', ...from(2, 1) })
  assert.equal(raft.role.kind, 'follower')
})

test('a voter keeps its disk: another one is removed and added', () => {
  const raft = leading()
  const refused = change(raft, [1, 2, 3], [], [memberOf(3, 'new')])
  assert.deepEqual(refused, { kind: 'refused', input: 'changeMembership', reason: 'badTarget' })
  assert.equal(change(raft, [1, 2], [])?.kind, 'accepted')
})

test('a learner that comes back with another disk begins anew', () => {
  const raft = leading()
  change(raft, [1, 2, 3], [4], [memberOf(4)])
  accept(raft, 2, 'disk-2', 4)
  accept(raft, 4, 'disk-4', 4)
  assert.equal(progressOf(raft, 4).matchIndex, 4)
  assert.equal(change(raft, [1, 2, 3], [4], [memberOf(4, 'new')])?.kind, 'accepted')
  assert.equal(progressOf(raft, 4).matchIndex, 0)
})

test('an observer is promoted with the disk it was observed on, or begins anew', () => {
  for (const [diskId, matchIndex] of [['disk-4', 3] as const, ['new', 0] as const]) {
    const raft = leading()
    run(raft, { kind: 'observe', id: toNodeId(4), diskId: 'disk-4' })
    accept(raft, 4, 'disk-4', 3)
    change(raft, [1, 2, 3], [4], [memberOf(4, diskId)])
    assert.equal(progressOf(raft, 4).matchIndex, matchIndex)
  }
})

test('a member that nobody named is refused', () => {
  const refused = change(leading(), [1, 2, 3, 4], [])
  assert.deepEqual(refused, { kind: 'refused', input: 'changeMembership', reason: 'badTarget' })
})

test('a change takes members in, the end of the joint step lets go of those who left, the cluster keeps its name', () => {
  const raft = leading()
  change(raft, [1, 2, 4], [], [memberOf(4)])
  const { clusterId } = founded
  const ids = (): readonly number[] => raft.configurations.current.members!.map(member => member.id)
  assert.deepEqual(ids(), [1, 2, 4, 3])
  accept(raft, 2, 'disk-2', 4)
  accept(raft, 4, 'disk-4', 4)
  assert.deepEqual(raft.configurations.current.oldVoters, [])
  assert.deepEqual(ids(), [1, 2, 4])
  assert.equal(raft.configurations.current.clusterId, clusterId)
})

test('every founder writes the same first entry, whoever it heard of first', () => {
  const data = encodeConfiguration(foundingConfiguration([...founders].reverse()))
  assert.deepEqual(data, encodeConfiguration(founded))
  assert.match(founded.clusterId!, /^[\w-]{22}$/)
  assert.notEqual(clusterIdOf(founders.slice(1)), founded.clusterId)
})

test('a founder that heard of a later term begins its log in term 1 all the same', () => {
  const hardState = { term: toTerm(0), votedFor: null }
  const blank = { hardState, snapshot: null, entries: [] }
  const raft = createRaft(toNodeId(1), blank, defaultRaftOptions, seededRandom(1), soundRules, 'disk-1')
  const last = { lastIndex: toLogIndex(1), lastTerm: toTerm(1) }
  receive(raft, { kind: 'requestVote', ...from(2, 5), ...last, isTransfer: false })
  run(raft, { kind: 'found', configuration: founded })
  assert.deepEqual([raft.term, raft.log.lastIndex, raft.log.lastTerm], [5, 1, 1])
  assert.equal(raft.configurations.current.clusterId, founded.clusterId)
})

test('a configuration is read as it was written, with and without names', () => {
  const plain: Configuration = { voters: [toNodeId(1)], oldVoters: [toNodeId(2)], learners: [toNodeId(3)] }
  for (const configuration of [plain, founded]) {
    assert.deepEqual(decodeConfiguration(bootstrapEntry(configuration)), configuration)
  }
  const text = (value: unknown) => ({ ...bootstrapEntry(plain), data: new TextEncoder().encode(JSON.stringify(value)) })
  for (const wrong of [{ members: 7 }, { members: [{ id: 1 }] }, { clusterId: 7 }, { voters: [] }, { version: 2 }]) {
    assert.throws(() => decodeConfiguration(text({ version: 1, ...plain, ...wrong })), /not a configuration/)
  }
})

test('a log never changes its cluster: of a peer it is not accepted, of this server it is a mistake', () => {
  const other = foundingConfiguration([memberOf(1, 'x'), memberOf(2, 'y')])
  const raft = create()
  const entry = { ...bootstrapEntry(other, 2), index: toLogIndex(3) }
  assert.deepEqual(receive(raft, append(2, [2, 1], [entry])), [])
  assert.equal(raft.log.lastIndex, 2)
  const history = new ConfigurationHistory(toLogIndex(1), founded)
  assert.throws(() => history.add(toLogIndex(2), other), /a cluster keeps its name/)
})
