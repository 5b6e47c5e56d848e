/** Nonsense from a peer, to every role: it is dropped, and the server goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeConfiguration } from '../../src/raft/configuration.ts'
import type { Message } from '../../src/raft/messages.ts'
import type { Raft } from '../../src/raft/state.ts'
import type { Configuration, Entry } from '../../src/raft/types.ts'
import { toLogIndex, toTerm } from '../../src/util/numbers.ts'
import { dataEntry } from './entries.ts'
import { append, create, from, lead, receive, run, snapshotAt, three } from './single.ts'

function inRole(role: 'follower' | 'candidate' | 'leader'): Raft {
  const raft = create([1, 1])
  if (role === 'leader') lead(raft)
  if (role === 'candidate') receive(raft, { kind: 'timeoutNow', ...from(2, 1) })
  assert.equal(raft.role.kind, role)
  return raft
}

const index = toLogIndex
const noVoters: Configuration = { ...three, voters: [] }
const configurationEntry = (data: Uint8Array): Entry => ({ ...dataEntry(3, 2), kind: 'configuration', data })
const install = (term: number, snapshot: ReturnType<typeof snapshotAt>): Message => ({
  kind: 'installSnapshot',
  ...from(2, term),
  snapshot,
  round: 1,
})

/** Of the server's own term, which `term` is, and of later ones. */
const nonsense: Readonly<Record<string, (term: number) => Message>> = {
  'term 0': () => ({ kind: 'heartbeat', ...from(2, 0), commitIndex: index(0), commitTerm: toTerm(0), round: 1 }),
  'a term that is no number': () => append(Number.NaN, [2, 1], []),
  'its own number': term => ({ kind: 'timeoutNow', ...from(1, term) }),
  'an append below the log': term => append(term, [-1, 1], []),
  'an append with a gap': term => append(term, [2, 1], [dataEntry(3, term), dataEntry(5, term)]),
  'an append that does not follow': term => append(term, [2, 1], [dataEntry(4, term)]),
  'an append whose terms fall': term => append(term, [2, 2], [dataEntry(3, 1)]),
  'an append from the future': term => append(term, [2, 1], [dataEntry(3, term + 1)]),
  'a configuration that cannot be read': term =>
    append(term, [2, 1], [configurationEntry(new Uint8Array([1, 2])), dataEntry(4, term)]),
  'a configuration without voters': term => append(term, [2, 1], [configurationEntry(encodeConfiguration(noVoters))]),
  'a snapshot of nothing': term => install(term, snapshotAt(0, 1)),
  'a snapshot from the future': term => install(term, snapshotAt(9, term + 1)),
  'a snapshot without voters': term => install(term, snapshotAt(9, 1, noVoters)),
  'an acknowledgement below the log': term => ({
    kind: 'appendEntriesReply',
    ...from(2, term),
    matchIndex: index(-1),
    round: 1,
  }),
  'a refusal below the log': term => ({
    kind: 'appendEntriesRefused',
    ...from(2, term),
    prevIndex: index(-5),
    conflictTerm: null,
    conflictIndex: index(-9),
    round: 1,
  }),
  'a candidate whose log is in its own term': term => ({
    kind: 'requestVote',
    ...from(2, term),
    lastIndex: index(9),
    lastTerm: toTerm(term),
    isTransfer: true,
  }),
}

for (const role of ['follower', 'candidate', 'leader'] as const) {
  test(`a ${role} drops nonsense as if it had been lost`, () => {
    for (const [what, make] of Object.entries(nonsense)) {
      const raft = inRole(role)
      const { term } = raft
      for (const ahead of [0, 3]) assert.deepEqual(receive(raft, make(term + ahead)), [], what)
      assert.deepEqual([raft.role.kind, raft.term, raft.log.commitIndex], [role, term, 0], what)
    }
  })
}

test('a leader drops what would come from another leader of its term, or answer what it never sent', () => {
  const raft = inRole('leader')
  const { term } = raft
  const impossible: readonly Message[] = [
    append(term, [2, 1], [dataEntry(3, term)]),
    { kind: 'heartbeat', ...from(2, term), commitIndex: index(0), commitTerm: toTerm(0), round: 1 },
    install(term, snapshotAt(9, 1)),
    { kind: 'appendEntriesReply', ...from(2, term), matchIndex: index(99), round: 1 },
    { kind: 'appendEntriesReply', ...from(2, term), matchIndex: index(3), round: 99 },
    { kind: 'heartbeatReply', ...from(2, term), round: 99 },
  ]
  for (const message of impossible) assert.deepEqual(receive(raft, message), [], message.kind)
  run(raft, { kind: 'readIndex', id: 1 })
  run(raft, { kind: 'flush' })
  assert.equal(raft.role.kind, 'leader')
  assert.equal(raft.log.commitIndex, 0)
})
