import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CatchUpThrottle } from '../../src/broker/replication/throttle.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'

test('without a rate everything may go', () => {
  const throttle = new CatchUpThrottle(new VirtualClock(), () => -1)
  throttle.spend(1e12)
  assert.equal(throttle.delayMs, 0)
})

test('over any time no more goes than the rate, a second’s worth and one batch', () => {
  const clock = new VirtualClock()
  const rate = 1000
  const throttle = new CatchUpThrottle(clock, () => rate)
  let sent = 0
  for (let step = 0; step < 1000; step++) {
    while (throttle.delayMs === 0) {
      throttle.spend(300)
      sent += 300
    }
    clock.advance(Math.min(10, throttle.delayMs))
  }
  const seconds = clock.nowMs() / 1000
  assert.ok(sent <= rate * seconds + rate + 300, `${sent} in ${seconds} s`)
  assert.ok(sent >= rate * seconds - 300, `${sent} in ${seconds} s`)
})

test('after the delay it names something may go; the rate may change meanwhile', () => {
  const clock = new VirtualClock()
  let rate = 100
  const throttle = new CatchUpThrottle(clock, () => rate)
  throttle.spend(throttle.delayMs === 0 ? 1000 : 0)
  const { delayMs } = throttle
  assert.ok(delayMs > 8000 && delayMs < 10_000, `${delayMs}`)
  clock.advance(delayMs)
  assert.equal(throttle.delayMs, 0)
  throttle.spend(1000)
  rate = -1
  assert.equal(throttle.delayMs, 0)
})
