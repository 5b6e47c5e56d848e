/** Sockets over real loopback connections: bad frames, floods, resets, backpressure both ways, leaks. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket as TcpSocket } from 'node:net'
import { after, before, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { wsSocketFactory } from '../../src/platform/ws-client.ts'
import { ApiError } from '../../src/protocol/errors.ts'
import { encodeRequest } from '../../src/protocol/frame.ts'
import { bufferMarks, closeCode, type Socket } from '../../src/transport/socket.ts'
import { AbortError } from '../../src/util/errors.ts'
import { KiB, MiB } from '../../src/util/units.ts'
import { echoApi, parkApi } from '../transport/support.ts'
import { closeOf, hello, until, upgradedTcp, upgradeHead, type WsRig, wsFrame, wsRig } from './ws-rig.ts'

const nothing = new Uint8Array(0)
let rig: WsRig
before(async () => {
  rig = await wsRig({ messageBytesMax: 2 * MiB })
})
after(() => rig.close())

/** The rig still serves. */
async function assertServing(served: WsRig): Promise<void> {
  const connection = await served.connect()
  const { data } = await connection.request(echoApi, { data: nothing, answerBytes: 5 })
  assert.equal(data.length, 5)
  await connection[Symbol.asyncDispose]()
}

test('requests and answers of every size that frames are told apart by', async () => {
  const connection = await rig.connect()
  for (const size of [0, 1, 125, 126, 65_535, 65_536, MiB]) {
    const data = new Uint8Array(size).fill(size)
    const answer = await connection.request(echoApi, { data, answerBytes: size })
    assert.equal(answer.data.length, size)
  }
  await connection[Symbol.asyncDispose]()
})

test('a message arrives as it was sent, in one piece or in parts, whatever mask its frame has', async () => {
  const received: Uint8Array[] = []
  const parted = await wsRig({
    onSocket: socket => {
      socket.onMessage = message => {
        received.push(Uint8Array.from(message))
        socket.sendParts!([message.subarray(0, 1), message.subarray(1)])
      }
      return { isEstablished: true }
    },
  })
  for (const zeroMask of ['always', 'never'] as const) {
    const socket = await wsSocketFactory({ zeroMask }).connect(parted.url, { timeoutMs: 5_000 })
    const echoed: Uint8Array[] = []
    socket.onMessage = message => echoed.push(Uint8Array.from(message))
    const sent = [2, 125, 126, 2_048, 2_049, 65_535, 65_536, MiB].map(size =>
      Uint8Array.from({ length: size }, (_, i) => i * 31),
    )
    for (const message of sent) {
      socket.send(message)
      socket.sendParts!([
        message.subarray(0, 1),
        message.subarray(1, message.length >> 1),
        message.subarray(message.length >> 1),
      ])
    }
    const all = sent.flatMap(message => [message, message])
    await until(() => echoed.length === all.length)
    assert.deepEqual(received.splice(0), all)
    assert.deepEqual(echoed, all)
    socket.terminate()
  }
  await parted.close()
})

test('what was sent leaves at the end of the turn, or with flush within it', async () => {
  const socket = await wsSocketFactory().connect(rig.url, { timeoutMs: 5_000 })
  socket.send(hello)
  assert.ok(socket.bufferedBytes > 0)
  socket.flush!()
  assert.equal(socket.bufferedBytes, 0)
  socket.flush!()
  let answers = 0
  socket.onMessage = () => answers++
  socket.send(encodeRequest(echoApi, 1, 2, { data: nothing, answerBytes: 1 }))
  assert.ok(socket.bufferedBytes > 0)
  await until(() => answers === 2)
  assert.equal(socket.bufferedBytes, 0)
  socket.terminate()
})

test('pipelined requests are answered in order', async () => {
  const connection = await rig.connect()
  const sizes = Array.from({ length: 2_000 }, (_, i) => i)
  const order: number[] = []
  await Promise.all(
    sizes.map(async answerBytes => {
      const { data } = await connection.request(echoApi, { data: nothing, answerBytes })
      order.push(data.length)
    }),
  )
  assert.deepEqual(order, sizes)
  await connection[Symbol.asyncDispose]()
})

test('messages sent in one turn leave together', async () => {
  let server: Socket | null = null
  const two = await wsRig({
    onSocket: socket => {
      server = socket
      return { isEstablished: true }
    },
  })
  const tcp = await upgradedTcp(two)
  const reads: Buffer[] = []
  tcp.on('data', chunk => reads.push(chunk))
  for (let i = 0; i < 100; i++) server!.send(new Uint8Array([i]))
  await until(() => Buffer.concat(reads).length === 300)
  assert.equal(reads.length, 1)
  tcp.destroy()
  await two.close()
})

