/**
 * `npm run bench:start`: what a node costs before it does anything. The time to the first record and idle memory are those of
 * `cold-produce-1` in `npm run bench`, measured by the same code, in seconds instead of minutes; beside them the memory of
 * 1,000 idle partitions. Medians of `--rounds`.
 */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { MiB } from '../src/util/units.ts'
import { settledBytes } from './harness/measure-on.ts'
import { sendFirst } from './harness/millrace.ts'
import { startBenchCluster } from './harness/millrace-nodes.ts'
import { wholeRun } from './harness/settings.ts'
import { spreadOf } from './harness/statistics.ts'
import { formatSpread, renderTable } from './harness/text.ts'

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, partitions: { type: 'string', default: '1000' } },
})
const firstRecordMs: number[] = []
const idleMiB: number[] = []
const partitionsMiB: number[] = []
for (let round = 0; round < Number(flags.rounds); round++) {
  const contact = (urls: readonly string[]): Promise<void> => sendFirst(urls, 'first', 1)
  await using cluster = await startBenchCluster({ directory: tmpdir(), nodes: 1, mode: 'sync', contact })
  firstRecordMs.push(cluster.startSeconds * 1_000)
  const idleBytes = await settledBytes(cluster, wholeRun.settleSeconds)
  await cluster.millrace('topic', 'create', 'many', '-p', flags.partitions, '-r', '1')
  const bytes = await settledBytes(cluster, wholeRun.settleSeconds)
  // Where the system does not tell there is nothing to say.
  if (idleBytes === null || bytes === null) continue
  idleMiB.push(idleBytes / MiB)
  partitionsMiB.push((bytes - idleBytes) / MiB)
}
const rows = [
  ['process start to first acknowledged record, ms', firstRecordMs],
  ['idle node, MiB resident', idleMiB],
  [`${flags.partitions} idle partitions more, MiB`, partitionsMiB],
] as const
const cells = rows.map(([what, values]) => [what, formatSpread(spreadOf(values))])
console.log(renderTable({ heads: ['what', 'median (range)'], rows: cells }))
