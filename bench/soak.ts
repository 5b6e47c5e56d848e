/**
 * `npm run bench:soak`: produces and consumes `--gigabytes` (default 10) through one node and watches its resident
 * memory. The topic keeps 1 GiB by retention, so the disk does not fill. Prints a row per gigabyte; the run is flat when
 * the last rows are no higher than the early ones. Options: --gigabytes, --directory (a real disk), --mode os|sync.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Admin, Consumer, Producer } from '../src/index.ts'
import { MiB } from '../src/util/units.ts'
import { residentBytesOf } from './harness/processes.ts'

const { values: flags } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '10' },
    directory: { type: 'string', default: process.cwd() },
    mode: { type: 'string', default: 'os' },
  },
})
const bin = path.join(import.meta.dirname, '..', 'bin', 'millrace.cjs')
const dataDir = mkdtempSync(path.join(flags.directory, 'bench-soak-'))
const settings = [
  'log.level=warn',
  `log.flush.policy=${flags.mode}`,
  'log.retention.check.interval.ms=5000',
  'log.segment.bytes=134217728',
]
const child = fork(
  bin,
  ['server', '--data-dir', dataDir, '--port', '0', ...settings.flatMap(setting => ['--set', setting])],
  { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
)
try {
  const [{ url }] = (await once(child, 'message')) as [{ url: string }]
  const admin = new Admin({ bootstrap: url })
  await admin.createTopics({
    topics: [{ name: 'soak', numPartitions: 4, configs: { 'retention.bytes': String(256 << 20) } }],
  })
  const producer = new Producer({ bootstrap: url, batchBytes: 1 << 20, inFlightMax: 8 })
  const consumer = new Consumer({ bootstrap: url, topics: ['soak'], from: 'start' })
  const value = new Uint8Array(1000).fill(120)
  const perSend = 500
  const goal = Number(flags.gigabytes) * 1e9
  let produced = 0
  let consumed = 0
  const consuming = (async () => {
    for await (const batch of consumer.batches()) {
      for (const record of batch.records) consumed += record.value!.length
      if (consumed >= goal) return
    }
  })()
  console.log('| GB produced | GB consumed | node RSS MiB | this process RSS MiB |')
  console.log('|---|---|---|---|')
  let nextReport = 1e9
  const pump = async (lane: number): Promise<void> => {
    while (produced < goal) {
      // The consumer must not fall behind retention: producing waits for it.
      while (produced - consumed > 200e6) await new Promise(resolve => setImmediate(resolve))
      produced += value.length * perSend
      await producer.send({
        topic: 'soak',
        messages: Array.from({ length: perSend }, () => ({ value, partition: lane % 4 })),
      })
      if (produced >= nextReport) {
        nextReport += 1e9
        console.log(
          `| ${(produced / 1e9).toFixed(1)} | ${(consumed / 1e9).toFixed(1)} | ${residentMiB(child.pid!).toFixed(0)} | ${residentMiB(process.pid).toFixed(0)} |`,
        )
      }
    }
  }
  await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(pump))
  await consuming
  console.log(
    `| ${(produced / 1e9).toFixed(1)} | ${(consumed / 1e9).toFixed(1)} | ${residentMiB(child.pid!).toFixed(0)} | ${residentMiB(process.pid).toFixed(0)} |`,
  )
  await Promise.all([producer.close(), consumer.close(), admin.close()])
} finally {
  child.kill('SIGTERM')
  if (child.exitCode === null) await once(child, 'exit')
  rmSync(dataDir, { recursive: true, force: true })
}

function residentMiB(pid: number): number {
  return residentBytesOf(pid)! / MiB
}