test('a text message closes with 1003, one too large with 1009', async () => {
  const text = await rig.ws()
  text.send('hello')
  assert.equal((await closeOf(text)).code, closeCode.unsupportedData)
  const large = await rig.ws()
  large.send(hello)
  await once(large, 'message')
  large.send(new Uint8Array(2 * MiB + 1))
  assert.equal((await closeOf(large)).code, closeCode.messageTooBig)
  await assertServing(rig)
})

test('frames that break RFC 6455 close with 1002', async () => {
  const frames = {
    'not masked': Buffer.from([0x82, 1, 0]),
    'reserved bits': Buffer.from([0xf2, 0x80, 0, 0, 0, 0]),
    compressed: Buffer.from([0xc2, 0x81, 0, 0, 0, 0, 7]),
    'unknown opcode': Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
    'a continuation of nothing': Buffer.from([0x80, 0x80, 0, 0, 0, 0]),
    'a control frame in pieces': Buffer.from([0x09, 0x80, 0, 0, 0, 0]),
    'a close of one byte': Buffer.from([0x88, 0x81, 0, 0, 0, 0, 1]),
  }
  for (const [what, frame] of Object.entries(frames)) {
    const tcp = await upgradedTcp(rig)
    const { code } = await rawClose(tcp, () => tcp.write(frame))
    assert.equal(code, 1002, what)
  }
  await assertServing(rig)
})

test('a message in thousands of tiny pieces is refused (CVE-2026-48779)', async () => {
  const tcp = await upgradedTcp(rig)
  tcp.write(wsFrame(2, hello))
  await once(tcp, 'data')
  const { code } = await rawClose(tcp, () => {
    tcp.write(wsFrame(2, new Uint8Array(1), false))
    for (let i = 0; i < 10_000; i++) tcp.write(wsFrame(0, new Uint8Array(1), false))
  })
  assert.equal(code, 1008)
  await assertServing(rig)
})

test('a flood of pings whose pongs nobody reads ends the connection, not the memory (FAULTS 45)', async () => {
  const tcp = await upgradedTcp(rig)
  tcp.write(wsFrame(2, hello))
  await once(tcp, 'data')
  tcp.pause()
  const pings = Buffer.concat(Array.from({ length: 5_000 }, () => wsFrame(9, new Uint8Array(125))))
  let isGone = false
  tcp.on('close', () => {
    isGone = true
  })
  // A peer that reset the connection makes the next write fail: that is how a reader that is paused hears of it.
  while (!isGone) {
    tcp.write(pings)
    await new Promise(resolve => setImmediate(resolve))
  }
  await until(() => rig.listener.stats.connections === 0)
  await assertServing(rig)
})

test('before ApiVersions nobody can make the node assemble a large message', async () => {
  const tcp = await upgradedTcp(rig)
  const refused = rig.server.stats.refused.floods
  const closed = goneOf(tcp)
  tcp.resume()
  tcp.write(wsFrame(2, new Uint8Array(MiB)).subarray(0, 500 * KiB))
  await closed
  assert.equal(rig.server.stats.refused.floods, refused + 1)
})

