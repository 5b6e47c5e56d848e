import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerSessions } from '../../src/controller/broker-sessions.ts'
import type { Timer } from '../../src/util/clock.ts'
import { toNodeId } from '../../src/util/numbers.ts'

const one = toNodeId(1)

/** A clock that is told the time. */
function toldClock() {
  let nowMs = 0
  const timers = new Set<{ dueMs: number; fn: () => void }>()
  return {
    nowMs: () => nowMs,
    wallClockMs: () => nowMs,
    defer: (fn: () => void) => fn(),
    setTimer(delayMs: number, fn: () => void): Timer {
      const timer = { dueMs: nowMs + delayMs, fn }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    advanceTo(ms: number): void {
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.dueMs - b.dueMs)
        if (next === undefined || next.dueMs > ms) break
        timers.delete(next)
        nowMs = Math.max(nowMs, next.dueMs)
        next.fn()
      }
      nowMs = ms
    },
  }
}

function sessionsOn(clock: ReturnType<typeof toldClock>) {
  const silentAtMs: number[] = []
  const sessions = new BrokerSessions({
    clock,
    sessionTimeoutMs: 9_000,
    goneGraceMs: 500,
    onCheck: () => {
      if (sessions.isSilent(one)) silentAtMs.push(clock.nowMs())
    },
  })
  return { sessions, silentAtMs }
}

test('a broker that is gone is silent as soon as its grace is over', () => {
  const clock = toldClock()
  const { sessions, silentAtMs } = sessionsOn(clock)
  sessions.start()
  clock.advanceTo(100)
  sessions.heard(one)
  clock.advanceTo(200)
  sessions.gone(one)
  clock.advanceTo(710)
  assert.equal(silentAtMs.length, 1)
  assert.ok(silentAtMs[0]! >= 700)
})

test('the grace of a broker that went with the leader began when it went, not when the next one leads', () => {
  const clock = toldClock()
  const { sessions, silentAtMs } = sessionsOn(clock)
  sessions.gone(one)
  clock.advanceTo(400)
  sessions.start()
  clock.advanceTo(510)
  assert.equal(silentAtMs.length, 1)
  assert.ok(silentAtMs[0]! >= 500)
})
