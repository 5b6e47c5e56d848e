import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientClock } from '../../src/platform/client-clock.ts'

test('a timer that is set late in a long turn of the event loop is not early', async () => {
  const early: number[] = []
  for (let round = 0; round < 20; round++) {
    await new Promise<void>(resolve => {
      setImmediate(() => {
        const startMs = clientClock.nowMs()
        while (clientClock.nowMs() < startMs + 8);
        const dueMs = clientClock.nowMs() + 5
        clientClock.setTimer(5, () => {
          if (clientClock.nowMs() < dueMs) early.push(dueMs - clientClock.nowMs())
          resolve()
        })
      })
    })
  }
  assert.deepEqual(early, [])
})

test('a timer that was cancelled does not fire, also after it was early', async () => {
  let hasFired = false
  const timer = clientClock.setTimer(1, () => {
    hasFired = true
  })
  timer.cancel()
  await new Promise<void>(resolve => clientClock.setTimer(5, resolve))
  assert.equal(hasFired, false)
})
