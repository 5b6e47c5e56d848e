/** `millrace topic …`: create, list, describe, delete, alter, add-partitions, trim. */
import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { ReportedFailure, UsageError } from '../failure.ts'
import { renderTable } from '../output.ts'
import { collect, collectPairs, parseInteger, parsePartitionOffset } from '../parse.ts'
import type { Run } from '../program.ts'

export function registerTopic(program: Command, run: Run): void {
  const topic = program.command('topic').description('administer topics')
  registerCreate(topic, run)
  topic
    .command('list')
    .description('list topics')
    .action(async (_options: unknown, command: Command) => run(command, list))
  topic
    .command('describe')
    .description('partitions, leaders, offsets and configs of topics')
    .argument('[name...]', 'topics; all without any')
    .action(async (names: string[], _options: unknown, command: Command) =>
      run(command, context => describe(context, names)),
    )
  topic
    .command('delete')
    .description('delete topics and their records')
    .argument('<name...>', 'topics')
    .action(async (names: string[], _options: unknown, command: Command) =>
      run(command, context => remove(context, names)),
    )
  topic
    .command('alter')
    .description('set or delete configs of a topic')
    .argument('<name>', 'topic')
    .option('-c, --config <key=value>', 'set a config (repeatable)', collectPairs)
    .option('--delete-config <key>', 'back to the default (repeatable)', collect)
    .action(async (name: string, options: AlterOptions, command: Command) =>
      run(command, context => alter(context, name, options)),
    )
  topic
    .command('add-partitions')
    .description('grow a topic; keys will map to other partitions from then on')
    .argument('<name>', 'topic')
    .requiredOption('-p, --partitions <n>', 'partitions it shall have in the end', parseInteger(1))
    .action(async (name: string, options: { partitions: number }, command: Command) =>
      run(command, context => addPartitions(context, name, options.partitions)),
    )
  topic
    .command('trim')
    .description('delete records below an offset')
    .argument('<name:partition:offset...>', 'where to cut; `end` as offset for everything')
    .action(async (cuts: string[], _options: unknown, command: Command) => run(command, context => trim(context, cuts)))
}

interface CreateOptions {
  readonly partitions?: number
  readonly replicas?: number
  readonly config?: Record<string, string>
  readonly ifNotExists?: boolean
}

interface AlterOptions {
  readonly config?: Record<string, string>
  readonly deleteConfig?: string[]
}

function registerCreate(topic: Command, run: Run): void {
  topic
    .command('create')
    .description('create topics')
    .argument('<name...>', 'topics to create')
    .option('-p, --partitions <n>', 'partitions; without it num.partitions of the cluster', parseInteger(1))
    .option('-r, --replicas <n>', 'replicas of each; without it default.replication.factor', parseInteger(1))
    .option('-c, --config <key=value>', 'topic config (repeatable)', collectPairs)
    .option('--if-not-exists', 'a topic that exists is no failure')
    .action(async (names: string[], options: CreateOptions, command: Command) =>
      run(command, context => create(context, names, options)),
    )
}

async function create(context: CommandContext, names: string[], options: CreateOptions): Promise<void> {
  const admin = await context.admin()
  const results = await admin.createTopics(
    names.map(name => ({
      name,
      ...(options.partitions === undefined ? {} : { numPartitions: options.partitions }),
      ...(options.replicas === undefined ? {} : { replicationFactor: options.replicas }),
      configs: options.config ?? {},
    })),
  )
  const tolerated = results.map(result =>
    options.ifNotExists === true && result.error === 'TOPIC_ALREADY_EXISTS' ? { ...result, error: null } : result,
  )
  printOutcomes(context, tolerated)
}

interface Outcome {
  readonly name: string
  readonly error: string | null
  readonly message: string | null
}

/** One line per topic; any failure makes the exit code 1. */
function printOutcomes(context: CommandContext, outcomes: readonly Outcome[]): void {
  context.output.print(outcomes, () =>
    renderTable(
      ['TOPIC', 'STATUS'],
      outcomes.map(o => [o.name, o.error ?? 'OK']),
    ),
  )
  const failed = outcomes.filter(o => o.error !== null)
  for (const o of failed) context.output.note(`${o.error}: ${o.name}: ${o.message}`)
  if (failed.length > 0) throw new ReportedFailure()
}

async function list(context: CommandContext): Promise<void> {
  const admin = await context.admin()
  const topics = await admin.listTopics()
  context.output.print(topics, () =>
    renderTable(
      ['NAME', 'PARTITIONS', 'REPLICAS'],
      topics.map(t => [t.name, t.partitions, t.replicas]),
    ),
  )
}

async function describe(context: CommandContext, names: string[]): Promise<void> {
  const admin = await context.admin()
  const topics = await admin.describeTopics(names.length === 0 ? undefined : names)
  context.output.print(topics, () =>
    topics
      .map(topic => {
        const configs = Object.entries(topic.configs).map(([key, value]) => `${key}=${value}`)
        const head = `Topic: ${topic.name}  TopicId: ${topic.topicId}  PartitionCount: ${topic.partitions.length}  Configs: ${configs.join(',') || '-'}`
        const rows = topic.partitions.map(p => [
          p.partition,
          p.leader,
          p.leaderEpoch,
          p.replicas.join(','),
          p.isr.join(','),
          p.logStartOffset,
          p.highWatermark,
        ])
        return `${head}\n${renderTable(['PARTITION', 'LEADER', 'EPOCH', 'REPLICAS', 'ISR', 'LOG-START-OFFSET', 'HIGH-WATERMARK'], rows)}`
      })
      .join('\n\n'),
  )
}

async function remove(context: CommandContext, names: string[]): Promise<void> {
  const admin = await context.admin()
  printOutcomes(context, await admin.deleteTopics(names))
}

async function alter(context: CommandContext, name: string, options: AlterOptions): Promise<void> {
  const set = Object.entries(options.config ?? {}).map(([key, value]) => ({ op: 'set' as const, key, value }))
  const deleted = (options.deleteConfig ?? []).map(key => ({ op: 'delete' as const, key, value: null }))
  if (set.length + deleted.length === 0)
    throw new UsageError('nothing to alter: give -c key=value or --delete-config key')
  const admin = await context.admin()
  const results = await admin.alterConfigs([{ type: 'topic', name, changes: [...set, ...deleted] }])
  printOutcomes(context, results)
}

async function addPartitions(context: CommandContext, name: string, count: number): Promise<void> {
  const admin = await context.admin()
  printOutcomes(context, await admin.createPartitions([{ name, count }]))
}

async function trim(context: CommandContext, cuts: string[]): Promise<void> {
  const admin = await context.admin()
  const results = await admin.deleteRecords(cuts.map(parsePartitionOffset))
  context.output.print(results, () =>
    renderTable(
      ['TOPIC', 'PARTITION', 'LOG-START-OFFSET', 'STATUS'],
      results.map(r => [r.topic, r.partition, r.logStartOffset, r.error ?? 'OK']),
    ),
  )
  const failed = results.filter(r => r.error !== null)
  for (const r of failed) context.output.note(`${r.error}: ${r.topic}:${r.partition}: ${r.message}`)
  if (failed.length > 0) throw new ReportedFailure()
}
