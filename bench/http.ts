/**
 * `npm run bench:http`: what the HTTP side costs, by autocannon: `/readyz` and `/metrics` of a node that hosts 100
 * partitions, idle. Prints requests per second and latency percentiles. Options: --seconds, --connections.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import autocannon from 'autocannon'
import { Admin } from '../src/index.ts'

const { values: flags } = parseArgs({
  options: { seconds: { type: 'string', default: '5' }, connections: { type: 'string', default: '8' } },
})
const bin = path.join(import.meta.dirname, '..', 'bin', 'millrace.cjs')
const dataDir = mkdtempSync(path.join(tmpdir(), 'millrace-http-'))
const child = fork(bin, ['server', '--data-dir', dataDir, '--port', '0', '--set', 'log.level=warn'], {
  execArgv: [],
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
})
try {
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  const admin = new Admin({ bootstrap: url })
  await admin.createTopics({ topics: [{ name: 'many', numPartitions: 100 }] })
  await admin.close()
  console.log('| path | requests/s | p50 ms | p99 ms | p99.9 ms | errors |')
  console.log('|---|---|---|---|---|---|')
  for (const target of ['/readyz', '/metrics']) {
    const result = await autocannon({
      url: url.replace(/^ws/, 'http') + target,
      duration: Number(flags.seconds),
      connections: Number(flags.connections),
    })
    const { latency } = result
    console.log(
      `| ${target} | ${result.requests.average.toFixed(0)} | ${latency.p50} | ${latency.p99} | ${latency.p99_9} | ${result.errors + result.non2xx} |`,
    )
  }
} finally {
  child.kill('SIGTERM')
  if (child.exitCode === null) await once(child, 'exit')
  rmSync(dataDir, { recursive: true, force: true })
}
