import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Deadlines } from '../../src/broker/deadlines.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'

const tickMs = 8

test('calls once, not early and at most a tick late, in any order of adding', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ atMs: fc.nat(20_000), delayMs: fc.nat(40_000), cancelAfterMs: fc.option(fc.nat(40_000)) }), {
        maxLength: 30,
      }),
      plans => {
        const clock = new VirtualClock()
        const deadlines = new Deadlines(clock)
        const calls = new Map<number, number>()
        for (const [index, { atMs, delayMs, cancelAfterMs }] of plans.entries()) {
          clock.setTimer(atMs, () => {
            const deadline = deadlines.add(delayMs, () => {
              assert.ok(!calls.has(index), 'called twice')
              calls.set(index, clock.nowMs())
            })
            if (cancelAfterMs !== null) clock.setTimer(cancelAfterMs, () => deadline.cancel())
          })
        }
        clock.advance(100_000)
        for (const [index, { atMs, delayMs, cancelAfterMs }] of plans.entries()) {
          const called = calls.get(index)
          if (called === undefined) assert.ok(cancelAfterMs !== null && cancelAfterMs <= delayMs + 2 * tickMs)
          else assert.ok(called >= atMs + delayMs && called <= atMs + delayMs + 2 * tickMs)
          if (cancelAfterMs !== null && cancelAfterMs < delayMs) assert.equal(called, undefined)
        }
        assert.equal(deadlines.count, 0)
        assert.equal(clock.nextEventMs(), null, 'no timer runs when nothing waits')
      },
    ),
  )
})

test('a callback may cancel another one that is due in the same tick, and add new ones', () => {
  const clock = new VirtualClock()
  const deadlines = new Deadlines(clock)
  const called: string[] = []
  const add = (name: string, delayMs: number, then: () => void = () => {}) =>
    deadlines.add(delayMs, () => {
      called.push(name)
      then()
    })
  const pair = [add('a', 10, () => pair[1]!.cancel()), add('b', 10, () => pair[0]!.cancel())]
  add('c', 20, () => add('d', 0))
  clock.advance(100)
  assert.equal(called.filter(name => name === 'a' || name === 'b').length, 1)
  assert.deepEqual(called.slice(1), ['c', 'd'])
})

test('one timer serves them all', () => {
  const clock = new VirtualClock()
  let armed = 0
  const deadlines = new Deadlines({
    nowMs: () => clock.nowMs(),
    wallClockMs: () => clock.wallClockMs(),
    defer: fn => clock.defer(fn),
    setTimer(delayMs, fn) {
      armed += 1
      return clock.setTimer(delayMs, fn)
    },
  })
  for (let i = 0; i < 10_000; i++) deadlines.add(30_000 + (i % 50), () => {}).cancel()
  assert.equal(armed, 1, 'what is cancelled before the next comes needs no timer of its own')
  const waiting = Array.from({ length: 10_000 }, (_, i) => deadlines.add(30_000 + (i % 50), () => {}))
  armed = 0
  for (const deadline of waiting.slice(1)) deadline.cancel()
  clock.advance(60_000)
  assert.ok(armed < 20, `the timer was armed ${armed} times`)
})
