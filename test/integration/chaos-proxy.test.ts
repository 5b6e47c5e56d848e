/** The links of the chaos tests, on real sockets and, where time matters, virtual time. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../client/virtual-clock.ts'
import { bridge, isolate, ring } from '../support/chaos/cuts.ts'
import { type Link, type LinkOptions, openLink } from '../support/chaos/link.ts'
import { openMesh } from '../support/chaos/mesh.ts'
import { until } from './by-hand.ts'
import { afterTest } from './support.ts'

/** One end of a connection, and everything that happened at it. */
class End {
  readonly socket: Socket
  readonly pieces: Buffer[] = []
  how: 'open' | 'end' | 'reset' = 'open'

  constructor(socket: Socket) {
    this.socket = socket.setNoDelay(true)
    socket.on('data', piece => this.pieces.push(piece))
    socket.on('end', () => void (this.how = 'end'))
    socket.on('error', () => void (this.how = 'reset'))
  }

  get text(): string {
    return Buffer.concat(this.pieces).toString()
  }

  async untilText(text: string): Promise<void> {
    await until(() => this.text.length >= text.length)
    assert.equal(this.text, text)
  }

  async untilHow(how: End['how']): Promise<void> {
    await until(() => this.how !== 'open')
    assert.equal(this.how, how)
  }
}

interface Rig {
  readonly link: Link
  /** Of the target, in the order in which they were accepted. */
  readonly accepted: readonly End[]
  dial(): End
  /** Both ends of a new connection. */
  pair(): Promise<[near: End, far: End]>
}

async function rig(t: TestContext, options: LinkOptions = {}): Promise<Rig> {
  const { port, accepted } = await target(t)
  const link = await openLink({ port }, options)
  afterTest(t, () => link[Symbol.asyncDispose]())
  const dial = (): End => {
    const socket = connect({ port: link.port, host: '127.0.0.1', allowHalfOpen: true })
    afterTest(t, () => void socket.destroy())
    return new End(socket)
  }
  return {
    link,
    accepted,
    dial,
    async pair() {
      const before = accepted.length
      const near = dial()
      await until(() => accepted.length > before)
      return [near, accepted[before]!]
    },
  }
}

