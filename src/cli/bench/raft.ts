/**
 * `millrace bench raft`: what consensus gives on this machine, without topics, clients or their protocol. Each member is a
 * process with its own disk directory; the leader proposes.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { BenchRaftOptions } from '../commands/bench.ts'
import type { CommandContext } from '../context.ts'
import { formatCount, renderTable } from '../output.ts'
import { RaftGroup } from './raft-group.ts'
import type { RunResult } from './raft-member.ts'
import { latencyCells, latencyHeads, parameterLine } from './report.ts'

export async function benchRaft(context: CommandContext, options: BenchRaftOptions): Promise<void> {
  const parent = options.dir ?? tmpdir()
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(path.join(parent, 'millrace-bench-raft-'))
  context.cleanups.defer(() => rmSync(directory, { recursive: true, force: true }))
  const { nodes, delay: delayMs, window, appendBytes: appendBytesMax } = options
  const group = context.cleanups.use(
    await RaftGroup.start({ bin: process.argv[1]!, nodes, directory, delayMs, window, appendBytesMax }),
  )
  const { batch, size: sizeBytes, concurrency } = options
  if (options.warmup > 0) await group.run({ seconds: options.warmup, batch, sizeBytes, concurrency })
  const cpuBefore = await group.cpuSeconds()
  const result = await group.run({ seconds: options.seconds, batch, sizeBytes, concurrency })
  const cpuSeconds = (await group.cpuSeconds()) - cpuBefore
  printRaftResult(context, options, directory, result, cpuSeconds)
}

function printRaftResult(
  context: CommandContext,
  { nodes, size, batch, concurrency, window, delay, appendBytes }: BenchRaftOptions,
  directory: string,
  { commits, seconds, latencyMs }: RunResult,
  cpuSeconds: number,
): void {
  const parameters = { bench: 'raft', nodes, size, batch, concurrency, window, delayMs: delay, appendBytes }
  const commitsPerSecond = commits / seconds
  const entriesPerSecond = commitsPerSecond * batch
  const megabytesPerSecond = (entriesPerSecond * size) / 1e6
  const durability = `fdatasync in ${path.dirname(directory)}`
  const json = { parameters, durability, commits, seconds, commitsPerSecond, entriesPerSecond, megabytesPerSecond }
  context.output.print({ ...json, latencyMs, cpuSeconds: { nodes: cpuSeconds } }, () => {
    const heads = ['COMMITS/S', 'ENTRIES/S', 'MB/S', ...latencyHeads, 'NODE-CPU-S']
    const row = [
      formatCount(commitsPerSecond),
      formatCount(entriesPerSecond),
      megabytesPerSecond.toFixed(1),
      ...latencyCells(latencyMs),
      cpuSeconds.toFixed(2),
    ]
    return `${parameterLine(parameters, durability)}\n${renderTable(heads, [row])}`
  })
}
