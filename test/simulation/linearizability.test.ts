/**
 * The checker itself: known bad histories are flagged, what a linearizable object really did passes whatever the overlap,
 * and the same with one answer changed is mostly flagged.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkLinearizable,
  History,
  type Invocation,
  type Model,
  type Operation,
  type Outcome,
} from '../../src/simulation/linearizability.ts'
import {
  type RegisterInput,
  type RegisterOutput,
  registerModel,
  type TopicsInput,
  type TopicsOutput,
  topicsModel,
} from '../../src/simulation/linearizability-models.ts'
import { type Random, seededRandom } from '../../src/util/random.ts'
import { seedRange } from '../support/depth.ts'

type Register = Operation<RegisterInput, RegisterOutput>
type Topics = Operation<TopicsInput, TopicsOutput>

const ok = <Output>(output: Output, returnedAt: number): Outcome<Output> => ({ kind: 'ok', output, returnedAt })

function read(from: number, to: number, value: string | null, key = 'x'): Register {
  return { client: `c${from}`, input: { kind: 'read', key }, invokedAt: from, outcome: ok(value, to) }
}

/** `to` null: nobody knows. */
function write(from: number, to: number | null, value: string, key = 'x'): Register {
  const outcome = to === null ? ({ kind: 'unknown' } as const) : ok(null, to)
  return { client: `c${from}`, input: { kind: 'write', key, value }, invokedAt: from, outcome }
}

function cas(from: number, to: number, before: string | null, after: string, isDone: boolean): Register {
  const input = { kind: 'cas', key: 'x', from: before, to: after } as const
  return { client: `c${from}`, input, invokedAt: from, outcome: ok(isDone, to) }
}

function failedWrite(from: number, value: string): Register {
  return { client: `c${from}`, input: { kind: 'write', key: 'x', value }, invokedAt: from, outcome: { kind: 'fail' } }
}

function topic(
  kind: 'create' | 'delete' | 'describe',
  from: number,
  to: number | null,
  output: 'ok' | 'exists' | 'unknown' = 'ok',
  name = 't',
): Topics {
  const outcome = to === null ? ({ kind: 'unknown' } as const) : ok(output, to)
  return { client: `c${from}`, input: { kind, topic: name }, invokedAt: from, outcome }
}

function list(from: number, to: number, names: readonly string[]): Topics {
  return { client: `c${from}`, input: { kind: 'list' }, invokedAt: from, outcome: ok(names, to) }
}

const badRegisters: Record<string, readonly Register[]> = {
  'a read of what nobody wrote': [write(1, 2, 'a'), read(3, 4, 'b')],
  'a stale read': [write(1, 2, 'a'), write(3, 4, 'b'), read(5, 6, 'a')],
  'a lost write': [write(1, 2, 'a'), read(3, 4, null)],
  'a read from the future': [read(1, 2, 'a'), write(3, 4, 'a')],
  'two readers that see two writes in different orders': [
    write(1, 10, 'a'),
    write(2, 11, 'b'),
    read(12, 13, 'a'),
    read(14, 15, 'b'),
  ],
  'a new value, then the old one, while the write is under way': [
    write(1, 2, 'a'),
    write(3, 20, 'b'),
    read(4, 5, 'b'),
    read(6, 7, 'a'),
  ],
  'a write that failed and was seen': [write(1, 2, 'a'), failedWrite(3, 'b'), read(5, 6, 'b')],
  'an unknown write that was seen, not seen, and seen': [
    write(1, 2, 'a'),
    write(3, null, 'b'),
    read(4, 5, 'b'),
    read(6, 7, 'a'),
    read(8, 9, 'b'),
  ],
  'an unknown write that was seen before it was invoked': [write(1, 2, 'a'), read(3, 4, 'b'), write(5, null, 'b')],
  'one value, two cas that took it': [write(1, 2, 'a'), cas(3, 10, 'a', 'b', true), cas(4, 11, 'a', 'c', true)],
  'a cas that refused what was there all the time': [write(1, 2, 'a'), cas(3, 4, 'a', 'b', false)],
  'a cas that took what was not there': [write(1, 2, 'a'), cas(3, 4, 'b', 'c', true)],
  'a cas whose write is lost': [write(1, 2, 'a'), cas(3, 4, 'a', 'b', true), read(5, 6, 'a')],
  'one bad key among good ones': [write(1, 2, 'a', 'y'), read(3, 4, 'a', 'y'), write(5, 6, 'a'), read(7, 8, null)],
}

