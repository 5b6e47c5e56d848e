/**
 * `npm run bench:start`: what a node costs before it does anything. From process start to the first acknowledged record
 * (a client of this process dials until the port answers), resident memory of an idle node, and of one that hosts 1,000
 * idle partitions. Medians of `--rounds`.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Admin, Producer } from '../src/index.ts'
import { MiB } from '../src/util/units.ts'
import { ended, residentBytesOf } from './harness/processes.ts'
import { middleOf } from './harness/statistics.ts'

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, partitions: { type: 'string', default: '1000' } },
})
const bin = path.join(import.meta.dirname, '..', 'bin', 'millrace.cjs')
const settleMs = 3_000

const firstAckMs: number[] = []
const idleMiB: number[] = []
const partitionsMiB: number[] = []
for (let round = 0; round < Number(flags.rounds); round++) {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'millrace-start-'))
  const startedAt = performance.now()
  const child = fork(
    bin,
    [
      'server',
      '--data-dir',
      dataDir,
      '--port',
      '0',
      '--set',
      'log.level=warn',
      '--set',
      'auto.create.topics.enable=true',
    ],
    {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  )
  try {
    const [{ url }] = (await once(child, 'message')) as [{ url: string }]
    const producer = new Producer({ bootstrap: url })
    await producer.send({ topic: 'first', messages: [{ value: 'x' }] })
    firstAckMs.push(performance.now() - startedAt)
    await producer.close()
    await delay(settleMs)
    const idle = residentBytesOf(child.pid!)! / MiB
    idleMiB.push(idle)
    const admin = new Admin({ bootstrap: url })
    await admin.createTopics({ topics: [{ name: 'many', numPartitions: Number(flags.partitions), configs: {} }] })
    await admin.close()
    await delay(settleMs)
    partitionsMiB.push(residentBytesOf(child.pid!)! / MiB - idle)
  } finally {
    child.kill('SIGTERM')
    await ended(child)
    rmSync(dataDir, { recursive: true, force: true })
  }
}
const median = (values: number[]): string => middleOf(values, value => value)!.toFixed(0)
console.log('| what | median | all |')
console.log('|---|---|---|')
console.log(
  `| process start to first acknowledged record, ms | ${median(firstAckMs)} | ${firstAckMs.map(v => v.toFixed(0)).join(' ')} |`,
)
console.log(`| idle node, MiB resident | ${median(idleMiB)} | ${idleMiB.map(v => v.toFixed(0)).join(' ')} |`)
console.log(
  `| ${flags.partitions} idle partitions more, MiB | ${median(partitionsMiB)} | ${partitionsMiB.map(v => v.toFixed(0)).join(' ')} |`,
)
