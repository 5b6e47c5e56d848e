/** What a benchmark asks of the cluster around it: the topic to use, its durability, and the CPU its nodes have used. */
import type { Admin } from '../../index.ts'
import { ApiError } from '../../protocol/errors.ts'
import type { CommandContext } from '../context.ts'

/** Creates the topic unless it exists; returns its number of partitions. */
export async function ensureTopic(admin: Admin, name: string, partitions: number): Promise<number> {
  try {
    await admin.createTopics({ topics: [{ name, numPartitions: partitions }] })
    return partitions
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'TOPIC_ALREADY_EXISTS') throw error
  }
  const [existing] = await admin.describeTopics({ topics: [name] })
  return existing!.partitions.length
}

/** `sync`: acknowledged means on disk. `os`: acknowledged means in the page cache. */
export async function durabilityOf(admin: Admin, topic: string): Promise<string> {
  const [described] = await admin.describeConfigs({
    resources: [{ type: 'topic', name: topic, keys: ['flush.policy'] }],
  })
  return described?.configs.find(config => config.key === 'flush.policy')?.value ?? 'unknown'
}

export interface CpuMeter {
  /** CPU seconds since the meter was made: of this process, and of all nodes when they tell. */
  stop(): Promise<{ client: number; nodes: number | null }>
}

export async function startCpuMeter(context: CommandContext): Promise<CpuMeter> {
  const clientBefore = process.cpuUsage()
  const nodesBefore = await nodesCpuSeconds(context.bootstrap)
  return {
    async stop() {
      const client = process.cpuUsage(clientBefore)
      const nodesAfter = await nodesCpuSeconds(context.bootstrap)
      return {
        client: (client.user + client.system) / 1e6,
        nodes: nodesBefore === null || nodesAfter === null ? null : nodesAfter - nodesBefore,
      }
    },
  }
}

/** Reads `process_cpu_seconds_total` of every bootstrap node; `null` when one does not serve it. */
async function nodesCpuSeconds(bootstrap: readonly string[]): Promise<number | null> {
  const readings = await Promise.all(
    bootstrap.map(async url => {
      try {
        const response = await fetch(new URL('/metrics', url.replace(/^ws/, 'http')))
        const match = /^(?:millrace_)?process_cpu_seconds_total\S*\s+(\S+)/m.exec(await response.text())
        return match === null ? null : Number(match[1])
      } catch {
        return null
      }
    }),
  )
  return readings.reduce(
    (sum, reading) => (sum === null || reading === null ? null : sum + reading),
    0 as number | null,
  )
}