const badTopics: Record<string, readonly Topics[]> = {
  'a topic created twice': [topic('create', 1, 10), topic('create', 2, 11)],
  'an acknowledged topic that is not there': [topic('create', 1, 2), topic('describe', 3, 4, 'unknown')],
  'a deleted topic that is back': [topic('create', 1, 2), topic('delete', 3, 4), topic('describe', 5, 6)],
  'a topic that exists without having been created': [topic('create', 1, 2, 'exists')],
  'a topic deleted twice': [topic('create', 1, 2), topic('delete', 3, 10), topic('delete', 4, 11)],
  'a list that misses one': [topic('create', 1, 2), topic('create', 3, 4, 'ok', 'u'), list(5, 6, ['u'])],
  'a list that never was: the later without the earlier': [
    topic('create', 1, 20),
    topic('create', 2, 21, 'ok', 'u'),
    list(3, 4, ['t']),
    list(5, 6, ['u']),
  ],
  'an unknown create whose topic comes, goes and comes': [
    topic('create', 1, null),
    list(2, 3, ['t']),
    list(4, 5, []),
    list(6, 7, ['t']),
  ],
}

for (const [name, history] of Object.entries(badRegisters)) {
  test(`flagged: ${name}`, () => {
    const verdict = checkLinearizable(registerModel, history)
    assert.equal(verdict.kind, 'violation')
  })
}

for (const [name, history] of Object.entries(badTopics)) {
  test(`flagged: ${name}`, () => assert.equal(checkLinearizable(topicsModel, history).kind, 'violation'))
}

const goodRegisters: Record<string, readonly Register[]> = {
  nothing: [],
  'a read beside a write may see either': [write(1, 10, 'a'), read(2, 3, null), read(4, 5, 'a')],
  'what touches, overlaps': [write(1, 2, 'a'), read(2, 3, null)],
  'an unknown write may happen late': [write(1, null, 'a'), read(5, 6, null), read(7, 8, 'a')],
  'an unknown write may never happen': [write(1, null, 'a'), read(5, 6, null)],
  'a failed write did not': [failedWrite(1, 'a'), read(5, 6, null)],
  'equal unknown writes may happen one by one': [
    write(1, null, 'a'),
    write(2, null, 'a'),
    write(3, 4, 'b'),
    read(5, 6, 'a'),
    write(7, 8, 'c'),
    read(9, 10, 'a'),
  ],
}

for (const [name, history] of Object.entries(goodRegisters)) {
  test(`explained: ${name}`, () => assert.equal(checkLinearizable(registerModel, history).kind, 'ok'))
}

test('the account names the smallest part, its shortest beginning, and what cannot follow', () => {
  const history = [
    ...Array.from({ length: 30 }, (_, i) => write(100 + 2 * i, 101 + 2 * i, `${i}`, 'big')),
    read(200, 201, 'never', 'big'),
    write(1, 2, 'a'),
    read(3, 4, 'b'),
    read(5, 6, 'a'),
  ]
  const verdict = checkLinearizable(registerModel, history)
  assert.ok(verdict.kind === 'violation')
  assert.equal(verdict.partition, 'x')
  assert.equal(verdict.operations.length, 2)
  assert.equal(
    verdict.account,
    [
      'No order of these operations explains what they answered (x):',
      '  #0 [1, 2] c1: write x = a',
      '  #1 [3, 4] c3: read x → "b"',
      'The longest explanation that was found:',
      '  #0 [1, 2] c1: write x = a',
      'It leads to the state "a", and none of these can be next:',
      '  #1 [3, 4] c3: read x → "b"',
    ].join('\n'),
  )
})

