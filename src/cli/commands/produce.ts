/**
 * `millrace produce TOPIC`: one record per line of stdin. Records are acknowledged in the background, bounded by the
 * producer's buffer; the report of each appears on stdout in the order of the lines.
 */
import { type Command, Option } from 'commander'
import type { Message, RecordMetadata } from '../../index.ts'
import { compressionNames } from '../../protocol/batch/header.ts'
import type { CommandContext } from '../context.ts'
import { ReportedFailure } from '../failure.ts'
import { formatCount } from '../output.ts'
import { collectHeaders, parseAcks, parseInteger } from '../parse.ts'
import type { Run } from '../program.ts'

interface ProduceOptions {
  readonly key?: string
  readonly keySeparator?: string
  readonly header?: Record<string, string>
  readonly partition?: number
  readonly acks: 0 | 1 | 'all'
  readonly compression: (typeof compressionNames)[number]
  readonly expectOffset?: number
  readonly tombstone?: boolean
  readonly quiet?: boolean
}

export function registerProduce(program: Command, run: Run): void {
  program
    .command('produce')
    .description('append records, one per line of stdin')
    .argument('<topic>', 'topic to append to')
    .addOption(new Option('-k, --key <key>', 'key of every record').conflicts('keySeparator'))
    .addOption(
      new Option('-K, --key-separator <separator>', 'split each line into key and value at the first <separator>'),
    )
    .option('-H, --header <name:value>', 'header of every record (repeatable)', collectHeaders)
    .option('-p, --partition <n>', 'partition; without it the key decides', parseInteger(0))
    .option(
      '--acks <acks>',
      'who must have a record before it counts: 0 nobody, 1 the leader, all in-sync replicas',
      parseAcks,
      'all',
    )
    .addOption(new Option('-z, --compression <codec>', 'compress batches').choices(compressionNames).default('none'))
    .option('--expect-offset <n>', 'fail unless the first record gets this offset', parseInteger(0))
    .option('-Z, --tombstone', 'an empty value is a null one')
    .option('-q, --quiet', 'print no line per record')
    .addHelpText(
      'after',
      "\nExamples:\n  $ echo hello | millrace produce orders -k me\n  $ cat rows.ndjson | millrace produce rows -K '\\t' -z zstd -q",
    )
    .action(async (topic: string, options: ProduceOptions, command: Command) => {
      await run(command, context => produce(context, topic, options))
    })
}

/** Sends unsettled at most: stdin is read no faster than the cluster takes records. */
const unsettledMax = 64

async function produce(context: CommandContext, topic: string, options: ProduceOptions): Promise<void> {
  const producer = await context.producer({
    acks: options.acks,
    compression: options.compression,
    lingerMs: 5,
    batchBytes: 256 * 1024,
    inFlightMax: 8,
  })
  const toMessage = messageFactory(options)
  const report = new Report(context, topic, options)
  context.signal.addEventListener('abort', () => process.stdin.destroy(), { once: true })
  const unsettled: Promise<void>[] = []
  for await (const lines of lineGroups(process.stdin)) {
    if (report.hasFailed || context.signal.aborted) break
    if (unsettled.length >= unsettledMax) await unsettled.shift()
    unsettled.push(report.track(producer.send({ topic, messages: lines.map(toMessage) })))
  }
  await Promise.all(unsettled)
  report.finish()
}

/** The lines of a stream, as many at a time as one read brought: a person's line at once, a file's by the thousand. */
async function* lineGroups(stream: NodeJS.ReadStream): AsyncGenerator<string[]> {
  let rest = ''
  stream.setEncoding('utf8')
  try {
    for await (const chunk of stream) {
      const lines = (rest + (chunk as string)).split('\n')
      rest = lines.pop()!
      if (lines.length > 0) yield lines.map(withoutReturn)
    }
  } catch (error) {
    // Ctrl-C destroys the stream: what was read is still sent.
    if ((error as { code?: string }).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  }
  if (rest !== '') yield [withoutReturn(rest)]
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}

function messageFactory(options: ProduceOptions): (line: string) => Message {
  const separator = options.keySeparator?.replaceAll('\\t', '\t')
  const fixed = {
    ...(options.header === undefined ? {} : { headers: options.header }),
    ...(options.partition === undefined ? {} : { partition: options.partition }),
  }
  const toValue = (text: string): string | null => (options.tombstone === true && text === '' ? null : text)
  return line => {
    if (separator === undefined) return { key: options.key ?? null, value: toValue(line), ...fixed }
    const at = line.indexOf(separator)
    if (at < 0) return { key: null, value: toValue(line), ...fixed }
    return { key: line.slice(0, at), value: toValue(line.slice(at + separator.length)), ...fixed }
  }
}

/** Prints what became of each record, in order, and counts. The first failure ends the run. */
class Report {
  /** What the run ends with. */
  #failure: unknown = null
  readonly #context: CommandContext
  readonly #topic: string
  readonly #options: ProduceOptions
  #acknowledged = 0
  /** Whether every record so far was acknowledged: nothing is reported behind one that was not. */
  #isWhole: Promise<boolean> | null = null

  constructor(context: CommandContext, topic: string, options: ProduceOptions) {
    this.#context = context
    this.#topic = topic
    this.#options = options
  }

  get hasFailed(): boolean {
    return this.#failure !== null
  }

  /** Resolves when the report of these records is out, or their failure is known. Called in the order of the lines. */
  async track(sent: Promise<RecordMetadata[]>): Promise<void> {
    this.#isWhole = this.#settle(sent, this.#isWhole)
    await this.#isWhole
  }

  async #settle(sent: Promise<RecordMetadata[]>, isWholeBefore: Promise<boolean> | null): Promise<boolean> {
    const { output } = this.#context
    let records: RecordMetadata[]
    try {
      records = await sent
    } catch (error) {
      this.#fail(error)
      return false
    }
    if (isWholeBefore === null) this.#checkExpected(records[0]!)
    // Partitions answer in any order; the i-th report is that of the i-th line.
    const isWhole = isWholeBefore === null || (await isWholeBefore)
    this.#acknowledged += records.length
    if (this.#options.quiet === true) {
      if (!this.hasFailed) output.progress(`${formatCount(this.#acknowledged)} records acknowledged`)
    } else if (isWhole) {
      for (const metadata of records) {
        output.printItem(metadata, () => `Produced to partition ${metadata.partition} at offset ${metadata.offset}.\n`)
      }
    }
    return isWhole
  }

  finish(): void {
    const { output } = this.#context
    output.endProgress()
    if (this.#options.quiet === true || this.hasFailed)
      output.note(`${formatCount(this.#acknowledged)} records acknowledged in ${this.#topic}`)
    if (this.hasFailed) throw this.#failure
  }

  #checkExpected(metadata: RecordMetadata): void {
    const { expectOffset } = this.#options
    if (expectOffset === undefined || metadata.offset === expectOffset) return
    this.#context.output.note(
      `UNEXPECTED_OFFSET: expected offset ${expectOffset}, the first record got ${metadata.offset}`,
    )
    this.#fail(new ReportedFailure())
  }

  #fail(error: unknown): void {
    this.#failure ??= error
    // Whoever still types would never learn of it.
    process.stdin.destroy()
  }
}
