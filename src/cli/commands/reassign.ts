/**
 * `millrace partition reassign`: plans who holds a topic's partitions, has them moved, and watches until they are. The
 * cluster does the moving: a command that ends early leaves it running.
 */
import { type Command, Option } from 'commander'
import type { Admin, PartitionReassignment, TopicDescription } from '../../index.ts'
import type { CommandContext } from '../context.ts'
import { ReportedFailure, UsageError } from '../failure.ts'
import { formatCount, renderTable } from '../output.ts'
import { collectIntegers, parseBytes, parseInteger, parseNodeIds } from '../parse.ts'
import { isMoving } from '../partition-health.ts'
import { pause } from '../pause.ts'
import type { Run } from '../program.ts'
import { type PartitionPlacement, planReassignment } from '../reassignment-plan.ts'
import { removeThrottle, setThrottle } from '../throttle.ts'

interface ReassignOptions {
  readonly topic: string
  readonly brokers?: number[]
  readonly partition?: number[]
  readonly replicas?: number
  readonly throttle?: number
  readonly cancel?: boolean
  readonly dryRun?: boolean
  readonly wait: boolean
}

const lookIntervalMs = 500

export function registerReassign(partition: Command, run: Run): void {
  partition
    .command('reassign')
    .description('move the partitions of a topic to other brokers, and wait until they are there')
    .requiredOption('--topic <name>', 'whose partitions')
    .addOption(
      new Option(
        '--brokers <ids>',
        'who shall hold them, such as 1,2,3; without it, waits for moves that are under way',
      )
        .argParser(parseNodeIds)
        .conflicts('cancel'),
    )
    .option('--partition <n>', 'only this partition (repeatable)', collectIntegers(0))
    .option('-r, --replicas <n>', 'replicas of each in the end; without it as many as now', parseInteger(1))
    .option('--throttle <size>', 'bytes a second that each broker copies at most, such as 50MiB', parseBytes)
    .option('--cancel', 'give up the moves that are under way')
    .option('--dry-run', 'show what would be moved, and move nothing')
    .option('--no-wait', 'begin, and leave the rest to the cluster')
    .addHelpText(
      'after',
      `
Every broker named gets about as many replicas and preferred leaders, the replicas of a partition are spread over racks,
and what can stay stays. New replicas copy the partition while it is in use; they take over once they are in sync.

The throttle is the brokers' config replica.catchup.rate.bytes.per.second. It is taken back at the end. When the command
does not wait, or is interrupted, the move and its throttle go on: the same command without --brokers waits for the end
and takes the throttle away. The same command with another throttle changes it.

Examples:
  $ millrace partition reassign --topic orders --brokers 2,3,4 --dry-run
  $ millrace partition reassign --topic orders --brokers 2,3,4 --throttle 50MiB
  $ millrace partition reassign --topic orders --cancel`,
    )
    .action(async (options: ReassignOptions, command: Command) => run(command, context => reassign(context, options)))
}

async function reassign(context: CommandContext, options: ReassignOptions): Promise<void> {
  const admin = await context.admin()
  if (options.brokers === undefined) {
    if (options.throttle !== undefined || options.replicas !== undefined || options.dryRun === true) {
      throw new UsageError('--throttle, --replicas and --dry-run go with --brokers')
    }
    if (options.cancel === true) await cancel(admin, options)
    return finish(context, admin, options, [], async () => removeThrottle(admin, await activeBrokers(admin)))
  }
  const [topic] = await admin.describeTopics({ topics: [options.topic], includeOffsets: false })
  const moves = await plan(admin, topic!, options.brokers, options)
  if (options.dryRun === true) return printPlan(context, topic!, moves)
  const restore = await throttled(admin, topic!, options)
  try {
    await begin(admin, options.topic, moves)
  } catch (error) {
    await restore()
    throw error
  }
  await finish(context, admin, options, moves, restore)
}

async function plan(
  admin: Admin,
  topic: TopicDescription,
  brokerIds: readonly number[],
  options: ReassignOptions,
): Promise<PartitionPlacement[]> {
  const { brokers } = await admin.describeCluster()
  const known = new Map(brokers.map(broker => [broker.nodeId, broker]))
  const targets = brokerIds.map(
    nodeId => known.get(nodeId) ?? fail(`--brokers: no broker ${nodeId} is registered; there are ${[...known.keys()]}`),
  )
  const partitions = chosenOf(topic, options)
  // Of partitions that are being moved already, what they are being moved to counts.
  const placed = partitions.map(({ partition, replicas, removingReplicas }) => ({
    partition,
    replicas: replicas.filter(id => !removingReplicas.includes(id)),
  }))
  const replicaCount = options.replicas ?? Math.max(...placed.map(({ replicas }) => replicas.length))
  if (targets.length < replicaCount) {
    throw new UsageError(`--brokers: ${replicaCount} replicas need at least ${replicaCount} brokers`)
  }
  return planReassignment(placed, targets, replicaCount)
}

function chosenOf(topic: TopicDescription, { partition: numbers }: ReassignOptions): TopicDescription['partitions'] {
  for (const number of numbers ?? []) {
    if (number >= topic.partitions.length) {
      throw new UsageError(`--partition ${number}: topic '${topic.name}' has ${topic.partitions.length} partitions`)
    }
  }
  return numbers === undefined ? topic.partitions : topic.partitions.filter(p => numbers.includes(p.partition))
}

function fail(message: string): never {
  throw new UsageError(message)
}

