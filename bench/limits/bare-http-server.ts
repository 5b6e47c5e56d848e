/**
 * The server half of the bare HTTP probe: `node:http` that takes a body whole and answers with as many bytes as its path
 * says, and does nothing else. Run by bench/http.ts; tells `{ port }` over the process channel.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const answers = new Map<string, Buffer>()

const server = createServer({ noDelay: true }, (request, response) => {
  const path = request.url ?? '/0'
  let answer = answers.get(path)
  if (answer === undefined) {
    answer = Buffer.alloc(Number(path.slice(1)), 0x78)
    answers.set(path, answer)
  }
  const body = answer
  const chunks: Buffer[] = []
  request.on('data', chunk => chunks.push(chunk))
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.end(chunks.length > 1 && Buffer.concat(chunks).length === 0 ? undefined : body)
  })
})
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit(0))
