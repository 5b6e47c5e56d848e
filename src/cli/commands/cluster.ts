/** `millrace cluster info` and `cluster health`. */
import type { Command } from 'commander'
import type { PartitionDescription } from '../../index.ts'
import type { CommandContext } from '../context.ts'
import { ReportedFailure } from '../failure.ts'
import { renderTable } from '../output.ts'
import { isUnderMinIsr, isUnderReplicated } from '../partition-health.ts'
import type { Run } from '../program.ts'

export function registerCluster(program: Command, run: Run): void {
  const cluster = program.command('cluster').description('look at the cluster')
  cluster
    .command('info')
    .description('cluster id, controller, brokers, topics')
    .action(async (_options: unknown, command: Command) => run(command, info))
  cluster
    .command('health')
    .description(
      'exit 0 when every broker is active and every partition has a leader and all its replicas in sync, else 1',
    )
    .action(async (_options: unknown, command: Command) => run(command, health))
}

async function info(context: CommandContext): Promise<void> {
  const admin = await context.admin()
  const [described, topics] = await Promise.all([admin.describeCluster(), admin.listTopics()])
  const partitions = topics.reduce((sum, topic) => sum + topic.partitionCount, 0)
  const summary = { ...described, topics: topics.length, partitions }
  context.output.print(summary, () =>
    [
      `ClusterId:   ${described.clusterId}`,
      `Controller:  ${described.controllerId}`,
      `Topics:      ${topics.length}`,
      `Partitions:  ${partitions}`,
      '',
      renderTable(
        ['ID', 'URL', 'RACK', 'STATE'],
        described.brokers.map(b => [b.nodeId, b.url, b.rack, b.state]),
      ),
    ].join('\n'),
  )
}

async function health(context: CommandContext): Promise<void> {
  const admin = await context.admin()
  const [described, topics] = await Promise.all([
    admin.describeCluster(),
    admin.describeTopics({ includeOffsets: false }),
  ])
  const partitions = topics.flatMap(topic => topic.partitions.map(p => ({ name: `${topic.name}:${p.partition}`, p })))
  const those = (filter: (partition: PartitionDescription) => boolean): string[] =>
    partitions.filter(({ p }) => filter(p)).map(({ name }) => name)
  const inactiveBrokers = described.brokers.filter(b => b.state !== 'active').map(b => b.nodeId)
  const troubles = {
    inactiveBrokers,
    leaderless: those(p => p.leader < 0),
    underReplicated: those(isUnderReplicated),
    underMinIsr: those(isUnderMinIsr),
  }
  const isHealthy = described.controllerId >= 0 && Object.values(troubles).every(trouble => trouble.length === 0)
  const report = { isHealthy, controllerId: described.controllerId, ...troubles }
  const named = (items: readonly (string | number)[]): string => items.join(', ') || 'none'
  context.output.print(report, () =>
    [
      `Healthy:                     ${isHealthy ? 'yes' : 'no'}`,
      `Controller:                  ${described.controllerId >= 0 ? described.controllerId : 'none'}`,
      `Brokers not active:          ${named(inactiveBrokers)}`,
      `Partitions without leader:   ${named(troubles.leaderless)}`,
      `Under min.insync.replicas:   ${named(troubles.underMinIsr)}`,
      `Under-replicated partitions: ${named(troubles.underReplicated)}`,
    ].join('\n'),
  )
  if (!isHealthy) throw new ReportedFailure()
}