function printPlan(context: CommandContext, topic: TopicDescription, moves: readonly PartitionPlacement[]): void {
  const rows = moves.map(({ partition, replicas: target }) => {
    const { replicas } = topic.partitions[partition]!
    return { topic: topic.name, partition, replicas, target, isMoved: String(replicas) !== String(target) }
  })
  context.output.print(rows, () =>
    renderTable(
      ['TOPIC', 'PARTITION', 'REPLICAS', 'TARGET', 'MOVES'],
      rows.map(row => [row.topic, row.partition, row.replicas.join(','), row.target.join(','), row.isMoved]),
    ),
  )
}

async function begin(admin: Admin, topic: string, moves: readonly PartitionPlacement[]): Promise<void> {
  await admin.alterPartitionReassignments({
    partitions: moves.map(({ partition, replicas }) => ({ topic, partition, replicas })),
  })
}

async function cancel(admin: Admin, options: ReassignOptions): Promise<void> {
  const moving = await movesOf(admin, options)
  if (moving.length === 0) return
  await admin.alterPartitionReassignments({
    partitions: moving.map(({ topic, partition }) => ({ topic, partition, replicas: null })),
  })
}

/** Limits those that may lead one of the partitions while it moves. Returns what takes the limit back. */
async function throttled(
  admin: Admin,
  topic: TopicDescription,
  { brokers, throttle, ...options }: ReassignOptions,
): Promise<() => Promise<void>> {
  if (throttle === undefined) return async () => {}
  const holders = new Set([...brokers!, ...chosenOf(topic, options).flatMap(({ replicas }) => replicas)])
  const limited = (await activeBrokers(admin)).filter(id => holders.has(id))
  // The limit that is in force while partitions move already is an earlier command's, which this one speaks instead of.
  const isUnderWay = (await movesOf(admin, options)).length > 0
  const { restore } = await setThrottle(admin, limited, throttle)
  return isUnderWay ? () => removeThrottle(admin, limited) : restore
}

async function activeBrokers(admin: Admin): Promise<number[]> {
  const { brokers } = await admin.describeCluster()
  return brokers.filter(({ state }) => state !== 'fenced').map(({ nodeId }) => nodeId)
}

async function movesOf(admin: Admin, options: ReassignOptions): Promise<PartitionReassignment[]> {
  const moves = await admin.listPartitionReassignments({ topics: [options.topic] })
  return moves.filter(({ partition }) => options.partition?.includes(partition) ?? true)
}

/** Waits for the moves, takes the throttle back, and says where everything is. Fails if that is not where it should be. */
async function finish(
  context: CommandContext,
  admin: Admin,
  options: ReassignOptions,
  planned: readonly PartitionPlacement[],
  restore: () => Promise<void>,
): Promise<void> {
  const { output, signal } = context
  const again = `'millrace partition reassign --topic ${options.topic}' waits for the end`
  const how =
    options.throttle === undefined ? `${again}.` : `${again} and takes the throttle away, which goes on as well.`
  if (options.wait) {
    for (let most = 0; ; await pause(lookIntervalMs, signal)) {
      if (signal.aborted) return output.note(`The move goes on without this command: ${how}`)
      const moving = await movesOf(admin, options)
      if (moving.length === 0) break
      most = Math.max(most, moving.length)
      output.progress(
        `${most - moving.length} of ${most} partitions moved, ${await distance(admin, options.topic, moving)}`,
      )
    }
    output.endProgress()
    await restore()
  } else output.note(`The move is under way: ${how}`)
  const [topic] = await admin.describeTopics({ topics: [options.topic], includeOffsets: false })
  const rows = chosenOf(topic!, options).map(partition => {
    const { leader, replicas, isr, addingReplicas, removingReplicas } = partition
    const isReassigning = isMoving(partition)
    const placed = { leader, replicas, isr, addingReplicas, removingReplicas, isReassigning }
    return { topic: options.topic, partition: partition.partition, ...placed }
  })
  output.print(rows, () =>
    renderTable(
      ['TOPIC', 'PARTITION', 'LEADER', 'REPLICAS', 'ISR', 'ADDING', 'REMOVING'],
      rows.map(row => [
        row.topic,
        row.partition,
        row.leader < 0 ? 'none' : row.leader,
        row.replicas.join(','),
        row.isr.join(','),
        row.addingReplicas.join(','),
        row.removingReplicas.join(','),
      ]),
    ),
  )
  const isElsewhere = ({ partition, replicas }: PartitionPlacement): boolean =>
    String(topic!.partitions[partition]!.replicas) !== String(replicas)
  if (!options.wait || !planned.some(isElsewhere)) return
  output.note('Somebody else has given moves up, or begun others, meanwhile.')
  throw new ReportedFailure()
}

/** How much the new replicas have to copy still, as far as their leaders say. */
async function distance(admin: Admin, topicName: string, moving: readonly PartitionReassignment[]): Promise<string> {
  const [topic] = await admin.describeTopics({ topics: [topicName], includeOffsets: false, includeReplicas: true })
  const lags = moving.flatMap(({ partition, addingReplicas }) => {
    const states = topic!.partitions[partition]!.replicaStates ?? []
    return addingReplicas.map(id => states.find(({ nodeId }) => nodeId === id)?.lag ?? null)
  })
  const behind = lags.reduce<number>((sum, lag) => sum + (lag ?? 0), 0)
  const unknown = lags.filter(lag => lag === null).length
  return `${formatCount(behind)} records behind${unknown > 0 ? `, ${unknown} replicas not heard of yet` : ''}`
}
