/** The checker of produced and consumed records: what is wrong is named, what is right passes, and it is fast. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnomalyName } from '../../src/simulation/records/anomalies.ts'
import { accountOf, checkRecords, type RecordsCheckOptions } from '../../src/simulation/records/check.ts'
import { lineOf, operationsOf } from '../../src/simulation/records/jsonl.ts'
import {
  type RecordsEvent,
  RecordsHistory,
  type RecordsOperation,
  type Step,
} from '../../src/simulation/records/operations.ts'
import { seededRandom } from '../../src/util/random.ts'
import { runs } from '../support/depth.ts'
import { goodHistory } from './good-records.ts'

const strict: RecordsCheckOptions = { isComplete: true, isIdempotent: true, isOrderedInFlight: true, isDense: true }

/** A history by hand: `p` sends values that get these offsets, `c` reads `[offset, value]`. */
class Story {
  readonly #history = new RecordsHistory(() => ++this.#time)
  #time = 0

  get operations(): readonly RecordsOperation[] {
    return this.#history.operations
  }

  sent(process: string, values: readonly number[], offsets: readonly number[]): this {
    const step = { kind: 'send', partition: 't-0', values, offsets: null, isPromised: true } as const
    this.#history.invoke(process, [step]).ok([{ ...step, offsets }])
    return this
  }

  lost(process: string, value: number, outcome: 'fail' | 'info'): this {
    const step = { kind: 'send', partition: 't-0', values: [value], offsets: null, isPromised: true } as const
    this.#history.invoke(process, [step])[outcome]()
    return this
  }

  read(process: string, records: ReadonlyArray<readonly [number, number]>, highWatermark: number | null = null): this {
    const [offsets, values] = [records.map(([offset]) => offset), records.map(([, value]) => value)]
    this.#history.invoke(process, []).ok([{ kind: 'poll', partition: 't-0', offsets, values, highWatermark }])
    return this
  }

  assigned(process: string, offset: number | null): this {
    this.#history.did(process, { kind: 'assign', partitions: [{ partition: 't-0', offset }] })
    return this
  }
}

const bad: ReadonlyArray<readonly [name: string, expected: readonly AnomalyName[], Story]> = [
  [
    'two readers find different values at an offset',
    ['inconsistent-offsets'],
    new Story()
      .sent('p', [1], [0])
      .lost('p', 2, 'info')
      .read('c', [[0, 1]])
      .read('d', [[0, 2]]),
  ],
  [
    'a value is read elsewhere than its sender was told, and another stands there',
    ['inconsistent-offsets'],
    new Story()
      .sent('p', [1], [0])
      .sent('p', [2], [1])
      .read('c', [
        [0, 2],
        [1, 1],
      ]),
  ],
  [
    'two senders are told the same offset',
    ['inconsistent-offsets', 'unseen', 'realtime-send'],
    new Story()
      .sent('p', [1], [0])
      .sent('q', [2], [0])
      .read('c', [[0, 1]]),
  ],
  [
    'everybody reads past an acknowledged value',
    ['lost-write', 'unseen', 'poll-skip'],
    new Story()
      .sent('p', [1], [0])
      .sent('p', [2], [1])
      .sent('p', [3], [2])
      .read('c', [[0, 1]])
      .read('c', [[2, 3]]),
  ],
  ['what was acknowledged last is never read', ['unseen'], new Story().sent('p', [1, 2], [0, 1]).read('c', [[0, 1]])],
  [
    'one value at two offsets',
    ['duplicate'],
    new Story().sent('p', [1], [0]).read('c', [
      [0, 1],
      [1, 1],
    ]),
  ],
  ['a value that was refused is read', ['aborted-read'], new Story().lost('p', 1, 'fail').read('c', [[0, 1]])],
  [
    'a value that nobody sent is read',
    ['unsent-read'],
    new Story().sent('p', [1], [0]).read('c', [
      [0, 1],
      [1, 7],
    ]),
  ],
  ['a value is read before it is sent', ['read-before-send'], new Story().read('c', [[0, 1]]).sent('p', [1], [0])],
  [
    'a value is read that is not committed yet',
    ['above-high-watermark'],
    new Story().sent('p', [1, 2], [0, 1]).read(
      'c',
      [
        [0, 1],
        [1, 2],
      ],
      1,
    ),
  ],
  [
    'a reader leaves out a value within a poll',
    ['int-poll-skip'],
    new Story()
      .sent('p', [1, 2, 3], [0, 1, 2])
      .read('c', [
        [0, 1],
        [2, 3],
      ])
      .read('d', [
        [0, 1],
        [1, 2],
        [2, 3],
      ]),
  ],
  [
    'a reader goes back within a poll',
    ['int-nonmonotonic-poll'],
    new Story().sent('p', [1, 2], [0, 1]).read('c', [
      [0, 1],
      [1, 2],
      [0, 1],
      [1, 2],
    ]),
  ],
  [
    'a reader leaves out a value between polls',
    ['poll-skip'],
    new Story()
      .sent('p', [1, 2, 3], [0, 1, 2])
      .read('c', [[0, 1]])
      .read('c', [[2, 3]])
      .read('d', [
        [0, 1],
        [1, 2],
        [2, 3],
      ]),
  ],
  [
    'a reader does not begin where it was told to',
    ['poll-skip'],
    new Story()
      .sent('p', [1, 2], [0, 1])
      .assigned('c', 0)
      .read('c', [[1, 2]])
      .read('d', [[0, 1]]),
  ],
  [
    'a reader reads again what it has read',
    ['nonmonotonic-poll'],
    new Story()
      .sent('p', [1, 2], [0, 1])
      .read('c', [
        [0, 1],
        [1, 2],
      ])
      .read('c', [[1, 2]]),
  ],
  [
    'assigned again without an offset, a reader goes back',
    ['nonmonotonic-poll'],
    new Story()
      .sent('p', [1], [0])
      .read('c', [[0, 1]])
      .assigned('c', null)
      .read('c', [[0, 1]]),
  ],
  [
    'the values of a send stand in another order',
    ['int-nonmonotonic-send'],
    new Story().sent('p', [1, 2], [1, 0]).read('c', [
      [0, 2],
      [1, 1],
    ]),
  ],
  [
    'the sends of a process stand in another order',
    ['nonmonotonic-send', 'realtime-send'],
    new Story()
      .sent('p', [1], [1])
      .sent('p', [2], [0])
      .read('c', [
        [0, 2],
        [1, 1],
      ]),
  ],
  [
    'what was sent after an answer stands before what was answered',
    ['realtime-send'],
    new Story()
      .sent('p', [1], [1])
      .sent('q', [2], [0])
      .read('c', [
        [0, 2],
        [1, 1],
      ]),
  ],
  [
    'an offset is left out of which nobody knows',
    ['offset-gap'],
    new Story().sent('p', [1, 2], [0, 2]).read('c', [
      [0, 1],
      [2, 2],
    ]),
  ],
]

