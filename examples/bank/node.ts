/**
 * One node of the bank: a member of the group and a face in HTTP. Whoever does not lead sends the client to who does.
 *
 *     node --import tsx examples/bank/node.ts --id 1 --data-dir bank-1 --peers 7101,7102,7103 --http 7201,7202,7203
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { parseArgs } from 'node:util'
import { NotLeaderError, type Raft, type RaftSession, startRaft } from '../../src/server/raft/index.ts' // 'millrace/raft'
import { type Answer, Bank, type Command } from './bank.ts'

export interface BankRequest {
  readonly session: RaftSession
  readonly command: Command
}

const { values: flags } = parseArgs({
  options: {
    id: { type: 'string', default: '1' },
    'data-dir': { type: 'string', default: 'bank-1' },
    peers: { type: 'string', default: '7101,7102,7103' },
    http: { type: 'string', default: '7201,7202,7203' },
  },
})
const nodeId = Number(flags.id)
const httpPorts = flags.http.split(',').map(Number)
const peerUrls = flags.peers.split(',').map((port, i) => [i + 1, `ws://127.0.0.1:${port}`])

const bank = new Bank()
const raft: Raft<Answer> = await startRaft({
  nodeId,
  voters: Object.fromEntries(peerUrls),
  dataDir: flags['data-dir'],
  stateMachine: bank,
  sessions: true,
  timing: { tickMs: 20, heartbeatMs: 60, electionTimeoutMs: 400 },
  // Small, so that nodes that were away now and then meet a snapshot.
  snapshots: { entriesMax: 50, retainedEntries: 10 },
})

const server = createServer((request, response) => {
  handle(request, response).catch(error => {
    const leaderPort = error instanceof NotLeaderError && error.leaderId !== null && httpPorts[error.leaderId - 1]
    // 307: the same request, method and body, to the one that leads.
    if (leaderPort) response.setHeader('location', `http://127.0.0.1:${leaderPort}${request.url}`)
    response.statusCode = leaderPort ? 307 : 503
    response.end(JSON.stringify({ error: (error as Error).message }))
  })
})
server.listen(httpPorts[nodeId - 1], '127.0.0.1', () => process.send?.('ready'))
process.on('SIGTERM', () => {
  server.close()
  void raft.close().then(() => process.exit(0))
})
process.on('disconnect', () => process.exit(0))

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, 'http://bank')
  const name = decodeURIComponent(url.pathname.slice('/accounts/'.length))
  if (url.pathname === '/status') return answer(response, raft.status())
  if (!url.pathname.startsWith('/accounts/')) return answer(response, { error: 'There is no such page.' }, 404)
  if (request.method === 'POST') {
    const { session, command } = JSON.parse(await bodyOf(request)) as BankRequest
    const data = new TextEncoder().encode(JSON.stringify(command))
    return answer(response, await raft.propose(data, { session, timeoutMs: 2_000 }))
  }
  // `?local`: what this node has applied. Otherwise what is true: everything acknowledged before is in it.
  if (!url.searchParams.has('local')) await raft.readBarrier({ timeoutMs: 2_000 })
  answer(response, bank.account(name))
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  return body
}

function answer(response: ServerResponse, body: unknown, statusCode = 200): void {
  response.statusCode = statusCode
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(body))
}
