/** What a client receives, whatever pieces it comes in: large frames are read past `ws`, all others through it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket as TcpSocket } from 'node:net'
import { test } from 'node:test'
import { wsSocketFactory } from '../../src/platform/ws-client.ts'
import { type Socket, subprotocol } from '../../src/transport/socket.ts'
import { seededRandom } from '../../src/util/random.ts'
import { KiB, MiB } from '../../src/util/units.ts'
import { until, wsFrame } from './ws-rig.ts'

const messageBytesMax = 4 * MiB
const binary = 2
const continuation = 0
const ping = 9
const closing = 8

interface Rig extends AsyncDisposable {
  readonly socket: Socket
  /** The server's end, upgraded. */
  readonly tcp: TcpSocket
  readonly messages: Uint8Array[]
  readonly closes: Array<{ code: number; reason: string }>
}

/** A client, and a server that sends what the test writes; `early`: right behind the handshake, in the same write. */
async function rig(early = Buffer.alloc(0)): Promise<Rig> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const accepted = once(server, 'connection').then(async ([tcp]: TcpSocket[]) => {
    tcp!.on('error', () => {})
    const [request] = (await once(tcp!, 'data')) as [Buffer]
    const key = /sec-websocket-key: (\S+)/i.exec(request.toString())![1]!
    tcp!.setNoDelay(true)
    tcp!.write(Buffer.concat([Buffer.from(upgradeAnswer(key)), early]))
    tcp!.resume()
    return tcp!
  })
  const messages: Uint8Array[] = []
  const closes: Array<{ code: number; reason: string }> = []
  const socket = await wsSocketFactory({ messageBytesMax }).connect(`ws://127.0.0.1:${port}`, { timeoutMs: 30_000 })
  socket.onMessage = message => messages.push(message)
  socket.onClose = (code, reason) => closes.push({ code, reason })
  const tcp = await accepted
  return {
    socket,
    tcp,
    messages,
    closes,
    async [Symbol.asyncDispose]() {
      socket.terminate()
      tcp.destroy()
      server.close()
      await until(() => closes.length === 1)
    },
  }
}

