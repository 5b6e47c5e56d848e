/** Before a connection has said who it is, it may cost next to nothing (FAULTS 4.3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { apiVersions } from '../../src/protocol/apis/api-versions.ts'
import { errorCode } from '../../src/protocol/errors.ts'
import { encodeRequest } from '../../src/protocol/frame.ts'
import { pack } from '../../src/protocol/msgpack.ts'
import { closeCode } from '../../src/transport/socket.ts'
import { KiB } from '../../src/util/units.ts'
import { runs } from '../support/depth.ts'
import { echoApi, rig } from './support.ts'

const hello = { clientId: 'a client', software: 'test' }

test('ApiVersions says who the node is and exactly what it serves', async () => {
  const { raw, listener } = rig()
  const client = raw()
  client.socket.send(encodeRequest(apiVersions, 0, 9, hello))
  await client.settle()
  const [answer] = client.answers
  assert.equal(answer?.correlationId, 9)
  const { apis, ...identity } = apiVersions.response.decode(answer?.body, 0, '')
  assert.deepEqual(identity, { clusterId: 'test-cluster', nodeId: 7, software: 'test' })
  assert.deepEqual(apis.map(api => [api.apiKey, api.versionMin, api.versionMax]).sort(), [
    [18, 0, 0],
    [2000, 1, 2],
    [2001, 0, 0],
  ])
  assert.equal([...listener.connections][0]?.isEstablished, true)
})

test('any other request first closes the connection, and no handler runs', async () => {
  const { raw, started } = rig()
  const client = raw()
  client.echo(1)
  await client.settle()
  assert.deepEqual(client.closed, { code: closeCode.handshake, reason: 'ApiVersions must come first' })
  assert.deepEqual(started, [])
})

test('a version of ApiVersions that is not served is an answer, so that the client may try another; three times', async () => {
  const { raw } = rig()
  const client = raw()
  for (const id of [1, 2]) client.socket.send(pack([apiVersions.key, 99, id, []]))
  client.socket.send(encodeRequest(apiVersions, 0, 3, hello))
  await client.settle()
  assert.deepEqual(
    client.answers.map(answer => [answer.correlationId, answer.errorCode]),
    [
      [1, errorCode('UNSUPPORTED_VERSION')],
      [2, errorCode('UNSUPPORTED_VERSION')],
      [3, 0],
    ],
  )
  const stubborn = raw()
  for (const id of [1, 2, 3, 4]) stubborn.socket.send(pack([apiVersions.key, 99, id, []]))
  await stubborn.settle()
  assert.equal(stubborn.answers.length, 3)
  assert.equal(stubborn.closed?.code, closeCode.handshake)
})

test('a body of ApiVersions that does not fit is answered with its path and leaves the connection a stranger', async () => {
  const { raw } = rig()
  const client = raw()
  client.socket.send(pack([apiVersions.key, 0, 1, ['x'.repeat(300), null]]))
  client.echo(1)
  await client.settle()
  assert.equal(client.answers[0]?.errorCode, errorCode('INVALID_REQUEST'))
  assert.match(String(client.answers[0]?.body), /^ApiVersionsRequest\.clientId: expected string/)
  assert.equal(client.closed?.code, closeCode.handshake)
})

test('the first message may have 16 KiB and not one byte more', async () => {
  const { raw } = rig()
  const client = raw()
  client.socket.send(new Uint8Array(16 * KiB + 1))
  await client.settle()
  assert.equal(client.closed?.code, closeCode.messageTooBig)
  const other = raw()
  other.socket.send(new Uint8Array(16 * KiB).fill(0xc1))
  await other.settle()
  assert.equal(other.closed?.code, closeCode.malformedFrame)
})

test('a connection that says nothing is closed when its time is over, one that did is not', async () => {
  const { raw, established, clock, listener } = rig()
  const silent = raw()
  const speaking = await established()
  clock.advance(9_000)
  assert.equal(silent.closed?.code, undefined)
  clock.advance(2_000)
  await silent.settle()
  assert.equal(silent.closed?.code, closeCode.handshake)
  assert.equal(speaking.closed, null)
  assert.equal(listener.stats.closedBy.handshake, 1)
  assert.equal(listener.stats.connections, 1)
})

test('whatever bytes come, before or after the handshake: an answer or a close, and the others notice nothing', async () => {
  const { raw, established } = rig()
  const witness = await established()
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .anything({ withBigInt: false, withDate: false, withMap: false, withSet: false, withTypedArray: false })
      .map(tryPack),
    fc.tuple(fc.integer(), fc.integer(), fc.integer(), fc.anything({ maxDepth: 3 })).map(tryPack),
    fc.tuple(fc.constant(2000), fc.constant(1), fc.nat(), fc.array(fc.constantFrom(1, 'x', null, []))).map(tryPack),
  )
  await fc.assert(
    fc.asyncProperty(frame, fc.boolean(), async (bytes, isEstablished) => {
      const client = isEstablished ? await established() : raw()
      client.socket.send(bytes)
      await client.settle()
      assert.ok(client.closed !== null || client.answers.length === 1, 'neither answered nor closed')
      if (client.closed !== null) assert.ok(client.closed.reason.length > 0 && client.closed.reason.length <= 123)
      client.socket.terminate()
      await client.settle()
    }),
    { numRuns: runs(300) },
  )
  witness.echo(3)
  await witness.settle()
  assert.equal(witness.answers.length, 1)
})

test('the reason of a close repeats nothing of what was sent', async () => {
  const { established } = rig()
  const client = await established()
  client.socket.send(pack({ secret: 'hunter2' }))
  await client.settle()
  assert.equal(client.closed?.code, closeCode.malformedFrame)
  assert.doesNotMatch(client.closed?.reason ?? '', /hunter2|secret/)
  const other = await established()
  other.socket.send(pack([echoApi.key, 1, 5, ['hunter2', 1]]))
  await other.settle()
  assert.equal(other.answers[0]?.errorCode, errorCode('INVALID_REQUEST'))
  assert.doesNotMatch(String(other.answers[0]?.body), /hunter2/)
  assert.equal(other.closed, null)
})

function tryPack(value: unknown): Uint8Array {
  try {
    return pack(value)
  } catch {
    return new Uint8Array([0xc1])
  }
}