for (const [name, expected, { operations }] of bad) {
  test(`bad: ${name}`, () => {
    const verdict = checkRecords(operations, strict)
    assert.ok(!verdict.isValid)
    assert.deepEqual(
      verdict.anomalies.map(anomaly => anomaly.name),
      expected,
      accountOf(verdict),
    )
    for (const { examples, count } of verdict.anomalies) assert.ok(count >= 1 && examples.length >= 1)
  })
}

test('what is in flight together may change places unless order was promised', () => {
  const at = (invokedAt: number, returnedAt: number, value: number, offset: number): RecordsOperation => {
    const step: Step = { kind: 'send', partition: 't-0', values: [value], offsets: [offset], isPromised: true }
    return { process: 'p', steps: [step], invokedAt, returnedAt, outcome: 'ok' }
  }
  const operations = [at(1, 4, 1, 1), at(2, 3, 2, 0)]
  const names = (options: Partial<RecordsCheckOptions>): string[] =>
    checkRecords(operations, { ...strict, isComplete: false, ...options }).anomalies.map(({ name }) => name)
  assert.deepEqual(names({}), ['nonmonotonic-send'])
  assert.deepEqual(names({ isOrderedInFlight: false }), [])
})

test('without idempotence a value that was written twice is told and allowed', () => {
  const { operations } = new Story().sent('p', [1], [1]).read('c', [
    [0, 1],
    [1, 1],
  ])
  const verdict = checkRecords(operations, { ...strict, isIdempotent: false })
  assert.ok(verdict.isValid)
  assert.deepEqual(
    verdict.anomalies.map(({ name, isBad }) => ({ name, isBad })),
    [{ name: 'duplicate', isBad: false }],
  )
})

test('where logs are cut, values change their places, and still nothing is read that was not sent', () => {
  const story = new Story().sent('p', [1], [0]).read('c', [[0, 1]])
  const cut = { ...strict, isComplete: false, isCut: true }
  const { operations } = story.sent('p', [2], [0]).read('c', [[0, 2]])
  assert.equal(checkRecords(operations, { ...cut, isCut: false }).isValid, false)
  assert.equal(checkRecords(operations, cut).isValid, true)
  assert.equal(checkRecords(story.read('c', [[1, 3]]).operations, cut).isValid, false, 'nobody sent it')
})