function upgradeAnswer(key: string): string {
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  const headers = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`]
  return ['HTTP/1.1 101 Switching Protocols', ...headers, `Sec-WebSocket-Protocol: ${subprotocol}`, '', ''].join('\r\n')
}

function content(sizeBytes: number): Uint8Array {
  return Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 31 + sizeBytes) & 0xff)
}

function frame(opcode: number, payload: Uint8Array, isFinal = true): Buffer {
  return wsFrame(opcode, payload, isFinal, false)
}

function assertMessages(found: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  assert.deepEqual(
    found.map(({ length }) => length),
    expected.map(({ length }) => length),
  )
  for (const [i, message] of found.entries()) assert.equal(Buffer.compare(message, expected[i]!), 0, `message ${i}`)
}

const sizes = [0, 65_536, 1, 125, 126, 65_535, 65_537, 3, 200_000, 65_536, 65_536, 2 * MiB, 5, messageBytesMax]

test('messages of all sizes arrive whole and in order, in whatever pieces they are sent', async () => {
  await using t = await rig()
  const random = seededRandom(7)
  const expected: Uint8Array[] = []
  for (let round = 0; round < 3; round++) {
    const sent = sizes.map(content)
    const bytes = Buffer.concat(sent.flatMap(message => [frame(binary, message), frame(ping, Buffer.from('?'))]))
    expected.push(...sent)
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + random.nextInt(round === 0 ? 300_000 : random.nextInt(2) === 0 ? 12 : 150_000)
      if (!t.tcp.write(bytes.subarray(at, end))) await once(t.tcp, 'drain')
      // So that not all of it arrives together.
      if (random.nextInt(3) > 0) await new Promise(resolve => setImmediate(resolve))
      at = end
    }
  }
  await until(() => t.messages.length === expected.length)
  assertMessages(t.messages, expected)
})

test('a message in fragments, large ones too, is one message', async () => {
  await using t = await rig()
  const [a, b, c, after] = [content(100_000), content(200), content(70_000), content(80_000)]
  t.tcp.write(frame(binary, a, false))
  t.tcp.write(frame(ping, Buffer.from('between')))
  t.tcp.write(frame(continuation, b, false))
  t.tcp.write(Buffer.concat([frame(continuation, c), frame(binary, after)]))
  await until(() => t.messages.length === 2)
  assertMessages(t.messages, [Buffer.concat([a, b, c]), after])
})

test('a message that begins in one read with the handshake is not lost, nor what follows it', async () => {
  const [first, second, third] = [content(100 * KiB), content(10), content(300 * KiB)]
  const early = Buffer.concat([frame(binary, first), frame(binary, second)])
  await using t = await rig(early.subarray(0, 1_000))
  t.tcp.write(early.subarray(1_000))
  t.tcp.write(frame(binary, third))
  await until(() => t.messages.length === 3)
  assertMessages(t.messages, [first, second, third])
})

test('a large frame that may not be is refused as any other: too large, masked, compressed, text', async () => {
  const payload = content(70_000)
  const refused: Array<[frame: Buffer, code: number]> = [
    [frame(binary, new Uint8Array(messageBytesMax + 1)), 1009],
    [wsFrame(binary, payload), 1002],
    [frame(binary | 0x40, payload), 1002],
    [frame(1, new Uint8Array(70_000)), 1003],
  ]
  for (const [bad, code] of refused) {
    await using t = await rig()
    const answer = new Promise<Buffer>(resolve => {
      const got: Buffer[] = []
      t.tcp.on('data', (bytes: Buffer) => got.push(bytes))
      t.tcp.on('close', () => resolve(Buffer.concat(got)))
    })
    t.tcp.write(Buffer.concat([frame(binary, payload), bad, frame(binary, payload)]))
    t.tcp.end()
    const closeFrame = await answer
    assert.deepEqual([closeFrame[0], closeFrame.readUInt16BE(6)], [0x88, code])
    await until(() => t.closes.length === 1)
    assertMessages(t.messages, [payload])
  }
})

test('a close behind a large message: first the message, then the close', async () => {
  await using t = await rig()
  const payload = content(1_000_000)
  const reason = Buffer.concat([Buffer.from([4001 >> 8, 4001 & 0xff]), Buffer.from('enough')])
  t.tcp.write(Buffer.concat([frame(binary, payload), frame(closing, reason), frame(binary, payload)]))
  await until(() => t.closes.length === 1)
  assertMessages(t.messages, [payload])
  assert.deepEqual(t.closes, [{ code: 4001, reason: 'enough' }])
})

test('after it was closed from here nothing is handed up; an end in the middle of a frame is a lost connection', async () => {
  {
    await using t = await rig()
    t.socket.close(1000, '')
    t.tcp.write(frame(binary, content(100_000)))
    t.tcp.write(frame(closing, Buffer.from([1000 >> 8, 1000 & 0xff])))
    await until(() => t.closes.length === 1)
    assert.equal(t.messages.length, 0)
  }
  await using t = await rig()
  t.tcp.end(frame(binary, content(100_000)).subarray(0, 90_000))
  await until(() => t.closes.length === 1)
  assert.deepEqual([t.messages.length, t.closes[0]!.code], [0, 1006])
})

test('while it is paused nothing arrives, and all of it afterwards', async () => {
  await using t = await rig()
  const payload = content(3 * MiB)
  t.tcp.write(frame(binary, payload.subarray(0, MiB)))
  await until(() => t.messages.length === 1)
  t.socket.pause()
  t.tcp.write(Buffer.concat(Array.from({ length: 8 }, () => frame(binary, payload))))
  // The server cannot get rid of it: more than the kernel's buffers hold is left.
  for (let i = 0; i < 100; i++) await new Promise(resolve => setImmediate(resolve))
  assert.equal(t.messages.length, 1)
  t.socket.resume()
  await until(() => t.messages.length === 9)
  for (const message of t.messages.slice(1)) assert.equal(Buffer.compare(message, payload), 0)
})
