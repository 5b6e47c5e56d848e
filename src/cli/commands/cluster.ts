/** `millrace cluster info` and `cluster health`. */
import type { Command } from 'commander'
import type { CommandContext } from '../context.ts'
import { ReportedFailure } from '../failure.ts'
import { renderTable } from '../output.ts'
import type { Run } from '../program.ts'

export function registerCluster(program: Command, run: Run): void {
  const cluster = program.command('cluster').description('look at the cluster')
  cluster
    .command('info')
    .description('cluster id, controller, brokers, topics')
    .action(async (_options: unknown, command: Command) => run(command, info))
  cluster
    .command('health')
    .description('exit 0 when every broker is active and every partition has a leader and all its replicas in sync')
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
  const [described, topics] = await Promise.all([admin.describeCluster(), admin.describeTopics()])
  const partitions = topics.flatMap(topic => topic.partitions.map(p => ({ topic: topic.name, ...p })))
  const leaderless = partitions.filter(p => p.leader < 0).map(p => `${p.topic}:${p.partition}`)
  const underReplicated = partitions.filter(p => p.isr.length < p.replicas.length).map(p => `${p.topic}:${p.partition}`)
  const inactiveBrokers = described.brokers.filter(b => b.state !== 'active').map(b => b.nodeId)
  const isHealthy =
    described.controllerId >= 0 && leaderless.length + underReplicated.length + inactiveBrokers.length === 0
  const report = { isHealthy, controllerId: described.controllerId, inactiveBrokers, leaderless, underReplicated }
  context.output.print(report, () =>
    [
      `Healthy:                     ${isHealthy ? 'yes' : 'no'}`,
      `Controller:                  ${described.controllerId >= 0 ? described.controllerId : 'none'}`,
      `Brokers not active:          ${inactiveBrokers.join(', ') || 'none'}`,
      `Partitions without leader:   ${leaderless.join(', ') || 'none'}`,
      `Under-replicated partitions: ${underReplicated.join(', ') || 'none'}`,
    ].join('\n'),
  )
  if (!isHealthy) throw new ReportedFailure()
}
