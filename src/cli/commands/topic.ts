/** `millrace topic …`: create, list, describe, delete, alter, add-partitions, trim. */
import type { Command } from 'commander'
import type { PartitionDescription, TopicDescription } from '../../index.ts'
import type { ApiError } from '../../protocol/errors.ts'
import type { CommandContext } from '../context.ts'
import { forEach } from '../each.ts'
import { UsageError } from '../failure.ts'
import { renderTable } from '../output.ts'
import { collect, collectPairs, collectPartitionOffsets, type PartitionOffset, parseInteger } from '../parse.ts'
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
    .description('partitions with their leaders, replicas, offsets and lags, and configs of topics')
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
    .argument('<name:partition:offset...>', 'where to cut; `end` as offset for everything', collectPartitionOffsets)
    .action(async (cuts: PartitionOffset[], _options: unknown, command: Command) =>
      run(command, context => trim(context, cuts)),
    )
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
  await forEach(context, 'TOPIC', names, async name => {
    const topic = {
      name,
      numPartitions: options.partitions,
      replicationFactor: options.replicas,
      configs: options.config,
    }
    try {
      await admin.createTopics({ topics: [topic] })
    } catch (error) {
      if (options.ifNotExists !== true || (error as ApiError).code !== 'TOPIC_ALREADY_EXISTS') throw error
    }
  })
}

async function list(context: CommandContext): Promise<void> {
  const admin = await context.admin()
  const topics = await admin.listTopics()
  context.output.print(topics, () =>
    renderTable(
      ['NAME', 'PARTITIONS', 'REPLICAS'],
      topics.map(t => [t.name, t.partitionCount, t.replicationFactor]),
    ),
  )
}

async function describe(context: CommandContext, names: string[]): Promise<void> {
  const admin = await context.admin()
  const request = names.length === 0 ? {} : { topics: names }
  const topics = await admin.describeTopics({ ...request, includeReplicas: true })
  context.output.print(topics, () => topics.map(describedTopic).join('\n\n'))
}

function describedTopic(topic: TopicDescription): string {
  const configs = Object.entries(topic.configs).map(([key, value]) => `${key}=${value}`)
  const head = `Topic: ${topic.name}  TopicId: ${topic.topicId}  PartitionCount: ${topic.partitions.length}  Configs: ${configs.join(',') || '-'}`
  const heads = ['PARTITION', 'LEADER', 'EPOCH', 'REPLICAS', 'ISR', 'ELR', 'LOG-START-OFFSET', 'HIGH-WATERMARK', 'LAG']
  const rows = topic.partitions.map(p => [
    p.partition,
    p.leader < 0 ? 'none' : p.leader,
    p.leaderEpoch,
    p.replicas.join(','),
    p.isr.join(','),
    p.elr.join(','),
    p.logStartOffset,
    p.highWatermark,
    lagsOf(p),
  ])
  return `${head}\n${renderTable(heads, rows)}`
}

/** `2:0,3:15`: records each follower is behind its leader; `?` for one the leader has not heard of yet. */
function lagsOf({ leader, replicaStates }: PartitionDescription): string | null {
  const followers = replicaStates?.filter(({ nodeId }) => nodeId !== leader) ?? []
  return followers.map(({ nodeId, lag }) => `${nodeId}:${lag ?? '?'}`).join(',') || null
}

async function remove(context: CommandContext, names: string[]): Promise<void> {
  const admin = await context.admin()
  await forEach(context, 'TOPIC', names, name => admin.deleteTopics({ topics: [name] }))
}

async function alter(context: CommandContext, name: string, options: AlterOptions): Promise<void> {
  const set = Object.entries(options.config ?? {}).map(([key, value]) => ({ op: 'set' as const, key, value }))
  const deleted = (options.deleteConfig ?? []).map(key => ({ op: 'delete' as const, key }))
  if (set.length + deleted.length === 0)
    throw new UsageError('nothing to alter: give -c key=value or --delete-config key')
  const admin = await context.admin()
  const resource = { type: 'topic' as const, name, changes: [...set, ...deleted] }
  await forEach(context, 'TOPIC', [name], () => admin.alterConfigs({ resources: [resource] }))
}

async function addPartitions(context: CommandContext, name: string, count: number): Promise<void> {
  const admin = await context.admin()
  await forEach(context, 'TOPIC', [name], () => admin.createPartitions({ topics: [{ name, count }] }))
}

async function trim(context: CommandContext, partitions: PartitionOffset[]): Promise<void> {
  const admin = await context.admin()
  const results = await admin.deleteRecords({ partitions })
  const rows = results.map(({ topic, partition, offset }) => ({ topic, partition, logStartOffset: offset }))
  context.output.print(rows, () =>
    renderTable(
      ['TOPIC', 'PARTITION', 'LOG-START-OFFSET'],
      rows.map(r => [r.topic, r.partition, r.logStartOffset]),
    ),
  )
}
