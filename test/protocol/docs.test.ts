/** docs/PROTOCOL.md names everything there is, and its example is one the node would accept. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderProtocol } from '../../scripts/generate-docs/protocol.ts'
import { exampleBodies } from '../../scripts/generate-docs/protocol-example.ts'
import type { Api } from '../../src/protocol/api.ts'
import { fetch } from '../../src/protocol/apis/fetch.ts'
import { apis, apiVersions, peerApis, produce } from '../../src/protocol/apis/index.ts'
import { errorTable } from '../../src/protocol/errors.ts'
import { decodeRequestEnvelope } from '../../src/protocol/frame.ts'
import { pack } from '../../src/protocol/msgpack.ts'
import { requestFrameLimits } from '../../src/protocol/prescan.ts'
import { closeCode } from '../../src/transport/socket.ts'

const page = renderProtocol()

test('every API, error and close code is in the page', () => {
  for (const api of [...apis, ...peerApis] as readonly Api[])
    assert(page.includes(`\n### ${api.name}\n\nKey ${api.key}, version `), api.name)
  for (const [name, { code }] of Object.entries(errorTable)) assert(page.includes(`\n| ${code} | \`${name}\` |`), name)
  for (const code of Object.values(closeCode)) assert(page.includes(`\n| ${code} | `), String(code))
})

test('nested fields have a row with their position, type and sentence', () => {
  assert(page.includes('| 2 | `partitions[].partition` | `int32` | Partition, from 0. |'))
  assert(page.includes('| 0 | `session.clientId` | `string(≤255)` |'))
  assert(page.includes('| 0 | `partitions[].records[].headers[].name` |'))
})

test('every table has as many cells in each row', () => {
  let cells = 0
  for (const line of page.split('\n')) {
    if (!line.startsWith('|')) {
      cells = 0
      continue
    }
    const count = line.replaceAll('\\|', '').split('|').length
    if (cells !== 0) assert.equal(count, cells, line)
    cells = count
  }
})

test('the bodies of the example are what the schemas expect', () => {
  const examples: ReadonlyArray<[Api, unknown]> = [
    [apiVersions as Api, exampleBodies.apiVersions],
    [produce as Api, exampleBodies.produce],
    [fetch as Api, exampleBodies.fetch],
  ]
  for (const [api, wire] of examples) {
    const { body } = decodeRequestEnvelope(pack([api.key, 0, 1, wire]), requestFrameLimits)
    api.request.decode(body, 0, api.name)
    assert(page.includes(`call(${api.key}, [`), api.name)
  }
})
