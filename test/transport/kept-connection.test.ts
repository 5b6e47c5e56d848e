/** A connection that is kept up, over memory sockets and virtual time. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from '../../src/protocol/errors.ts'
import { type MemorySocket, memoryNetwork } from '../../src/simulation/memory-sockets.ts'
import { VirtualClock } from '../../src/simulation/virtual-clock.ts'
import type { Connection } from '../../src/transport/connection.ts'
import { KeptConnection } from '../../src/transport/kept-connection.ts'
import { openListener } from '../../src/transport/listener.ts'
import { seededRandom } from '../../src/util/random.ts'
import { turn } from '../broker/harness.ts'
import { echoApi, testHandlers } from './support.ts'

const url = 'ws://peer'
const timing = { connectTimeoutMs: 1000, probeIntervalMs: 500, silenceMs: 3000, retryMsMin: 20, retryMsMax: 1000 }

class Rig {
  readonly clock = new VirtualClock()
  readonly network = memoryNetwork(this.clock, { latencyMs: 1 })
  readonly events: string[] = []
  readonly accepted: MemorySocket[] = []
  attempts = 0
  probes = 0
  readonly #listener = openListener({
    name: 'PEER',
    handlers: testHandlers([]),
    identity: () => ({ clusterId: 'c', nodeId: 7, software: 'test' }),
    clock: this.clock,
  })

  listen(): () => void {
    return this.network.listen(url, socket => {
      this.accepted.push(socket as MemorySocket)
      this.#listener.accept(socket)
    })
  }

  keep(check: (connection: Connection) => void = () => {}): KeptConnection {
    return new KeptConnection({
      url,
      socketFactory: {
        connect: (...dialled) => {
          this.attempts++
          return this.network.socketFactory.connect(...dialled)
        },
      },
      clock: this.clock,
      random: seededRandom(1),
      timing,
      clientId: 'test',
      inFlightBytesMax: 1 << 20,
      check,
      probe: connection => {
        this.probes++
        return connection.request(echoApi, { data: new Uint8Array(0), answerBytes: 0 })
      },
      onOpen: () => this.events.push('open'),
      onLost: () => this.events.push('lost'),
      onTrouble: (reason, isPassing) => this.events.push(`${isPassing ? 'passing' : 'refused'}: ${reason}`),
    })
  }

  async run(ms: number): Promise<void> {
    const endMs = this.clock.nowMs() + ms
    for (await turn(); (this.clock.nextEventMs() ?? Number.POSITIVE_INFINITY) <= endMs; await turn()) this.clock.step()
    this.clock.advance(endMs - this.clock.nowMs())
  }
}

test('it is dialled until somebody answers, with growing pauses, and trouble is told once', async () => {
  const rig = new Rig()
  const kept = rig.keep()
  await rig.run(10_000)
  assert.ok(rig.attempts > 10 && rig.attempts < 30, `${rig.attempts} attempts in ten seconds`)
  assert.deepEqual(rig.events, [`passing: Nothing listens at ${url}.`])
  rig.listen()
  await rig.run(1500)
  assert.equal(rig.events.at(-1), 'open')
  assert.equal(kept.connection?.peer.nodeId, 7)
  const attempts = rig.attempts
  await rig.run(10_000)
  assert.ok(rig.probes >= 15, 'it is probed')
  assert.equal(rig.attempts, attempts, 'and stays')
})

test('a connection that breaks is there again soon', async () => {
  const rig = new Rig()
  rig.listen()
  const kept = rig.keep()
  await rig.run(2000)
  rig.accepted[0]!.terminate()
  await rig.run(100)
  assert.deepEqual(
    rig.events.filter(event => !event.startsWith('passing')),
    ['open', 'lost', 'open'],
  )
  kept.drop(new ApiError('INVALID_REQUEST', 'nonsense'))
  await rig.run(1500)
  assert.equal(rig.events.filter(event => event === 'open').length, 3)
})

test('one that has fallen silent is given up', async () => {
  const rig = new Rig()
  rig.listen()
  rig.keep()
  await rig.run(1000)
  rig.accepted[0]!.pause()
  await rig.run(2 * timing.silenceMs)
  assert.ok(rig.events.includes('lost'))
  assert.equal(rig.accepted.length, 2)
})

test('whoever is not the one that is wanted is refused, and asked again', async () => {
  const rig = new Rig()
  rig.listen()
  const kept = rig.keep(() => {
    throw new ApiError('INVALID_REQUEST', 'another node')
  })
  await rig.run(5000)
  assert.deepEqual(rig.events, ['refused: another node'])
  assert.equal(kept.connection, null)
  assert.ok(rig.attempts > 3)
})

test('closed, it does nothing more', async () => {
  const rig = new Rig()
  rig.listen()
  const kept = rig.keep()
  await rig.run(100)
  const closing = kept.close()
  await rig.run(10)
  await closing
  await rig.run(10_000)
  assert.deepEqual(rig.events, ['open'])
  assert.equal(rig.attempts, 1)
})
