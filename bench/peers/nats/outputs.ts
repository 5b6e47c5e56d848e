/** What `nats bench` prints at the end, and what the shell says of the time it took. */
import type { Latency } from '../../harness/system.ts'

export interface BenchOutput {
  readonly recordsPerSecond: number
  readonly latency: Latency | null
}

/** The line of one client, such as `… stats: 1,118 msgs/sec ~ 109 KiB/sec ~ min: 284.92us ~ avg: 893.24us ~ …`. */
export function parseBench(text: string): BenchOutput {
  const found = /stats: ([\d,]+) msgs\/sec(.*)$/m.exec(text)
  if (found === null) throw new Error(`nats bench said: ${text.trim()}`)
  const [, rate, rest] = found as unknown as [string, string, string]
  const msOf = (name: string): number | undefined => {
    const value = new RegExp(`${name}: ([\\d.,]+)us`).exec(rest)
    return value === null ? undefined : numberOf(value[1]!) / 1_000
  }
  const [mean, p50, p99, p999, max] = ['avg', 'P50', 'P99', 'P99\\.9', 'max'].map(msOf)
  if (p50 === undefined) return { recordsPerSecond: numberOf(rate), latency: null }
  return {
    recordsPerSecond: numberOf(rate),
    latency: { mean: mean!, p50, p99: p99!, 'p99.9': p999!, max: max! },
  }
}

/** Of the children, which is the second line of the shell's `times`: user and system. */
export function parseTimes(text: string): number {
  const lines = [...text.matchAll(/^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/gm)]
  const last = lines.at(-1)
  if (last === undefined) throw new Error(`times said: ${text.trim()}`)
  const [userMinutes, userSeconds, systemMinutes, systemSeconds] = last.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
  ]
  return 60 * (userMinutes + systemMinutes) + userSeconds + systemSeconds
}

function numberOf(text: string): number {
  return Number(text.replaceAll(',', ''))
}
