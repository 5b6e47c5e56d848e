/**
 * `millrace bench produce|consume|e2e`: load against any cluster, with progress, percentiles and the cost in CPU; and
 * `bench raft`, which starts a group of its own.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { compressionNames } from '../../protocol/batch/header.ts'
import { keyDistributions, type LoadOptions } from '../bench/load.ts'
import type { MeasurementOptions, Warmup } from '../bench/measurement.ts'
import { parseAcks, parseBytes, parseDurationMs, parseInteger } from '../parse.ts'
import type { Run } from '../program.ts'

export interface BenchOptions extends MeasurementOptions {
  readonly topic: string
  readonly topics: number
}

export interface BenchConsumeOptions extends BenchOptions {
  readonly consumers: number
  readonly again?: boolean
}

export interface BenchEndToEndOptions extends BenchOptions, LoadOptions {
  readonly partitions: number
  readonly producers: number
  readonly consumers: number
  /** Sends not yet acknowledged, whatever was received; absent: one record is on its way at a time, unless there is a rate. */
  readonly inFlight?: number
  readonly acks: 0 | 1 | 'all'
  readonly rate?: number
}

export interface BenchProduceOptions extends BenchOptions, LoadOptions {
  readonly partitions: number
  readonly producers: number
  readonly inFlight: number
  readonly acks: 0 | 1 | 'all'
  readonly compression: (typeof compressionNames)[number]
  readonly rate?: number
}

export interface BenchRaftOptions {
  readonly nodes: number
  readonly size: number
  readonly batch: number
  readonly concurrency: number
  readonly window: number
  readonly appendBytes: number
  /** Milliseconds, each way. */
  readonly delay: number
  readonly seconds: number
  readonly warmup: number
  readonly dir?: string
}

/** Where `bench raft` puts the settings of its children, which are members of the group. */
export const memberVariable = 'MILLRACE_BENCH_MEMBER'

export function registerBench(program: Command, run: Run): void {
  const bench = program.command('bench').description('measure throughput and latency')
  producing(bench.command('produce').description('append records as fast as the cluster takes them, or at a rate'))
    .option('--batch-records <n>', 'records per send', parseInteger(1, 1_000_000), 600)
    .option('--in-flight <n>', 'sends not yet acknowledged', parseInteger(1, 100_000), 16)
    .addOption(new Option('-z, --compression <codec>', 'compress batches').choices(compressionNames).default('none'))
    .action(async (options: BenchProduceOptions, command: Command) => {
      const { benchProduce } = await import('../bench/produce.ts')
      await run(command, context => benchProduce(context, options))
    })
  shared(bench.command('consume').description('read what is there from the start, as fast as it comes'))
    .option('--consumers <n>', 'consumers that share the partitions', parseInteger(1, 1_000), 1)
    .option('--again', 'when all is read begin again at the start, until --records or --duration is reached')
    .action(async (options: BenchConsumeOptions, command: Command) => {
      const { benchConsume } = await import('../bench/consume.ts')
      await run(command, context => benchConsume(context, options))
    })
  producing(bench.command('e2e').description('time from send to receipt: one at a time, at a rate, or at the maximum'))
    .option('--consumers <n>', 'consumers that share the partitions', parseInteger(1, 1_000), 1)
    .option('--batch-records <n>', 'records per send; the first of them is timed', parseInteger(1, 1_000_000), 1)
    .option(
      '--in-flight <n>',
      'as fast as it goes: so many sends not yet acknowledged, and consumers at the tail',
      parseInteger(1, 100_000),
    )
    .action(async (options: BenchEndToEndOptions, command: Command) => {
      const { benchEndToEnd } = await import('../bench/end-to-end.ts')
      await run(command, context => benchEndToEnd(context, options))
    })
  registerBenchRaft(bench, run)
}

function registerBenchRaft(bench: Command, run: Run): void {
  bench
    .command('raft')
    .description('consensus alone: a group of member processes on this machine, whose leader proposes')
    .option('--nodes <n>', 'members', parseInteger(1, 9), 3)
    .option('--size <bytes>', 'size of an entry', parseBytes, 100)
    .option('--batch <n>', 'entries per proposal', parseInteger(1, 100_000), 1)
    .option('--concurrency <n>', 'proposals under way', parseInteger(1, 100_000), 64)
    .option('--window <n>', 'AppendEntries under way to one follower', parseInteger(1, 10_000), 64)
    .option(
      '--append-bytes <bytes>',
      'entries of one AppendEntries; a larger proposal is one by itself',
      parseBytes,
      262_144,
    )
    .option('--delay <ms>', 'milliseconds that every message takes, each way', parseInteger(0, 10_000), 0)
    .option('--seconds <n>', 'how long', parseInteger(1), 5)
    .option('--warmup <n>', 'seconds before measuring begins', parseInteger(0), 1)
    .option('--dir <dir>', "where the members' disks are; by default the directory for temporary files")
    .action(async (options: BenchRaftOptions, command: Command) => {
      const member = process.env[memberVariable]
      if (member !== undefined) return (await import('../bench/raft-member.ts')).runMember(JSON.parse(member))
      const { benchRaft } = await import('../bench/raft.ts')
      await run(command, context => benchRaft(context, options))
    })
}

function shared(command: Command): Command {
  return command
    .option('--topic <name>', 'topic; created when it is missing', 'bench')
    .option(
      '--topics <n>',
      'so many topics, named TOPIC-0, TOPIC-1, … when there are several',
      parseInteger(1, 1_000),
      1,
    )
    .option('--records <n>', 'records to measure', parseInteger(1), 1_000_000)
    .option('--duration <time>', 'stop after this long even if records are left', parseDurationMs)
    .addOption(
      new Option('--warmup <n|time>', 'records, or a time such as 5s, before measuring begins')
        .argParser(parseWarmup)
        .default({ records: 0 }, 'none'),
    )
    .option('-q, --quiet', 'no progress')
}

function producing(command: Command): Command {
  return shared(command)
    .option('-p, --partitions <n>', 'partitions of a topic it creates', parseInteger(1, 10_000), 1)
    .option('--size <bytes>', 'size of a value', parseBytes, 100)
    .option(
      '--random-bytes <ratio>',
      'the part of a value that is random; the rest compresses to nothing',
      parseRatio,
      1,
    )
    .addOption(new Option('--keys <how>', 'keys of the records').choices(keyDistributions).default('none'))
    .option('--key-count <n>', 'different keys', parseInteger(1), 10_000)
    .option('--producers <n>', 'producers, each with connections of its own', parseInteger(1, 1_000), 1)
    .option('--rate <n>', 'records per second in all; latency then counts from when a record was due', parseInteger(1))
    .option('--acks <acks>', '0, 1 or all', parseAcks, 'all')
}

/** `2000`: records. `5s`: a time. */
function parseWarmup(text: string): Warmup {
  return /^\d+$/.test(text) ? { records: Number(text) } : { ms: parseDurationMs(text) }
}

function parseRatio(text: string): number {
  const ratio = Number(text)
  if (text === '' || !(ratio >= 0 && ratio <= 1)) throw new InvalidArgumentError('expected a number from 0 to 1')
  return ratio
}
