/** What the process itself costs: CPU, memory, file descriptors, and how long its event loop keeps everyone waiting. */
import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { Registry } from 'prom-client'
import { registerMetric } from './metric.ts'

const nsPerSecond = 1e9
const usPerSecond = 1e6

/** Returns what stops the measuring. */
export function registerProcessMetrics(registry: Registry, version: string, nodeId: number): () => void {
  const labels = { version, node_version: process.version, node_id: nodeId }
  registerMetric(registry, {
    name: 'millrace_build_info',
    help: 'Always 1; the labels say what runs.',
    type: 'gauge',
    read: () => [{ value: 1, labels }],
  })
  registerMetric(registry, {
    name: 'millrace_process_start_time_seconds',
    help: 'When the process started, seconds since 1970.',
    type: 'gauge',
    read: () => performance.timeOrigin / 1000,
  })
  registerMetric(registry, {
    name: 'millrace_process_cpu_seconds_total',
    help: 'CPU time spent, all threads.',
    type: 'counter',
    read: () => {
      const { user, system } = process.cpuUsage()
      return [
        { labels: { mode: 'user' }, value: user / usPerSecond },
        { labels: { mode: 'system' }, value: system / usPerSecond },
      ]
    },
  })
  registerMetric(registry, {
    name: 'millrace_process_memory_bytes',
    help: 'Memory: resident set, V8 heap in use and reserved, memory outside the heap, and the array buffers in it.',
    type: 'gauge',
    read: () => {
      const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage()
      return Object.entries({
        rss,
        heap_used: heapUsed,
        heap_total: heapTotal,
        external,
        array_buffers: arrayBuffers,
      }).map(([kind, value]) => ({ labels: { kind }, value }))
    },
  })
  registerMetric(registry, {
    name: 'millrace_process_open_fds',
    help: 'Open file descriptors; absent where the system does not say.',
    type: 'gauge',
    read: openFileDescriptors,
  })
  return registerEventLoopDelay(registry)
}

function registerEventLoopDelay(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  registerMetric(registry, {
    name: 'millrace_event_loop_delay_seconds',
    help: 'How late timers fired since the last scrape, by quantile (1 is the longest).',
    type: 'gauge',
    read: () => {
      // Without a sample, as right after the last reset, the percentiles are not numbers one could use.
      const samples =
        delay.count === 0
          ? []
          : [0.5, 0.99, 1].map(quantile => ({
              labels: { quantile },
              value: (quantile === 1 ? delay.max : delay.percentile(quantile * 100)) / nsPerSecond,
            }))
      delay.reset()
      return samples
    },
  })
  return () => delay.disable()
}

function openFileDescriptors(): { value: number }[] {
  try {
    return [{ value: readdirSync('/proc/self/fd').length }]
  } catch {
    return []
  }
}