test('a value that a retry wrote again behind another one stands where it was written first', () => {
  const { operations } = new Story()
    .sent('p', [1], [2])
    .sent('p', [2], [1])
    .read('c', [
      [0, 1],
      [1, 2],
      [2, 1],
    ])
  const { isValid, anomalies } = checkRecords(operations, { ...strict, isIdempotent: false })
  assert.ok(isValid)
  assert.deepEqual(
    anomalies.map(({ name }) => name),
    ['duplicate'],
  )
})

test('of sends that promise nothing nothing is expected, but that they were sent', () => {
  const history = new RecordsHistory(() => 0)
  const step = { kind: 'send', partition: 't-0', values: [1], offsets: null, isPromised: false } as const
  history.invoke('p', [step]).ok([{ ...step, offsets: [0] }])
  history.did('p', { ...step, values: [2], offsets: [0], isPromised: true })
  history.did('c', { kind: 'poll', partition: 't-0', offsets: [0], values: [2], highWatermark: 1 })
  assert.deepEqual(checkRecords(history.operations, strict).anomalies, [])
})

test('good histories pass, whatever was unknown, refused or read again by another', () => {
  for (let seed = 1; seed <= runs(1_000); seed++) {
    const random = seededRandom(seed)
    const isIdempotent = random.nextInt(2) === 0
    const operations = goodHistory(random, {
      isIdempotent,
      sends: 5 + random.nextInt(60),
      partitions: 1 + random.nextInt(3),
    })
    const verdict = checkRecords(operations, { ...strict, isIdempotent })
    assert.ok(verdict.isValid, `seed ${seed}\n${accountOf(verdict)}`)
    assert.ok(verdict.counts.acknowledged > 0 || verdict.counts.operations < 40)
  }
})

test('a good history is a bad one with any of its acknowledged values taken from what is read', () => {
  for (let seed = 1; seed <= runs(100); seed++) {
    const random = seededRandom(seed)
    const operations = goodHistory(random, { isIdempotent: true, sends: 20, partitions: 1 })
    const sends = operations.filter(({ outcome, steps }) => outcome === 'ok' && steps[0]?.kind === 'send')
    const victim = sends[random.nextInt(sends.length)]!.steps[0]!
    assert.ok(victim.kind === 'send')
    const without = operations.map(operation => ({
      ...operation,
      steps: operation.steps.map(s => leavingOut(s, victim.values[0]!)),
    }))
    const verdict = checkRecords(without, strict)
    assert.ok(
      verdict.anomalies.some(({ name }) => name === 'unseen'),
      `seed ${seed}`,
    )
  }
})

function leavingOut(step: Step, value: number): Step {
  if (step.kind !== 'poll') return step
  const kept = step.values.map((_, i) => i).filter(i => step.values[i] !== value)
  return { ...step, values: kept.map(i => step.values[i]!), offsets: kept.map(i => step.offsets[i]!) }
}

test('histories of several processes come back from their lines, the last of which may be cut', () => {
  const random = seededRandom(7)
  const operations = goodHistory(random, { isIdempotent: true, sends: 30, partitions: 2 })
  const events = operations.flatMap((operation, op): RecordsEvent[] => {
    const { process, steps, outcome, invokedAt, returnedAt } = operation
    const invoke: RecordsEvent = { type: 'invoke', op, process, ns: invokedAt, steps }
    const isOpen = returnedAt === Number.POSITIVE_INFINITY
    return isOpen ? [invoke] : [invoke, { type: outcome, op, process, ns: returnedAt, steps }]
  })
  const files = [0, 1].map(half => events.filter(({ op }) => op % 2 === half).map(event => `${lineOf(event)}\n`))
  const found = operationsOf(files.map(lines => `${lines.join('')}{"type":"inv`))
  const byTime = [...operations].sort((a, b) => a.invokedAt - b.invokedAt)
  assert.deepEqual(found, byTime)
  assert.throws(() => operationsOf(['{"type":"ok","op":1,"process":"p","ns":1,"steps":[]}\n']), SyntaxError)
})

/** A million operations: `MILLRACE_TEST_DEPTH=5 node scripts/test.mjs simulation/records`. */
test('a long history is judged within memory', { timeout: 600_000 }, t => {
  const operations = goodHistory(seededRandom(3), { isIdempotent: true, sends: runs(160_000), partitions: 12 })
  const startedMs = performance.now()
  const verdict = checkRecords(operations, strict)
  assert.ok(verdict.isValid, accountOf(verdict))
  const heapMiB = Math.round(process.memoryUsage().rss / 2 ** 20)
  t.diagnostic(`${operations.length} operations in ${(performance.now() - startedMs).toFixed(0)} ms, ${heapMiB} MiB`)
  assert.ok(heapMiB < 2_048)
})
