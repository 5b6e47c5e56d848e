/** What a benchmark asks of the cluster around it: the topics to use, their durability, and what its nodes have used. */
import type { Admin } from '../../index.ts'
import { ApiError } from '../../protocol/errors.ts'
import type { CommandContext } from '../context.ts'
import type { TopicPartitions } from './load.ts'

/** Creates those that do not exist. One topic has the name itself, several have `name-0`, `name-1`, … */
export async function ensureTopics(
  admin: Admin,
  { topic, topics, partitions }: { readonly topic: string; readonly topics: number; readonly partitions: number },
): Promise<TopicPartitions[]> {
  const names = namesOf(topic, topics)
  await Promise.all(
    names.map(async name => {
      try {
        await admin.createTopics({ topics: [{ name, numPartitions: partitions }] })
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'TOPIC_ALREADY_EXISTS') throw error
      }
    }),
  )
  const described = await admin.describeTopics({ topics: names })
  return described.map(({ name, partitions }) => ({ topic: name, partitions: partitions.length }))
}

export function namesOf(topic: string, topics: number): string[] {
  return topics === 1 ? [topic] : Array.from({ length: topics }, (_, at) => `${topic}-${at}`)
}

/** `sync`: acknowledged means on disk. `os`: acknowledged means in the page cache. */
export async function durabilityOf(admin: Admin, topic: string): Promise<string> {
  const [described] = await admin.describeConfigs({
    resources: [{ type: 'topic', name: topic, keys: ['flush.policy'] }],
  })
  return described?.configs.find(config => config.key === 'flush.policy')?.value ?? 'unknown'
}

export interface ClusterCost {
  /** Of this process, and of all bootstrap nodes when they tell. */
  readonly cpuSeconds: { readonly client: number; readonly nodes: number | null }
  /** Resident memory: the peak of this process, and of each bootstrap node when it tells what it has at the end. */
  readonly residentBytes: { readonly client: number; readonly nodes: readonly number[] | null }
}

export interface CostMeter {
  /** What was used since the meter was made. */
  stop(): Promise<ClusterCost>
}

/** What `readNodes` told, or will tell, of the moment when the meter starts. */
export function startCostMeter(context: CommandContext, nodesBefore: NodeReadings | Promise<NodeReadings>): CostMeter {
  const clientBefore = process.cpuUsage()
  return {
    async stop() {
      const { user, system } = process.cpuUsage(clientBefore)
      const [before, after] = [await nodesBefore, await readNodes(context)]
      return {
        cpuSeconds: {
          client: (user + system) / 1e6,
          nodes: before === null || after === null ? null : sumOfCpu(after) - sumOfCpu(before),
        },
        residentBytes: {
          client: process.resourceUsage().maxRSS * 1024,
          nodes: after?.map(({ residentBytes }) => residentBytes) ?? null,
        },
      }
    },
  }
}

/** One for each bootstrap node; `null` when one does not serve its metrics. */
export type NodeReadings = readonly { readonly cpuSeconds: number; readonly residentBytes: number }[] | null

function sumOfCpu(readings: NonNullable<NodeReadings>): number {
  return readings.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0)
}

export async function readNodes({ bootstrap }: CommandContext): Promise<NodeReadings> {
  try {
    return await Promise.all(
      bootstrap.map(async url => {
        const response = await fetch(new URL('/metrics', url.replace(/^ws/, 'http')))
        const text = await response.text()
        return {
          cpuSeconds: metricOf(text, 'millrace_process_cpu_seconds_total'),
          residentBytes: metricOf(text, 'millrace_process_memory_bytes{kind="rss"}'),
        }
      }),
    )
  } catch {
    return null
  }
}

/** The sum over its labels: CPU time is told for user and system mode. */
function metricOf(metrics: string, name: string): number {
  const lines = [...metrics.matchAll(new RegExp(`^${name.replace(/[{}]/g, '\\$&')}\\S*\\s+(\\S+)`, 'gm'))]
  if (lines.length === 0) throw new Error(`${name} is not among the metrics`)
  return lines.reduce((sum, [, value]) => sum + Number(value), 0)
}