async function target(t: TestContext): Promise<{ port: number; accepted: End[] }> {
  const accepted: End[] = []
  const server = createServer({ allowHalfOpen: true }, socket => accepted.push(new End(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterTest(t, () => {
    for (const { socket } of accepted) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, accepted }
}

test('a clear link carries bytes both ways, ends one way at a time, and forgets the connection', async t => {
  const { link, pair } = await rig(t)
  const [near, far] = await pair()
  near.socket.end('question')
  await far.untilText('question')
  await far.untilHow('end')
  assert.equal(near.how, 'open')
  far.socket.end('answer')
  await near.untilText('answer')
  await near.untilHow('end')
  await until(() => link.stats.open === 0)
  assert.equal(link.stats.connections, 1)
})

test('more than a queue passes, whole and in order, to an end that reads late', async t => {
  const { link, pair } = await rig(t)
  link.set({ sliceBytesMax: 50_000 })
  const [near, far] = await pair()
  far.socket.pause()
  const sent = Buffer.alloc(20_000_000, 'the quick brown fox ')
  near.socket.end(sent)
  await until(() => link.stats.queuedBytes > 1_000_000)
  assert.ok(link.stats.queuedBytes < 2_000_000, 'it pushes back')
  far.socket.resume()
  await far.untilHow('end')
  assert.ok(Buffer.concat(far.pieces).equals(sent))
})

test('slices: every byte arrives in a write of its own', async t => {
  const { link, pair } = await rig(t)
  link.set({ sliceBytesMax: 1 })
  const [near, far] = await pair()
  near.socket.write('sliced')
  await far.untilText('sliced')
  assert.ok(far.pieces.length > 1, `${far.pieces.length} pieces`)
})

test('held one way: nothing arrives that way, the other way works, and what was sent arrives with the heal', async t => {
  const { link, pair } = await rig(t)
  const [near, far] = await pair()
  link.set({ there: 'hold' })
  near.socket.write('held')
  far.socket.write('passes')
  await near.untilText('passes')
  near.socket.end()
  far.socket.write(', more')
  await near.untilText('passes, more')
  assert.equal(far.text, '')
  assert.equal(far.how, 'open', 'nor does it learn that the other end is gone')
  link.clear()
  await far.untilText('held')
  await far.untilHow('end')
})

test('a black hole takes everything, and the connection does not survive the heal', async t => {
  const { link, pair } = await rig(t)
  const [near, far] = await pair()
  const [idle, idleFar] = await pair()
  link.set({ back: 'drop' })
  // More than the buffers of all sockets in between hold: they would have stopped a link that only holds.
  const lost = Buffer.alloc(20_000_000)
  await new Promise(resolve => far.socket.write(lost, resolve))
  near.socket.write('passes')
  await far.untilText('passes')
  assert.equal(near.text, '')
  assert.equal(near.how, 'open')
  link.clear()
  await near.untilHow('reset')
  await far.untilHow('reset')
  idleFar.socket.write('nothing was lost here')
  await idle.untilText('nothing was lost here')
})

test('while a direction is cut, new connections are silent; those that are still there are made later', async t => {
  for (const direction of ['there', 'back'] as const) {
    const { link, accepted, dial } = await rig(t)
    link.set({ [direction]: 'hold' })
    const patient = dial()
    const impatient = dial()
    patient.socket.write('waited')
    impatient.socket.write('gave up')
    await until(() => link.stats.silent === 2)
    impatient.socket.destroy()
    await until(() => link.stats.open === 1)
    assert.equal(link.stats.silent, 1)
    assert.equal(accepted.length, 0)
    link.clear()
    await until(() => accepted.length > 0)
    await accepted[0]!.untilText('waited')
    assert.equal(accepted.length, 1)
  }
})

test('half-open: connections are accepted and nobody is there, while older ones go on', async t => {
  const { link, accepted, dial, pair } = await rig(t)
  const [near, far] = await pair()
  link.set({ arrivals: 'silent' })
  dial()
  near.socket.write('goes on')
  await far.untilText('goes on')
  await until(() => link.stats.silent === 1)
  assert.equal(accepted.length, 1)
})

test('refused and reset: both ends of a connection get an RST, new ones at once', async t => {
  const { link, accepted, dial, pair } = await rig(t)
  const [near, far] = await pair()
  link.set({ arrivals: 'refuse' })
  await dial().untilHow('reset')
  assert.equal(near.how, 'open')
  link.reset()
  await near.untilHow('reset')
  await far.untilHow('reset')
  assert.equal(accepted.length, 1)
  assert.equal(link.stats.open, 0)
})

test('a reset while an end takes nothing, and is gone the moment after', async t => {
  const { link, pair } = await rig(t)
  for (const direction of ['there', 'back'] as const) {
    const [near, far] = await pair()
    const [from, to] = direction === 'there' ? [near, far] : [far, near]
    to.socket.pause()
    from.socket.write(Buffer.alloc(20_000_000))
    await until(() => link.stats.queuedBytes > 1_000_000)
    from.socket.end()
    link.reset()
    to.socket.resetAndDestroy()
    await until(() => from.socket.destroyed)
  }
  assert.equal(link.stats.open, 0)
})

test('a target that is not there resets who dials', async t => {
  const { port } = await target(t)
  const free = await openLink({ port })
  await free[Symbol.asyncDispose]()
  const link = await openLink({ port: free.port })
  afterTest(t, () => link[Symbol.asyncDispose]())
  const near = new End(connect({ port: link.port, host: '127.0.0.1' }))
  await near.untilHow('reset')
})

test('an RST of one end reaches the other', async t => {
  const { pair } = await rig(t)
  const [near, far] = await pair()
  near.socket.resetAndDestroy()
  await far.untilHow('reset')
})

test('delay, jitter and rate: pieces arrive when their time has come, in order', async t => {
  const clock = new VirtualClock()
  const { link, pair } = await rig(t, { clock, seed: 7 })
  const [near, far] = await pair()
  link.set({ delayMs: 100, jitterMs: 50, sliceBytesMax: 3 })
  near.socket.write('in the order of sending')
  await until(() => link.stats.queuedBytes === 23)
  await clock.advance(99)
  assert.equal(far.text, '')
  while (link.stats.queuedBytes > 0) await clock.advance(1)
  assert.ok(clock.nowMs() >= 100 && clock.nowMs() <= 150, `${clock.nowMs()} ms`)
  await far.untilText('in the order of sending')

  link.clear()
  link.set({ bytesPerSecond: 1_000, sliceBytesMax: 10 })
  const fromMs = clock.nowMs()
  far.socket.write('x'.repeat(500))
  await until(() => link.stats.queuedBytes > 400)
  while (link.stats.queuedBytes > 0) await clock.advance(1)
  assert.ok(clock.nowMs() - fromMs >= 489, `500 bytes at 1,000 in a second, the last ten for nothing`)
  await near.untilText('x'.repeat(500))
})

test('a link closes with what it carries', async t => {
  const { link, pair } = await rig(t)
  const [near, far] = await pair()
  await link[Symbol.asyncDispose]()
  await near.untilHow('reset')
  await far.untilHow('reset')
})

test('a mesh: cuts are of packets from one node to another, on both links of the pair', async t => {
  const nodes = [1, 2, 3].map(id => ({ id, clientPort: 0, peerPort: 0 }))
  const mesh = await openMesh(nodes, 1)
  afterTest(t, () => mesh[Symbol.asyncDispose]())
  /** `1>2` for every direction in which packets do not pass, by what each link says of it. */
  const cuts = (): string[] => {
    const pairs = mesh.ids.flatMap(from => mesh.ids.filter(to => to !== from).map(to => [from, to] as const))
    return pairs
      .filter(([from, to]) => {
        const isCut = mesh.peer(from, to).conditions.there !== 'pass'
        assert.equal(mesh.peer(to, from).conditions.back !== 'pass', isCut, 'both links agree')
        return isCut
      })
      .map(([from, to]) => `${from}>${to}`)
  }
  mesh.cut(1, 2)
  assert.deepEqual(cuts(), ['1>2'])
  mesh.heal()
  await isolate(mesh, 3)
  assert.deepEqual(cuts(), ['1>3', '2>3', '3>1', '3>2'])
  assert.equal(mesh.client(3).conditions.there, 'pass')
  mesh.heal()
  await bridge(mesh, 2)
  assert.deepEqual(cuts(), ['1>3', '3>1'])
  mesh.heal()
  await ring(mesh)
  assert.deepEqual(cuts(), ['1>2', '2>3', '3>1'])
  mesh.heal()
  assert.deepEqual(cuts(), [])
})
