import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokerSessions } from '../../src/controller/broker-sessions.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import { toNodeId } from '../../src/util/numbers.ts'

const one = toNodeId(1)

function sessionsOn(clock: VirtualClock) {
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
  const clock = new VirtualClock()
  const { sessions, silentAtMs } = sessionsOn(clock)
  sessions.start()
  clock.advance(100)
  sessions.heard(one)
  clock.advance(100)
  sessions.gone(one)
  clock.advance(510)
  assert.equal(silentAtMs.length, 1)
  assert.ok(silentAtMs[0]! >= 700)
})

test('the grace of a broker that went with the leader began when it went, not when the next one leads', () => {
  const clock = new VirtualClock()
  const { sessions, silentAtMs } = sessionsOn(clock)
  sessions.gone(one)
  clock.advance(400)
  sessions.start()
  clock.advance(110)
  assert.equal(silentAtMs.length, 1)
  assert.ok(silentAtMs[0]! >= 500)
})
