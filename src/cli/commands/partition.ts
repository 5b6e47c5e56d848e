/** `millrace partition list` and `partition elect`; `reassign` is in a file of its own. */
import { type Command, Option } from 'commander'
import type { PartitionDescription, TopicPartition } from '../../index.ts'
import type { CommandContext } from '../context.ts'
import { forEach } from '../each.ts'
import { UsageError } from '../failure.ts'
import { renderTable } from '../output.ts'
import { collect, collectPartitions } from '../parse.ts'
import { isMoving, isUnderReplicated } from '../partition-health.ts'
import type { Run } from '../program.ts'
import { registerReassign } from './reassign.ts'

interface ListOptions {
  readonly topic?: string[]
  readonly underReplicated?: boolean
  readonly offline?: boolean
  readonly reassigning?: boolean
}

interface ElectOptions {
  readonly all?: boolean
  readonly unclean?: boolean
}

export function registerPartition(program: Command, run: Run): void {
  const partition = program.command('partition').description('look at partitions, change who leads and who holds them')
  partition
    .command('list')
    .description('who leads and who holds each partition; with filters, those that any of them is true of')
    .option('--topic <name>', 'only of this topic (repeatable)', collect)
    .option('--under-replicated', 'a replica that should be in sync is not')
    .option('--offline', 'nobody leads it')
    .option('--reassigning', 'it is being moved to other brokers')
    .action(async (options: ListOptions, command: Command) => run(command, context => list(context, options)))
  partition
    .command('elect')
    .description('give partitions back to their preferred leaders, the first of their replicas')
    .argument('[name:partition...]', 'which', collectPartitions)
    .addOption(new Option('--all', 'all that another than their preferred leader leads'))
    .option(
      '--unclean',
      'where nobody in sync or eligible is left: let any living replica lead. Records it lacks are lost, acknowledged or not',
    )
    .addHelpText(
      'after',
      `
A preferred leader takes over only while it is in sync; with auto.leader.rebalance.enable this happens by itself.

Examples:
  $ millrace partition elect orders:0 orders:1
  $ millrace partition elect --all
  $ millrace partition list --offline
  $ millrace partition elect orders:2 --unclean`,
    )
    .action(async (partitions: TopicPartition[] | undefined, options: ElectOptions, command: Command) =>
      run(command, context => elect(context, partitions ?? [], options)),
    )
  registerReassign(partition, run)
}

async function list(context: CommandContext, options: ListOptions): Promise<void> {
  const admin = await context.admin()
  const request = options.topic === undefined ? {} : { topics: [...new Set(options.topic)] }
  const topics = await admin.describeTopics({ ...request, includeOffsets: false })
  const matches = filterOf(options)
  const rows = topics.flatMap(({ name: topic, partitions }) =>
    partitions.filter(matches).map(({ partition, leader, leaderEpoch, replicas, isr, elr, ...more }) => {
      const { addingReplicas, removingReplicas, offlineReplicas } = more
      const placed = { leader, leaderEpoch, replicas, isr, elr }
      return { topic, partition, ...placed, addingReplicas, removingReplicas, offlineReplicas }
    }),
  )
  context.output.print(rows, () =>
    renderTable(
      ['TOPIC', 'PARTITION', 'LEADER', 'EPOCH', 'REPLICAS', 'ISR', 'ELR', 'ADDING', 'REMOVING'],
      rows.map(row => [
        row.topic,
        row.partition,
        row.leader < 0 ? 'none' : row.leader,
        row.leaderEpoch,
        row.replicas.join(','),
        row.isr.join(','),
        row.elr.join(','),
        row.addingReplicas.join(','),
        row.removingReplicas.join(','),
      ]),
    ),
  )
}

function filterOf({
  underReplicated,
  offline,
  reassigning,
}: ListOptions): (partition: PartitionDescription) => boolean {
  const filters = [
    ...(underReplicated === true ? [isUnderReplicated] : []),
    ...(offline === true ? [(partition: PartitionDescription) => partition.leader < 0] : []),
    ...(reassigning === true ? [isMoving] : []),
  ]
  return filters.length === 0 ? () => true : partition => filters.some(filter => filter(partition))
}

async function elect(
  context: CommandContext,
  partitions: readonly TopicPartition[],
  { all: isAll = false, unclean: isUnclean = false }: ElectOptions,
): Promise<void> {
  if (isAll === partitions.length > 0) throw new UsageError('expected NAME:PARTITION, or --all')
  const admin = await context.admin()
  const type = isUnclean ? 'unclean' : 'preferred'
  if (isAll) {
    const elected = await admin.electLeaders({ type })
    context.output.print(elected, () =>
      renderTable(
        ['TOPIC', 'PARTITION', 'LEADER'],
        elected.map(({ topic, partition, leader }) => [topic, partition, leader]),
      ),
    )
    return
  }
  const byName = new Map(partitions.map(partition => [`${partition.topic}:${partition.partition}`, partition]))
  await forEach(context, 'PARTITION', [...byName.keys()], async name => {
    await admin.electLeaders({ type, partitions: [byName.get(name)!] })
  })
}
