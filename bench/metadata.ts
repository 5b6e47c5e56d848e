/**
 * `npm run bench:metadata`: 10,000 topics of 10 partitions on a quorum of three processes: created, listed, kept in
 * snapshots, and a fourth node that comes late and is fed one. Whether anybody was stalled is read off the nodes: the
 * longest delay of their event loops in each phase (`millrace_event_loop_delay_seconds`) and the epoch of the leader.
 *
 *     npm run bench:metadata [-- --topics 10000] [-- --partitions 10]
 *
 * The brokers that hold the partitions are registrations and heartbeats only: this measures the controllers.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Admin } from '../src/index.ts'
import { systemClock } from '../src/platform/clock.ts'
import { wsSocketFactory } from '../src/platform/ws-client.ts'
import { brokerHeartbeat, brokerRegistration } from '../src/protocol/apis/index.ts'
import { openConnection } from '../src/transport/client-connection.ts'
import { toBrokerEpoch } from '../src/util/numbers.ts'

const { values: flags } = parseArgs({
  options: {
    topics: { type: 'string', default: '10000' },
    partitions: { type: 'string', default: '10' },
    'port-base': { type: 'string', default: '24210' },
  },
})
const topicCount = Number(flags.topics)
const partitionCount = Number(flags.partitions)
const portBase = Number(flags['port-base'])
const topicsPerRequest = 100
const brokerIds = [101, 102, 103]
const work = mkdtempSync(path.join(tmpdir(), 'millrace-bench-metadata-'))
const voters = [1, 2, 3].map(id => `${id}@127.0.0.1:${portBase + 10 * id + 1}`).join()

interface Controller {
  readonly id: number
  readonly child: ChildProcess
  readonly url: string
  readonly peerUrl: string
}

async function startController(id: number): Promise<Controller> {
  const port = portBase + 10 * id
  const settings = {
    'node.id': id,
    'process.roles': 'controller',
    'peer.listener': `ws://127.0.0.1:${port + 1}`,
    'controller.quorum.voters': voters,
    // One when half of the topics are there, and one with nearly all of them.
    'metadata.log.max.records.between.snapshots': Math.ceil((topicCount / topicsPerRequest) * 0.45),
    'metadata.log.retained.records': 5,
    'log.level': 'warn',
  }
  const pairs = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  const args = ['server', '--data-dir', path.join(work, `node-${id}`), '--port', String(port), ...pairs]
  const bin = path.join(import.meta.dirname, '..', 'bin', 'millrace.cjs')
  const child = fork(bin, args, { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'message')
  return { id, child, url: `ws://127.0.0.1:${port}`, peerUrl: settings['peer.listener'] }
}

/** Registers brokers that hold nothing, and keeps them alive until the returned function is called. */
async function registerBrokers(leader: Controller): Promise<() => Promise<void>> {
  const connection = await openConnection(leader.peerUrl, {
    socketFactory: wsSocketFactory(),
    clock: systemClock,
    clientId: 'bench',
    software: 'bench',
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 30_000,
    inFlightBytesMax: 1e6,
  })
  const registrations = await Promise.all(
    brokerIds.map(async nodeId => {
      const registration = {
        nodeId,
        incarnationId: 'bench',
        url: `ws://127.0.0.1:1`,
        rack: null,
        clusterId: null,
        peerUrl: null,
        previousEpoch: -1,
      }
      return { nodeId, epoch: (await connection.request(brokerRegistration, registration)).epoch }
    }),
  )
  const beat = setInterval(() => {
    for (const { nodeId, epoch } of registrations) {
      const wants = { wantsShutdown: false, wantsFence: false, offlinePartitions: [] }
      const heartbeat = { nodeId, epoch: toBrokerEpoch(epoch), ...wants }
      connection.request(brokerHeartbeat, heartbeat).catch(() => {})
    }
  }, 1_000)
  return async () => {
    clearInterval(beat)
    await connection[Symbol.asyncDispose]()
  }
}

async function metric(controller: Controller, name: string): Promise<number> {
  const text = await (await fetch(`${controller.url.replace('ws', 'http')}/metrics`)).text()
  const line = text.split('\n').find(candidate => candidate.startsWith(name))
  return line === undefined ? Number.NaN : Number(line.slice(line.lastIndexOf(' ') + 1))
}

/** Of each node since the last call. */
async function longestDelaysMs(controllers: readonly Controller[]): Promise<string> {
  const delays = await Promise.all(
    controllers.map(controller => metric(controller, 'millrace_event_loop_delay_seconds{quantile="1"}')),
  )
  // A node counts from the first time it is asked.
  return delays.map(seconds => (Number.isNaN(seconds) ? '–' : (seconds * 1000).toFixed(0))).join(' / ')
}

const controllers = await Promise.all([1, 2, 3].map(startController))
const admin = new Admin({ bootstrap: controllers.map(({ url }) => url) })
const rows: Array<readonly [string, string, string]> = []

async function phase(name: string, run: () => Promise<unknown>): Promise<void> {
  await longestDelaysMs(controllers)
  const start = performance.now()
  await run()
  const ms = performance.now() - start
  rows.push([name, `${ms.toFixed(0)} ms`, await longestDelaysMs(controllers)])
  process.stderr.write(`${name}: ${ms.toFixed(0)} ms\n`)
}

try {
  const before = await admin.describeQuorum()
  const leader = controllers.find(({ id }) => id === before.leaderId)!
  const stopBrokers = await registerBrokers(leader)
  await phase(
    `create ${topicCount} topics of ${partitionCount} partitions, ${topicsPerRequest} a request`,
    async () => {
      for (let first = 0; first < topicCount; first += topicsPerRequest) {
        const names = Array.from(
          { length: Math.min(topicsPerRequest, topicCount - first) },
          (_, i) => `topic-${first + i}`,
        )
        await admin.createTopics({ topics: names.map(name => ({ name, numPartitions: partitionCount })) })
      }
    },
  )
  await phase('create one more', () => admin.createTopics({ topics: [{ name: 'one-more', numPartitions: 1 }] }))
  await phase('list all, as current as it gets', async () => {
    const { length } = await admin.listTopics()
    if (length !== topicCount + 1) throw new Error(`${length} topics are listed`)
  })
  await phase(
    'a fourth node comes, is fed a snapshot, serves',
    async () => void controllers.push(await startController(4)),
  )
  const after = await admin.describeQuorum()
  const snapshots = await Promise.all(controllers.map(one => metric(one, 'millrace_raft_snapshot_index')))
  const width = Math.max(...rows.map(([name]) => name.length))
  process.stdout.write(
    `| ${'phase'.padEnd(width)} | time | longest event-loop delay of nodes 1 / 2 / 3 (/ 4), ms |\n|---|---|---|\n`,
  )
  for (const [name, time, delays] of rows) process.stdout.write(`| ${name.padEnd(width)} | ${time} | ${delays} |\n`)
  process.stdout.write(
    `\nleader ${before.leaderId} in epoch ${before.leaderEpoch} before, ${after.leaderId} in ${after.leaderEpoch} after\n`,
  )
  process.stdout.write(
    `snapshots at ${snapshots.join(' / ')}, log ends ${[...after.voters, ...after.observers].map(r => r.logEndOffset).join(' / ')}\n`,
  )
  await stopBrokers()
} finally {
  await admin.close()
  for (const { child } of controllers) child.kill('SIGTERM')
  await Promise.all(controllers.map(({ child }) => (child.exitCode === null ? once(child, 'exit') : null)))
  rmSync(work, { recursive: true, force: true })
}