test('a reset at every state of the protocol leaves nothing behind (FAULTS 48)', async () => {
  const states: Record<string, (tcp: TcpSocket) => Promise<void>> = {
    connected: async () => {},
    'half a request line': async tcp => void tcp.write('GET / HT'),
    'half the headers': async tcp => void tcp.write(upgradeHead().slice(0, 60)),
    'upgrade sent': async tcp => void tcp.write(upgradeHead()),
    upgraded: async tcp => {
      tcp.write(upgradeHead())
      await once(tcp, 'data')
    },
    'half a frame': async tcp => {
      tcp.write(upgradeHead())
      await once(tcp, 'data')
      tcp.write(wsFrame(2, hello).subarray(0, 5))
    },
    'ApiVersions sent': async tcp => void tcp.write(Buffer.concat([Buffer.from(upgradeHead()), wsFrame(2, hello)])),
    'a long poll under way': async tcp => {
      const park = encodeRequest(parkApi, 0, 2, { tag: 'reset' })
      tcp.write(Buffer.concat([Buffer.from(upgradeHead()), wsFrame(2, hello), wsFrame(2, park)]))
      await until(() => rig.parked.some(request => request.tag === 'reset'))
    },
    'answers unread': async tcp => {
      tcp.pause()
      const echo = wsFrame(2, encodeRequest(echoApi, 1, 2, { data: nothing, answerBytes: MiB }))
      tcp.write(Buffer.concat([Buffer.from(upgradeHead()), wsFrame(2, hello), ...Array(30).fill(echo)]))
      await until(() => rig.listener.stats.pauses.reader > 0)
    },
    closing: async tcp => {
      tcp.write(Buffer.concat([Buffer.from(upgradeHead()), wsFrame(2, hello), wsFrame(8, new Uint8Array([3, 232]))]))
    },
  }
  for (const state of Object.values(states)) {
    const tcp = await rig.tcp()
    await state(tcp)
    tcp.resetAndDestroy()
  }
  for (const request of rig.parked.splice(0)) request.resolve()
  await until(() => rig.server.stats.tcpConnections === 0 && rig.listener.stats.connections === 0)
  assert.equal(rig.listener.stats.inFlightBytes, 0)
  await assertServing(rig)
})

test('a reader that does not read costs the node a bounded amount, and the others nothing', async () => {
  const greedy = await upgradedTcp(rig)
  greedy.write(wsFrame(2, hello))
  await once(greedy, 'data')
  greedy.pause()
  const before = rig.listener.stats.bytesOut
  const echo = wsFrame(2, encodeRequest(echoApi, 1, 2, { data: nothing, answerBytes: MiB }))
  const pauses = rig.listener.stats.pauses.reader
  for (let i = 0; i < 500; i++) greedy.write(echo)
  await until(() => rig.listener.stats.pauses.reader > pauses)
  for (let i = 0; i < 20; i++) await assertServing(rig)
  // 500 MiB were asked for. What the kernel's buffers take is not the node's memory.
  assert.ok(rig.listener.stats.bytesOut - before < 40 * MiB, `${rig.listener.stats.bytesOut - before}`)
  greedy.destroy()
  await until(() => rig.listener.stats.connections === 0)
})

test('a node that does not read holds the client back', async () => {
  const stuck = await wsRig({ limits: { connectionInFlightBytesMax: 64 * KiB } })
  const connection = await stuck.connect()
  const tag = 'x'.repeat(60_000)
  const answers = Array.from({ length: 1_000 }, () => connection.request(parkApi, { tag }))
  const room = connection.whenWritable()
  assert.ok(room !== null)
  await until(() => stuck.parked.length > 0 && stuck.listener.stats.pauses.connection > 0)
  assert.ok(stuck.parked.length < 10)
  for (let done = 0; done < answers.length; ) {
    await until(() => stuck.parked.length > done)
    for (; done < stuck.parked.length; done++) stuck.parked[done]!.resolve('')
  }
  await Promise.all(answers)
  await room
  await connection[Symbol.asyncDispose]()
  await stuck.close()
})

test('bufferedBytes tells what is left of one large message while it is being taken', async () => {
  let server: Socket | null = null
  const one = await wsRig({
    onSocket: socket => {
      server = socket
      return { isEstablished: true }
    },
  })
  const tcp = await upgradedTcp(one)
  tcp.pause()
  let drains = 0
  const sent = 64 * MiB
  server!.onDrain = () => drains++
  server!.send(new Uint8Array(sent))
  await until(() => server!.bufferedBytes < sent - 64 * KiB)
  const atRest = server!.bufferedBytes
  assert.ok(atRest > bufferMarks.highBytes, `${atRest}`)
  let taken = 0
  tcp.on('data', chunk => {
    taken += chunk.length
    if (taken > 32 * MiB) tcp.pause()
  })
  tcp.resume()
  await until(() => taken > 32 * MiB)
  await until(() => server!.bufferedBytes < 33 * MiB)
  assert.equal(drains, 0)
  tcp.removeAllListeners('data')
  tcp.resume()
  await until(() => drains === 1)
  assert.ok(server!.bufferedBytes < bufferMarks.lowBytes)
  tcp.destroy()
  await one.close()
})

