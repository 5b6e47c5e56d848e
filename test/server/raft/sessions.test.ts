/** Sessions and answers around a program's state machine, against a counter that says how often it was applied. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../../src/protocol/errors.ts'
import { ProtocolError } from '../../../src/protocol/protocol-error.ts'
import { AnsweringMachine } from '../../../src/server/raft/answers.ts'
import { checkSession, encodeSessionEntry, SessionMachine } from '../../../src/server/raft/sessions.ts'
import type { RaftSession, RaftStateMachine } from '../../../src/server/raft/types.ts'
import { concatBytes } from '../../../src/util/bytes.ts'
import { toLogIndex, toTerm } from '../../../src/util/numbers.ts'

/** Adds up bytes; answers with the sum and the number of entries so far. */
class Sum implements RaftStateMachine<{ sum: number; applied: number }> {
  sum = 0
  applied = 0

  apply({ data }: { data: Uint8Array }): { sum: number; applied: number } {
    this.applied++
    for (const byte of data) this.sum += byte
    return { sum: this.sum, applied: this.applied }
  }

  snapshot(): Uint8Array {
    return Uint8Array.of(this.sum, this.applied)
  }

  restore(snapshot: Uint8Array): void {
    this.sum = snapshot[0]!
    this.applied = snapshot[1]!
  }
}

function entry(index: number, session: RaftSession | null, ...data: number[]): { index: number; data: Uint8Array } {
  return { index, data: encodeSessionEntry(Uint8Array.from(data), session) }
}

const a = (requestId: number): RaftSession => ({ clientId: 'a', requestId })

test('a retry gets the first answer and changes nothing; without a session everything is applied', () => {
  const sum = new Sum()
  const machine = new SessionMachine(sum, 10)
  const first = machine.apply(entry(1, a(1), 5))
  assert.deepEqual(first, { kind: 'answer', answer: { sum: 5, applied: 1 } })
  machine.apply(entry(2, null, 7))
  assert.deepEqual(machine.apply(entry(3, a(1), 5)), first)
  assert.deepEqual([sum.sum, sum.applied], [12, 2])
  machine.apply(entry(4, a(2), 1))
  assert.deepEqual(machine.apply(entry(5, a(1), 5)), { kind: 'forgotten' })
  assert.deepEqual([sum.sum, sum.applied], [13, 3])
})

test('what is handed out can be changed without changing what is remembered', () => {
  const machine = new SessionMachine(new Sum(), 10)
  const first = machine.apply(entry(1, a(1), 5))
  if (first.kind === 'answer') first.answer.sum = 99
  assert.deepEqual(machine.apply(entry(2, a(1), 5)), { kind: 'answer', answer: { sum: 5, applied: 1 } })
})

test('sessions travel with the snapshot, in the order that decides who is forgotten', () => {
  const machine = new SessionMachine(new Sum(), 2)
  machine.apply(entry(1, { clientId: 'b', requestId: 1 }, 1))
  machine.apply(entry(2, a(1), 5))
  const pieces = [...machine.snapshot()]
  const copySum = new Sum()
  const copy = new SessionMachine(copySum, 2)
  for (const _ of copy.restore(concatBytes(pieces))) assert.equal(copySum.applied, 0)
  for (const [original, restored] of [
    [machine.apply(entry(3, a(1), 5)), copy.apply(entry(3, a(1), 5))],
    // 'b' was silent longest: 'c' takes its place, and its retry is a new request.
    [
      machine.apply(entry(4, { clientId: 'c', requestId: 1 }, 1)),
      copy.apply(entry(4, { clientId: 'c', requestId: 1 }, 1)),
    ],
    [
      machine.apply(entry(5, { clientId: 'b', requestId: 1 }, 1)),
      copy.apply(entry(5, { clientId: 'b', requestId: 1 }, 1)),
    ],
  ])
    assert.deepEqual(restored, original)
  assert.deepEqual([copySum.sum, copySum.applied], [8, 4])
})

test('a snapshot holds what was so when it was asked for', () => {
  const machine = new SessionMachine(new Sum(), 10)
  machine.apply(entry(1, a(1), 5))
  const pieces = machine.snapshot()
  machine.apply(entry(2, a(2), 5))
  const copy = new SessionMachine(new Sum(), 10)
  Array.from(copy.restore(concatBytes([...pieces])))
  assert.deepEqual(copy.apply(entry(2, a(2), 5)), { kind: 'answer', answer: { sum: 10, applied: 2 } })
})

test('entries of a group without sessions, and sessions that are none, are refused', () => {
  const machine = new SessionMachine(new Sum(), 10)
  assert.throws(() => machine.apply({ index: 1, data: Uint8Array.of(1) }), ProtocolError)
  const refused = (error: unknown): boolean => error instanceof ApiError && error.code === 'INVALID_REQUEST'
  assert.throws(() => checkSession({ clientId: '', requestId: 1 }), refused)
  assert.throws(() => checkSession({ clientId: 'a', requestId: 0.5 }), refused)
  checkSession(a(0))
})

test('each proposer gets the answers to its own entries, whoever gave up in between', async () => {
  const machine = new AnsweringMachine(new Sum())
  const apply = (from: number, ...values: number[]): void =>
    machine.apply(
      values.map((value, i) => ({ index: toLogIndex(from + i), term: toTerm(1), data: Uint8Array.of(value) })),
    )
  const proposals = [2, 1, 3].map(count => {
    const { promise, resolve, reject } = withResolvers<number>()
    return { answers: machine.answersOf(count, () => promise), resolve, reject }
  })
  const [first, second, third] = proposals as [Proposal, Proposal, Proposal]
  apply(4, 1, 1)
  second.reject(new Error('gave up'))
  await assert.rejects(second.answers, /gave up/)
  apply(6, 10)
  first.resolve(5)
  apply(8, 1, 1, 1)
  third.resolve(10)
  assert.deepEqual(await first.answers, [
    { sum: 1, applied: 1 },
    { sum: 2, applied: 2 },
  ])
  assert.deepEqual(
    (await third.answers).map(({ sum }) => sum),
    [13, 14, 15],
  )
})

interface Proposal {
  readonly answers: Promise<{ sum: number; applied: number }[]>
  readonly resolve: (lastIndex: number) => void
  readonly reject: (error: Error) => void
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
