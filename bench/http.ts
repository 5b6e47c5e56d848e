/**
 * `npm run bench:http`: what the HTTP side takes and gives, by autocannon, each load beside bare `node:http` that takes the
 * same body and answers with as many bytes, interleaved in one run. Ratios of requests per second, and of the server's
 * CPU per request, which says more on a machine that others use.
 *
 *     npm run bench:http [-- --rounds 3] [-- --seconds 2] [-- --connections 16] [-- --only POST] [-- --directory DIR]
 *         [-- --output FILE] [-- --brief]     brief: each load for a moment, to see that it works
 *
 * Latencies are autocannon's, in whole milliseconds. Prints a Markdown table, and writes the runs as JSON.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Admin } from '../src/index.ts'
import { describeCommit, describeMachine } from './harness/machine.ts'
import { startBenchCluster } from './harness/millrace-nodes.ts'
import { ended } from './harness/processes.ts'
import { resultPrefix, writeResult } from './harness/result-files.ts'
import { ratioSpread, type Spread, spreadOf } from './harness/statistics.ts'
import { formatSpread, renderTable } from './harness/text.ts'
import { batch, idlePartitions, type Load, loads, topics } from './http/loads.ts'
import type { HttpLoadResult, HttpResults } from './http/results.ts'
import { type HttpRun, runLoad, type Target } from './http/run.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    connections: { type: 'string', default: '16' },
    only: { type: 'string', default: '' },
    directory: { type: 'string', default: process.cwd() },
    output: { type: 'string' },
    brief: { type: 'boolean', default: false },
  },
})
const rounds = Number(flags.rounds ?? (flags.brief ? 1 : 2))
const seconds = Number(flags.seconds ?? 2)
const duration = flags.brief ? { requests: 32 } : { seconds }
const connections = Number(flags.connections)
const chosen = loads.filter(({ name }) => name.includes(flags.only))
if (chosen.length === 0) throw new Error(`no load is called like ${flags.only}`)

const startedAt = new Date().toISOString()
const machine = describeMachine(flags.directory)
const work = mkdtempSync(path.join(flags.directory, 'bench-http-'))
const bare = fork(path.join(import.meta.dirname, 'limits', 'bare-http-server.ts'), {
  execArgv: ['--import', 'tsx'],
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
})
try {
  const [{ port }] = (await once(bare, 'message')) as [{ port: number }]
  await using cluster = await startBenchCluster({ directory: work, nodes: 1, mode: 'os' })
  const node = { url: cluster.urls[0]!.replace(/^ws/, 'http'), pid: cluster.pids[0]! }
  await prepare(cluster.urls[0]!, node.url)
  const results = await measure(node, { url: `http://127.0.0.1:${port}`, pid: bare.pid! })
  report(results)
} finally {
  await stop(bare)
  rmSync(work, { recursive: true, force: true })
}

async function prepare(bootstrap: string, url: string): Promise<void> {
  await using admin = new Admin({ bootstrap })
  await admin.createTopics({
    topics: [
      ...Object.values(topics).map(name => ({
        name,
        configs: { 'flush.policy': name === 'sync' ? 'sync' : 'os', 'retention.bytes': String(256 << 20) },
      })),
      { name: 'idle', numPartitions: idlePartitions },
    ],
  })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/v1/topics/${topics.read}/records`, { method: 'POST', headers, body: batch })
  if (response.status !== 200) throw new Error(await response.text())
}

async function measure(node: Target, limit: Target): Promise<HttpLoadResult[]> {
  const results = []
  for (const load of chosen) {
    const answerBytes = await answerBytesOf(node.url, load)
    const bareLoad = { ...load, isBesidePosts: false, request: { ...load.request, path: `/${answerBytes}` } }
    const runs: HttpRun[] = []
    const limits: HttpRun[] = []
    const options = { connections, duration }
    // The first second of a load is V8's.
    if (!flags.brief) await runLoad(node, load, { connections, duration: { seconds: 1 } })
    for (let round = 0; round < rounds; round++) {
      limits.push(await runLoad(limit, bareLoad, options))
      runs.push(await runLoad(node, load, options))
    }
    const { name, durability, recordsPerRequest } = load
    results.push({ name, durability, recordsPerRequest, answerBytes, runs, limits })
  }
  return results
}

async function answerBytesOf(url: string, { request }: Load): Promise<number> {
  const { method, headers, body } = request
  const response = await fetch(url + request.path, {
    ...(method === undefined ? {} : { method }),
    headers: headers as Record<string, string>,
    ...(body === undefined ? {} : { body: body as string }),
  })
  return (await response.arrayBuffer()).byteLength
}

function report(results: readonly HttpLoadResult[]): void {
  const heads = [
    'load',
    'durability',
    'requests/s',
    'records/s',
    'p50 ms',
    'p99 ms',
    'CPU µs',
    '÷ bare, rate',
    '÷ bare, CPU',
    'errors',
  ]
  console.log(renderTable({ heads, rows: results.map(cellsOf) }))
  const whole: HttpResults = {
    format: 1,
    startedAt,
    endedAt: new Date().toISOString(),
    machine,
    commit: describeCommit(),
    rounds,
    seconds,
    connections,
    loads: results,
  }
  writeResult(flags.output ?? `${resultPrefix('http', startedAt)}.json`, whole)
}

function cellsOf({ name, durability, recordsPerRequest, runs, limits }: HttpLoadResult): string[] {
  const spread = (pick: (run: HttpRun) => number): string => formatSpread(spreadOf(runs.map(pick)))
  const cpu = (of: readonly HttpRun[]): readonly (number | null)[] => of.map(run => run.cpuMicrosecondsPerRequest)
  const ratio = (of: Spread | null): string => formatSpread(of)
  return [
    name,
    durability ?? '–',
    spread(run => run.requestsPerSecond),
    recordsPerRequest === 0 ? '–' : spread(run => run.recordsPerSecond),
    spread(run => run.latency50pct),
    spread(run => run.latency99pct),
    formatSpread(spreadOf(cpu(runs).filter(value => value !== null))),
    ratio(
      ratioSpread(
        runs.map(run => run.requestsPerSecond),
        limits.map(run => run.requestsPerSecond),
      ),
    ),
    ratio(ratioSpread(cpu(runs), cpu(limits))),
    String(runs.reduce((sum, run) => sum + run.errors, 0)),
  ]
}

async function stop(child: ChildProcess): Promise<void> {
  child.disconnect()
  await ended(child)
}
