/** The worked example of docs/PROTOCOL.md. Its bodies are data, so that a test can hold them against the schemas. */
import { fetch } from '../../src/protocol/apis/fetch.ts'
import { apiVersions, produce } from '../../src/protocol/apis/index.ts'
import { encodeErrorResponse, encodeRequest } from '../../src/protocol/frame.ts'

/** As they stand in the Python below. */
export const exampleBodies = {
  apiVersions: ['example', 'python 3'],
  produce: [-1, 30_000, [['orders', null, 0, -1, [['key', 'value', [['h', '1']], null]]]]],
  fetch: [500, 1, 1_048_576, 0, 'records', [['orders', null, 0, -1, 0, 1_048_576]]],
}

export function renderExample(): string {
  const hello = encodeRequest(apiVersions, 0, 1, { clientId: 'a', software: null })
  return `## A client in a few lines

Python, with the packages \`msgpack\` and \`websocket-client\`. It announces itself, produces one record to partition 0 of
the topic \`orders\`, which must exist, and reads the partition from its start.

\`\`\`python
import msgpack, websocket

ws = websocket.create_connection('ws://127.0.0.1:9292', subprotocols=['millrace.v1'], suppress_origin=True)
count = 0

def call(api_key, body, version=0):
    global count
    count += 1
    ws.send_binary(msgpack.packb([api_key, version, count, body]))
    correlation_id, error_code, answer = msgpack.unpackb(ws.recv())   # one request at a time: this is its answer
    if error_code != 0:
        raise RuntimeError(f'error {error_code}: {answer}')
    return answer

call(${apiVersions.key}, ${python(exampleBodies.apiVersions)})
call(${produce.key}, ${python(exampleBodies.produce)})
[[topic, partition, error, message, high_watermark, _, _, records]], = call(${fetch.key}, ${python(exampleBodies.fetch)})
for offset, timestamp, key, value, headers in records:
    print(offset, key, value)
\`\`\`

Byte for byte, an \`ApiVersions\` request with correlation id 1, client id \`a\` and no software:
\`${hex(hello)}\`; and an answer to it with error 35 and no message: \`${hex(encodeErrorResponse(1, 35, null))}\`.
`
}

function python(value: unknown): string {
  if (value === null) return 'None'
  if (Array.isArray(value)) return `[${value.map(python).join(', ')}]`
  return typeof value === 'string' ? `'${value}'` : String(value)
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(' ')
}