test('a search that is cut short is undecided, never ok', () => {
  const writes = Array.from({ length: 12 }, (_, i) => write(1, 100, `${i}`))
  const history = [...writes, read(101, 102, 'never')]
  assert.equal(checkLinearizable(registerModel, history, { stepsMax: 1_000 }).kind, 'undecided')
  assert.equal(checkLinearizable(registerModel, history).kind, 'violation')
})

/** What clients saw of an object that did each operation at one moment between invocation and return. */
function realHistory<State, Input, Output>(
  model: Model<State, Input, Output>,
  random: Random,
  { count, clients }: { readonly count: number; readonly clients: number },
  draw: (random: Random) => Input,
  answer: (state: State, input: Input) => Output,
  objectOf: (input: Input) => string = () => '',
): readonly Operation<Input, Output>[] {
  interface Pending {
    readonly input: Input
    readonly invocation: Invocation<Output>
    output: Output | undefined
  }
  const history = new History<Input, Output>()
  const pending = new Map<number, Pending>()
  /** Given up by their clients, on their way nevertheless. */
  const adrift: Input[] = []
  const states = new Map<string, State>()
  const effect = (input: Input): Output => {
    const state = states.get(objectOf(input)) ?? model.initial
    const output = answer(state, input)
    states.set(objectOf(input), model.step(state, input, output)!)
    return output
  }
  while (history.operations.length < count || pending.size > 0) {
    if (adrift.length > 0 && random.nextInt(20) === 0) effect(adrift.splice(random.nextInt(adrift.length), 1)[0]!)
    const client = random.nextInt(clients)
    const current = pending.get(client)
    if (current === undefined) {
      if (history.operations.length === count) continue
      const input = draw(random)
      pending.set(client, { input, invocation: history.invoke(`c${client}`, input), output: undefined })
    } else if (current.output === undefined) {
      const fate = random.nextInt(100)
      if (fate < 3) current.invocation.fail()
      else if (fate < 6) adrift.push(current.input)
      else current.output = effect(current.input)
      if (fate < 6) pending.delete(client)
    } else {
      if (random.nextInt(100) >= 3) current.invocation.ok(current.output)
      pending.delete(client)
    }
  }
  return history.operations
}

function drawRegister(random: Random): RegisterInput {
  const key = `k${random.nextInt(3)}`
  const value = (): string => `${random.nextInt(6)}`
  const kind = random.nextInt(4)
  if (kind < 2) return { kind: 'read', key }
  return kind === 2 ? { kind: 'write', key, value: value() } : { kind: 'cas', key, from: value(), to: value() }
}

function answerRegister(state: string | null, input: RegisterInput): RegisterOutput {
  return input.kind === 'read' ? state : input.kind === 'write' ? null : state === input.from
}

function drawTopics(random: Random): TopicsInput {
  const kind = (['create', 'delete', 'describe', 'list'] as const)[random.nextInt(4)]!
  return kind === 'list' ? { kind } : { kind, topic: `t${random.nextInt(4)}` }
}

function answerTopics(state: readonly string[], input: TopicsInput): TopicsOutput {
  if (input.kind === 'list') return state
  const isThere = state.includes(input.topic)
  return input.kind === 'create' ? (isThere ? 'exists' : 'ok') : isThere ? 'ok' : 'unknown'
}

/** One answer is not what was answered. */
function mutated<Input, Output>(
  history: readonly Operation<Input, Output>[],
  random: Random,
  change: (output: Output) => Output | null,
): readonly Operation<Input, Output>[] {
  const candidates = history.flatMap(({ outcome }, at) => {
    const output = outcome.kind === 'ok' ? change(outcome.output) : null
    return output === null ? [] : [{ at, output }]
  })
  if (candidates.length === 0) return history
  const { at, output } = candidates[random.nextInt(candidates.length)]!
  return history.map((operation, i) =>
    i === at && operation.outcome.kind === 'ok'
      ? { ...operation, outcome: { ...operation.outcome, output } }
      : operation,
  )
}

const registerOutputs = (output: RegisterOutput): RegisterOutput =>
  typeof output === 'boolean' ? !output : output === null ? null : `${(Number(output) + 1) % 6}`
