/**
 * `millrace consume TOPIC…`: records to stdout, from where `-o` says. Bytes of keys and values are printed untouched;
 * in JSON they are text when they are UTF-8 and `base64:…` when they are not.
 */
import type { Command } from 'commander'
import type { ConsumerOptions } from '../../index.ts'
import type { CommandContext } from '../context.ts'
import { UsageError } from '../failure.ts'
import { bytesToText } from '../output.ts'
import { parseInteger, parseStartPosition, type StartPosition } from '../parse.ts'
import type { Run } from '../program.ts'
import { compileRecordFormat, type PrintableRecord } from '../record-format.ts'

interface ConsumeOptions {
  readonly partition?: number
  readonly offset: StartPosition
  readonly count?: number
  readonly exitAtEnd?: boolean
  readonly formatRecord?: string
  readonly readCommitted?: boolean
  readonly rack?: string
}

export function registerConsume(program: Command, run: Run): void {
  program
    .command('consume')
    .description('print records')
    .argument('<topic...>', 'topics to read')
    .option('-p, --partition <n>', 'only this partition', parseInteger(0))
    .option(
      '-o, --offset <where>',
      'start, end, an offset, -N from the end, or @TIME (ISO or milliseconds)',
      parseStartPosition,
      'end' as StartPosition,
    )
    .option('-n, --count <n>', 'stop after this many records', parseInteger(1))
    .option('-e, --exit-at-end', 'stop at what was the end when reading began')
    .option('-f, --format-record <format>', 'as kcat: %t %p %o %T %k %s %h %K %S, \\n \\t', undefined)
    .option('--read-committed', 'leave out records of open and aborted transactions')
    .option('--rack <name>', 'read from replicas in this rack, where brokers have one (broker.rack)')
    .addHelpText(
      'after',
      "\nExamples:\n  $ millrace consume orders -o start -e\n  $ millrace consume orders -o -10 -n 10 -f '%p:%o %k=%s\\n'",
    )
    .action(async (topics: string[], options: ConsumeOptions, command: Command) => {
      await run(command, context => consume(context, topics, options))
    })
}

async function consume(context: CommandContext, topics: string[], options: ConsumeOptions): Promise<void> {
  if (options.partition !== undefined && topics.length > 1) throw new UsageError('-p goes with one topic')
  const consumer = await context.consumer(consumerOptions(topics, options))
  const print = printer(context, options)
  let printed = 0
  context.signal.addEventListener('abort', () => void consumer.close(), { once: true })
  for await (const { topic, partition, records } of consumer.batches()) {
    for (const record of records) {
      if (context.signal.aborted) return
      const full = print({ ...record, topic, partition })
      if (full !== null) await full
      printed++
      if (printed === options.count) return
    }
  }
}

function consumerOptions(topics: string[], options: ConsumeOptions): Omit<ConsumerOptions, 'bootstrap'> {
  return {
    ...(options.partition === undefined
      ? { topics }
      : { assignments: [{ topic: topics[0]!, partition: options.partition }] }),
    from: options.offset,
    ...(options.exitAtEnd === true ? { until: 'end' as const } : {}),
    ...(options.rack === undefined ? {} : { rack: options.rack }),
    ...(options.readCommitted === true ? { isolationLevel: 'read_committed' as const } : {}),
  }
}

/** Prints one record; waits when stdout is full, so that a slow reader slows the fetching, but not when told to stop. */
function printer(context: CommandContext, options: ConsumeOptions): (record: PrintableRecord) => Promise<void> | null {
  const isJson = context.output.format === 'json'
  const format = compileRecordFormat(options.formatRecord ?? '%s\\n')
  return record => {
    const line = isJson ? `${JSON.stringify(toJson(record))}\n` : format(record)
    if (process.stdout.write(line) || context.signal.aborted) return null
    return new Promise<void>(resolve => {
      const go = (): void => {
        process.stdout.off('drain', go)
        context.signal.removeEventListener('abort', go)
        resolve()
      }
      process.stdout.once('drain', go)
      context.signal.addEventListener('abort', go, { once: true })
    })
  }
}

function toJson(record: PrintableRecord): Record<string, unknown> {
  const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : bytesToText(bytes))
  return {
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key: text(record.key),
    value: text(record.value),
    headers: Object.fromEntries(record.headers.map(h => [h.name, text(h.value)])),
  }
}
