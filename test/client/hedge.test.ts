import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hedge } from '../../src/client/hedge.ts'
import { AbortError } from '../../src/util/errors.ts'
import { VirtualClock } from './virtual-clock.ts'

const never = (): Promise<string> => new Promise(() => {})

/** Attempts by number, each of which does what its list says, time after time, and hangs when that is at its end. */
function script(...lists: ReadonlyArray<ReadonlyArray<string | Error>>) {
  const started: number[] = []
  const attempts = lists.map((list, at) => {
    const left = [...list]
    return () => {
      started.push(at)
      const next = left.shift()
      if (next === undefined) return never()
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next)
    }
  })
  return { started, attempts }
}

test('hedge: the next attempt starts when one fails or is late, and the first answer counts', async () => {
  const clock = new VirtualClock()
  const { started, attempts } = script([], [new Error('refused')], ['third'])
  const answer = hedge(clock, 500, attempts)
  await clock.advance(499)
  assert.deepEqual(started, [0])
  await clock.advance(1)
  assert.deepEqual(started, [0, 1, 2])
  assert.equal(await answer, 'third')
  assert.equal(clock.timerCount, 0)
})

test('hedge: while one hangs, those that failed are tried again in turn', async () => {
  const clock = new VirtualClock()
  const { started, attempts } = script([new Error('broke'), new Error('broke again')], [new Error('broke'), 'well'], [])
  const answer = hedge(clock, 500, attempts)
  await clock.advance(0)
  assert.deepEqual(started, [0, 1, 2])
  await clock.advance(500)
  assert.deepEqual(started, [0, 1, 2, 0])
  await clock.advance(500)
  assert.deepEqual(started, [0, 1, 2, 0, 1])
  assert.equal(await answer, 'well')
  assert.equal(clock.timerCount, 0)
})

test('hedge: it fails with the last error of each when none is under way, at once when it is called off', async () => {
  const clock = new VirtualClock()
  const errors = [new Error('first'), new Error('second')]
  const all = hedge(clock, 500, script([errors[0]!], [errors[1]!]).attempts)
  await assert.rejects(all, (error: AggregateError) => error.errors[0] === errors[0] && error.errors[1] === errors[1])
  const { started, attempts } = script([new AbortError('closed')], ['not asked'])
  await assert.rejects(hedge(clock, 500, attempts), AbortError)
  assert.deepEqual(started, [0])
  assert.equal(clock.timerCount, 0)
})