const topicsOutputs = (output: TopicsOutput): TopicsOutput =>
  typeof output !== 'string' ? ['t9'] : output === 'ok' ? 'unknown' : 'ok'

test('what a linearizable object did passes; with one answer changed it is mostly flagged', () => {
  const { from, to } = seedRange(1_000)
  let flagged = 0
  let mutations = 0
  const check = <State, Input, Output>(
    seed: number,
    model: Model<State, Input, Output>,
    history: readonly Operation<Input, Output>[],
    change: (output: Output) => Output | null,
  ): void => {
    const verdict = checkLinearizable(model, history)
    if (verdict.kind !== 'ok') assert.fail(`MILLRACE_TEST_SEEDS=${seed}: ${JSON.stringify(verdict, null, 1)}`)
    const changed = checkLinearizable(model, mutated(history, seededRandom(seed), change))
    assert.notEqual(changed.kind, 'undecided', `MILLRACE_TEST_SEEDS=${seed}`)
    mutations++
    if (changed.kind === 'violation') flagged++
  }
  for (let seed = from; seed <= to; seed++) {
    const random = seededRandom(seed)
    const size = { count: 10 + random.nextInt(90), clients: 1 + random.nextInt(8) }
    if (seed % 2 === 0)
      check(
        seed,
        registerModel,
        realHistory(registerModel, random, size, drawRegister, answerRegister, ({ key }) => key),
        registerOutputs,
      )
    else check(seed, topicsModel, realHistory(topicsModel, random, size, drawTopics, answerTopics), topicsOutputs)
  }
  assert.ok(mutations < 20 || flagged > 0.7 * mutations, `${flagged} of ${mutations} flagged`)
})

test('ten thousand operations of ten clients on one register are checked', t => {
  const size = { count: 10_000, clients: 10 }
  const draw = (random: Random): RegisterInput => ({ ...drawRegister(random), key: 'x' })
  const history = realHistory(registerModel, seededRandom(7), size, draw, answerRegister)
  const startedAt = performance.now()
  const verdict = checkLinearizable(registerModel, history)
  t.diagnostic(`${(performance.now() - startedAt).toFixed(0)} ms`)
  assert.equal(verdict.kind, 'ok', JSON.stringify(verdict))
})

/** Tries every order: too slow for anything but a handful of operations, and too simple to be wrong. */
function isExplainable<State, Input, Output>(
  model: Model<State, Input, Output>,
  left: readonly Operation<Input, Output>[],
  state: State,
): boolean {
  if (left.every(({ outcome }) => outcome.kind !== 'ok')) return true
  const firstReturn = Math.min(...left.map(({ outcome }) => (outcome.kind === 'ok' ? outcome.returnedAt : Infinity)))
  return left.some(operation => {
    const { input, invokedAt, outcome } = operation
    if (invokedAt > firstReturn || outcome.kind === 'fail') return false
    const next = model.step(state, input, outcome.kind === 'ok' ? outcome.output : undefined)
    const others = left.filter(other => other !== operation)
    return next !== undefined && isExplainable(model, others, next)
  })
}

test('small histories with any answers: the verdict is that of trying every order', () => {
  const { from, to } = seedRange(2_000)
  let violations = 0
  for (let seed = from; seed <= to; seed++) {
    const random = seededRandom(seed)
    const history = Array.from({ length: 6 }, (): Register => {
      const input = { ...drawRegister(random), key: 'x' }
      const invokedAt = random.nextInt(12)
      const value = `${random.nextInt(6)}`
      const output = input.kind === 'cas' ? random.nextInt(2) === 0 : input.kind === 'read' ? value : null
      const outcome = random.nextInt(3) > 0 ? ok(output, invokedAt + random.nextInt(8)) : ({ kind: 'unknown' } as const)
      return { client: 'c', input, invokedAt, outcome }
    })
    const expected = isExplainable(registerModel, history, registerModel.initial) ? 'ok' : 'violation'
    assert.equal(checkLinearizable(registerModel, history).kind, expected, `MILLRACE_TEST_SEEDS=${seed}`)
    if (expected === 'violation') violations++
  }
  assert.ok(to === from || violations > 0, 'no violation was drawn: this test shows nothing')
})
