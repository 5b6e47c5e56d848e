/** Who gets past the door: Origin, Host, subprotocol, headers, connection limits (FAULTS 4.2, 41–48). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { createAccessCheck } from '../../src/platform/http-access.ts'
import { until, upgradeHead, type WsRig, wsRig } from './ws-rig.ts'

let rig: WsRig
before(async () => {
  rig = await wsRig({
    rules: {
      ownHosts: ['broker.example'],
      allowedHosts: ['proxy.example'],
      allowedOrigins: ['https://console.example:8443'],
    },
  })
})
after(() => rig.close())

const statusOf = (answer: string): number => Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1])

const upgrades: Array<[what: string, changes: Record<string, string | null>, status: number]> = [
  ['a foreign page', { Origin: 'https://evil.example' }, 403],
  ['a page of another port of this host', { Origin: 'http://127.0.0.1:1' }, 403],
  ['a sandboxed page', { Origin: 'null' }, 403],
  ['an origin that only begins like an allowed one', { Origin: 'https://console.example:8443.evil.example' }, 403],
  ['an allowed host with another scheme', { Origin: 'http://console.example:8443' }, 403],
  ['a foreign page by way of an old draft', { 'Sec-WebSocket-Origin': 'https://evil.example' }, 403],
  ['a rebound name', { Host: 'evil.example' }, 403],
  ['a rebound name that looks like loopback', { Host: '127.0.0.1.evil.example' }, 403],
  ['a rebound name as its own origin', { Host: 'evil.example:80', Origin: 'http://evil.example:80' }, 403],
  ['a malformed host', { Host: 'a b' }, 400],
  ['no subprotocol', { 'Sec-WebSocket-Protocol': null }, 400],
  ['another subprotocol', { 'Sec-WebSocket-Protocol': 'mqtt' }, 400],
  ['a malformed list of subprotocols', { 'Sec-WebSocket-Protocol': 'millrace.v1,,' }, 400],
  [
    'a subprotocol list made to be slow to parse',
    { 'Sec-WebSocket-Protocol': `millrace.v1,x${' '.repeat(14_000)}y` },
    400,
  ],
  ['an older draft', { 'Sec-WebSocket-Version': '8' }, 400],
  ['no key', { 'Sec-WebSocket-Key': null }, 400],
  ['a malformed key', { 'Sec-WebSocket-Key': 'short' }, 400],
  ['another protocol', { Upgrade: 'h2c' }, 400],
]
for (const [what, changes, status] of upgrades) {
  test(`refused before the upgrade: ${what}`, async () => {
    const answer = await rig.http(upgradeHead(changes))
    assert.equal(statusOf(answer), status)
    assert.doesNotMatch(answer, /evil|access-control/i)
    assert.equal(rig.listener.stats.connections, 0)
  })
}

const welcome: Array<[what: string, changes: Record<string, string | null>]> = [
  ['no origin: not a browser', {}],
  ['its own page', { Host: '127.0.0.1:9292', Origin: 'http://127.0.0.1:9292' }],
  ['its own page by name', { Host: 'localhost:9292', Origin: 'http://localhost:9292' }],
  ['IPv6 loopback', { Host: '[::1]:9292' }],
  ['its advertised name', { Host: 'Broker.Example:9292' }],
  ['a name with a final dot', { Host: 'broker.example.' }],
  ['an allowed host', { Host: 'proxy.example' }],
  ['an allowed origin', { Origin: 'https://console.example:8443' }],
  ['one of several subprotocols', { 'Sec-WebSocket-Protocol': 'mqtt, millrace.v1' }],
]
for (const [what, changes] of welcome) {
  test(`welcome: ${what}`, async () => {
    const socket = await rig.tcp()
    socket.write(upgradeHead(changes))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.equal(statusOf(answer.toString()), 101)
    assert.match(answer.toString(), /Sec-WebSocket-Protocol: millrace\.v1\r\n/)
    socket.destroy()
    await until(() => rig.listener.stats.connections === 0)
  })
}

test('compression is never agreed to', async () => {
  const socket = await rig.tcp()
  socket.write(upgradeHead({ 'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits' }))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.equal(statusOf(answer.toString()), 101)
  assert.doesNotMatch(answer.toString(), /extensions/i)
  socket.destroy()
})

test('plain HTTP passes the same door', async () => {
  const get = (host: string, extra = ''): Promise<string> =>
    rig.http(`GET /x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${extra}\r\n`)
  assert.equal(statusOf(await get('127.0.0.1')), 404)
  assert.equal(statusOf(await get('evil.example')), 403)
  assert.equal(statusOf(await get('127.0.0.1', 'Origin: https://evil.example\r\n')), 403)
  assert.equal(statusOf(await rig.http('GET /x HTTP/1.0\r\n\r\n')), 400)
})

test('an upgrade anywhere but at the root is refused', async () => {
  assert.equal(statusOf(await rig.http(upgradeHead().replace('GET / ', 'GET /admin '))), 404)
  assert.equal(statusOf(await rig.http(upgradeHead().replace('GET / ', 'POST / '))), 400)
})

test('too many headers are refused, wherever the Origin hides among them', async () => {
  const many = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`X-${i}`, 'y']))
  for (const count of [59, 200, 1_000]) {
    const answer = await rig.http(upgradeHead({ ...many(count), Origin: 'https://evil.example' }))
    assert.ok([403, 431].includes(statusOf(answer)), answer.slice(0, 80))
  }
  assert.equal(statusOf(await rig.http(upgradeHead(many(59)))), 431)
  assert.equal(statusOf(await rig.http(upgradeHead({ 'X-Long': 'y'.repeat(17_000) }))), 431)
})

test('what is not HTTP is answered and ended', async () => {
  assert.equal(statusOf(await rig.http('\x16\x03\x01 this is no HTTP\r\n\r\n')), 400)
})

test('connections in all and per address are limited, and come back when one leaves', async () => {
  const small = await wsRig({ connectionsMax: 3, connectionsPerIpMax: 2 })
  try {
    const [a, b] = [await small.ws(), await small.ws()]
    const refused = await small.tcp()
    await once(refused, 'close')
    assert.equal(small.server.stats.refused.connections, 1)
    a.terminate()
    await until(() => small.server.stats.tcpConnections === 1)
    const c = await small.ws()
    assert.equal(small.server.stats.tcpConnections, 2)
    for (const ws of [b, c]) ws.terminate()
  } finally {
    await small.close()
  }
})

test('a port in use is an error of the start', async () => {
  await assert.rejects(wsRig({ port: rig.server.port }), { code: 'EADDRINUSE' })
})

test('the access check knows nothing of a Host that is not there', () => {
  const check = createAccessCheck({ ownHosts: [], allowedHosts: [], allowedOrigins: [] })
  assert.equal(check({})?.status, 400)
  assert.equal(check({ host: 'localhost' }), null)
})
