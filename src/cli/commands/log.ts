/** `millrace log dump` and `log verify`: a data directory looked at without a running node; nothing is ever changed. */
import path from 'node:path'
import type { Command } from 'commander'
import type { InspectedBatch, PartitionReport } from '../../log/inspect.ts'
import { attribute, compressionOf } from '../../protocol/batch/header.ts'
import type { CommandContext } from '../context.ts'
import { ReportedFailure, UsageError } from '../failure.ts'
import { bytesToText, formatCount, renderTable } from '../output.ts'
import type { Run } from '../program.ts'

export function registerLog(program: Command, run: Run): void {
  const log = program.command('log').description('look at log files on disk')
  log
    .command('dump')
    .description('print the batches of .log files, the entries of .index and .timeindex files')
    .argument('<file...>', 'segment or index files')
    .option('--records', 'print the records of each batch too')
    .action(async (files: string[], options: { records?: boolean }, command: Command) =>
      run(command, async context => {
        for (const file of files) await dump(context, file, options.records === true)
      }),
    )
  log
    .command('verify')
    .description('check every segment and index of a stopped node; exit 1 when something is wrong')
    .argument('<dir>', 'data directory, or one partition of it')
    .action(async (directory: string, _options: unknown, command: Command) =>
      run(command, context => verify(context, directory)),
    )
}

async function dump(context: CommandContext, file: string, withRecords: boolean): Promise<void> {
  if (file.endsWith('.log')) return dumpSegment(context, file, withRecords)
  const { inspectIndex, inspectTimeIndex } = await import('../../log/inspect.ts')
  const { nodeDisk } = await import('../../platform/node-disk.ts')
  const inspect = file.endsWith('.index') ? inspectIndex : file.endsWith('.timeindex') ? inspectTimeIndex : null
  if (inspect === null) throw new UsageError(`${file}: expected a .log, .index or .timeindex file`)
  for (const entry of inspect(nodeDisk(), file)) {
    const at = entry.position === undefined ? `timestamp: ${entry.timestamp}` : `position: ${entry.position}`
    context.output.printItem(entry, () => `offset: ${entry.offset} ${at}\n`)
  }
}

async function dumpSegment(context: CommandContext, file: string, withRecords: boolean): Promise<void> {
  const { inspectBatches } = await import('../../log/inspect.ts')
  const { nodeDisk } = await import('../../platform/node-disk.ts')
  let isDamaged = false
  for await (const batch of inspectBatches(nodeDisk(), file)) {
    isDamaged ||= batch.fault !== null
    const described = describeBatch(batch)
    context.output.printItem(
      described,
      () =>
        `${Object.entries(described)
          .map(([key, value]) => `${key}: ${value}`)
          .join(' ')}\n`,
    )
    if (withRecords && batch.fault === null) await dumpRecords(context, batch)
  }
  if (isDamaged) throw new ReportedFailure()
}

function describeBatch({ header, position, isCrcValid, fault }: InspectedBatch): Record<string, unknown> {
  return {
    baseOffset: header.baseOffset,
    lastOffset: header.baseOffset + header.lastOffsetDelta,
    count: header.recordCount,
    position,
    size: header.sizeBytes,
    leaderEpoch: header.leaderEpoch,
    baseTimestamp: header.baseTimestamp,
    maxTimestamp: header.maxTimestamp,
    compression: compressionOf(header.attributes) ?? 'unknown',
    isTransactional: (header.attributes & attribute.transactional) !== 0,
    isControl: (header.attributes & attribute.control) !== 0,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    isValid: isCrcValid && fault === null,
    ...(fault === null ? {} : { fault }),
  }
}

async function dumpRecords(context: CommandContext, batch: InspectedBatch): Promise<void> {
  const { decodeBatch } = await import('../../protocol/batch/decoder.ts')
  const { nodeCodecs } = await import('../../platform/codecs.ts')
  const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : bytesToText(bytes))
  for (const record of await decodeBatch(batch.bytes, nodeCodecs)) {
    const headers = Object.fromEntries(record.headers.map(h => [h.name, text(h.value)]))
    const described = {
      offset: record.offset,
      timestamp: record.timestamp,
      key: text(record.key),
      value: text(record.value),
      headers,
    }
    context.output.printItem(
      described,
      () =>
        `| offset: ${record.offset} timestamp: ${record.timestamp} key: ${described.key} value: ${described.value} headers: ${JSON.stringify(headers)}\n`,
    )
  }
}

async function verify(context: CommandContext, directory: string): Promise<void> {
  const { verifyDirectory } = await import('../../log/inspect.ts')
  const { nodeDisk } = await import('../../platform/node-disk.ts')
  const reports: PartitionReport[] = []
  for await (const report of verifyDirectory(nodeDisk(), path.resolve(directory))) {
    reports.push(report)
    context.output.progress(`${formatCount(reports.length)} partitions checked`)
  }
  context.output.endProgress()
  if (reports.length === 0) throw new UsageError(`${directory}: no partition found`)
  context.output.print(reports, () =>
    renderTable(
      ['PARTITION', 'SEGMENTS', 'BATCHES', 'RECORDS', 'BYTES', 'START', 'END', 'STATUS'],
      reports.map(r => [
        path.basename(r.directory),
        r.segments,
        r.batches,
        r.records,
        r.sizeBytes,
        r.logStartOffset,
        r.logEndOffset,
        r.problems.length === 0 ? 'OK' : r.problems.length === 1 ? '1 problem' : `${r.problems.length} problems`,
      ]),
    ),
  )
  const problems = reports.flatMap(report => report.problems)
  for (const { path: file, position, problem } of problems)
    context.output.note(`${file}${position === null ? '' : ` at ${position}`}: ${problem}`)
  if (problems.length > 0) throw new ReportedFailure()
}
