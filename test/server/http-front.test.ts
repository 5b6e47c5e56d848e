import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { HttpFront } from '../../src/server/http-front.ts'
import type { Node } from '../../src/server/node.ts'
import { silentLogger } from '../../src/util/logger.ts'

test('alive from the start, ready only when it serves, and never silent about why not', async t => {
  const rest = { bodyBytesMax: 1_000, heldBytesMax: 10_000, slowReaderTimeoutMs: 30_000 }
  const front = new HttpFront({ logger: silentLogger, rest, partitionSeriesMax: 10 })
  const server = createServer(front.onRequest).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
    return [response.status, await response.text()]
  }
  assert.deepEqual(await ask('/livez'), [200, '{"status":"alive"}\n'])
  const opening = '{"status":"not ready","reasons":["The node is opening its data."]}\n'
  assert.deepEqual(await ask('/readyz'), [503, opening])
  assert.equal((await ask('/metrics'))[0], 404)
  const [status, text] = await ask('/v1/topics/t/records')
  assert.deepEqual([status, JSON.parse(text as string).error], [503, 'REPLICA_NOT_AVAILABLE'])
  let reasons = ['The broker is not registered with the controller yet.']
  front.open({ nodeId: 1, broker: { records: {} }, notReadyReasons: () => reasons } as unknown as Node, {
    tcpConnections: 0,
    refused: { connections: 0, access: 0, upgrade: 0, http: 0, floods: 0 },
  })
  assert.deepEqual(await ask('/readyz'), [503, `{"status":"not ready","reasons":${JSON.stringify(reasons)}}\n`])
  reasons = []
  assert.equal((await ask('/readyz'))[0], 503, 'registered, but requests are still held')
  front.serve()
  assert.deepEqual(await ask('/readyz'), [200, '{"status":"ready"}\n'])
  await front.close()
})