test('a silent peer is pinged, and given up when it does not answer; one that answers stays', async () => {
  // Both ends live in this process: the interval is far above what a busy machine makes an answer wait.
  const pinging = await wsRig({ keepAliveMs: 300 })
  try {
    const dead = await upgradedTcp(pinging)
    dead.write(wsFrame(2, hello))
    dead.resume()
    const alive = await pinging.ws()
    alive.send(hello)
    let pings = 0
    alive.on('ping', () => pings++)
    await goneOf(dead)
    await until(() => pings > 1)
    assert.equal(pinging.listener.stats.connections, 1)
  } finally {
    await pinging.close()
  }
})

test('a thousand connections come and go and leave nothing', async () => {
  for (let round = 0; round < 10; round++) {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => rig.ws()))
    for (const [i, ws] of sockets.entries()) {
      ws.send(hello)
      if (i % 3 === 0) ws.close()
      else if (i % 3 === 1) ws.terminate()
      else ws.close(4_999, 'bye')
    }
    await until(() => rig.listener.stats.connections === 0)
  }
  await until(() => rig.server.stats.tcpConnections === 0)
  assert.equal(rig.listener.connections.size, 0)
  await assertServing(rig)
})

test('the client reports what keeps it from connecting', async () => {
  const { connect } = wsSocketFactory()
  const fails = (url: string, signal?: AbortSignal): Promise<unknown> =>
    connect(url, { timeoutMs: 5_000, ...(signal === undefined ? {} : { signal }) })
  const isNetworkError = (error: unknown): boolean => error instanceof ApiError && error.code === 'NETWORK_EXCEPTION'
  const free = await wsRig()
  await free.close()
  await assert.rejects(fails(free.url), isNetworkError)
  await assert.rejects(fails('nonsense'), isNetworkError)
  await assert.rejects(fails(`${rig.url}/not-here`), isNetworkError)
  await assert.rejects(fails(rig.url, AbortSignal.abort()), AbortError)
  const abort = new AbortController()
  const opening = fails(rig.url, abort.signal)
  abort.abort()
  await assert.rejects(opening, AbortError)
  await until(() => rig.server.stats.tcpConnections === 0)
})

test('frames are masked with zeros on loopback only, or as told', async () => {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(wss, 'listening')
  const { port } = wss.address() as { port: number }
  const masks: boolean[] = []
  wss.on('connection', (_ws, request) => {
    request.socket.on('data', (chunk: Buffer) => masks.push(chunk.subarray(2, 6).every(byte => byte === 0)))
  })
  for (const zeroMask of ['loopback', 'never'] as const) {
    const socket = await wsSocketFactory({ zeroMask }).connect(`ws://127.0.0.1:${port}`, { timeoutMs: 5_000 })
    const seen = masks.length
    socket.send(new Uint8Array(10))
    await until(() => masks.length > seen)
    socket.terminate()
  }
  // A random mask is all zeros once in four billion times.
  assert.deepEqual(masks.slice(0, 1), [true])
  assert.equal(masks.at(-1), false)
  wss.close()
})

test('closing the listener answers what is under way and then closes with 1001', async () => {
  const closing = await wsRig()
  const connection = await closing.connect()
  const answer = connection.request(parkApi, { tag: 'last' })
  await until(() => closing.parked.length === 1)
  const closed = new Promise<Error>(resolve => connection.onClose(resolve))
  closing.server.stopAccepting()
  const done = closing.listener.close()
  closing.parked[0]!.resolve('answered')
  assert.equal((await answer).tag, 'answered')
  assert.match((await closed).message, /1001/)
  await done
  await closing.server.close()
  assert.equal(closing.server.stats.tcpConnections, 0)
})

/** Unlike `once`, does not mind that an error comes first. */
function goneOf(tcp: TcpSocket): Promise<void> {
  return new Promise(resolve => {
    tcp.on('close', () => resolve())
  })
}

/** The close frame a raw TCP peer receives. */
async function rawClose(tcp: TcpSocket, act: () => void): Promise<{ code: number }> {
  const chunks: Buffer[] = []
  tcp.on('data', chunk => chunks.push(chunk))
  act()
  let isGone = false
  tcp.on('close', () => {
    isGone = true
  })
  await until(() => isGone || closeFrame(chunks) !== -1)
  const bytes = Buffer.concat(chunks)
  const at = closeFrame(chunks)
  tcp.destroy()
  return { code: at === -1 ? 1006 : bytes.readUInt16BE(at + 2) }
}

function closeFrame(chunks: readonly Buffer[]): number {
  const bytes = Buffer.concat(chunks)
  for (let at = 0; at + 4 <= bytes.length; at += 2 + bytes[at + 1]!) if (bytes[at] === 0x88) return at
  return -1
}
