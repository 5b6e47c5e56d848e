/** One load for a while, by autocannon, against a node or against the bare server. */
import autocannon, { type Result } from 'autocannon'
import { cpuSecondsOf } from '../harness/processes.ts'
import { type Load, postOne } from './loads.ts'

export interface HttpRun {
  readonly requestsPerSecond: number
  readonly recordsPerSecond: number
  readonly latency50pct: number
  readonly latency99pct: number
  readonly latency999pct: number
  readonly latencyMax: number
  /** Of the server's process; `null` where the system does not tell. */
  readonly cpuMicrosecondsPerRequest: number | null
  /** Answers other than 2xx, and requests without one. */
  readonly errors: number
}

export interface Target {
  readonly url: string
  readonly pid: number
}

export interface RunOptions {
  readonly connections: number
  /** Seconds, or requests. */
  readonly duration: { readonly seconds: number } | { readonly requests: number }
}

/** Seconds: an answer that is late is a latency, not an error, however busy the machine is. */
const timeout = 300

export async function runLoad(target: Target, load: Load, { connections, duration }: RunOptions): Promise<HttpRun> {
  const { url } = target
  const posts = load.isBesidePosts
    ? autocannon({ url, connections: 4, duration: 3_600, timeout, requests: [postOne('os')] })
    : null
  try {
    const before = cpuSecondsOf(target.pid)
    const until = 'seconds' in duration ? { duration: duration.seconds } : { amount: duration.requests }
    const result = await autocannon({ url, connections, ...until, timeout, requests: [load.request] })
    const after = cpuSecondsOf(target.pid)
    // What the posts cost cannot be told from it.
    const cpuSeconds = before === null || after === null || posts !== null ? null : after - before
    return toRun(result, load, cpuSeconds)
  } finally {
    ;(posts as unknown as { stop(): void } | null)?.stop()
    await posts
  }
}

function toRun(result: Result, load: Load, cpuSeconds: number | null): HttpRun {
  const { latency, non2xx, errors, start, finish } = result
  const answered = result['2xx'] + non2xx
  const requestsPerSecond = (1_000 * answered) / (finish.getTime() - start.getTime())
  return {
    requestsPerSecond,
    recordsPerSecond: requestsPerSecond * load.recordsPerRequest,
    latency50pct: latency.p50,
    latency99pct: latency.p99,
    latency999pct: latency.p99_9,
    latencyMax: latency.max,
    cpuMicrosecondsPerRequest: cpuSeconds === null ? null : (1e6 * cpuSeconds) / answered,
    errors: non2xx + errors,
  }
}
