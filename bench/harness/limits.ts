/** Beside every figure the machine's own, without a broker, in the same round: figures are read as ratios to it. */
import path from 'node:path'
import { runBarePipe } from '../limits/bare-pipe.ts'
import { runBarePush } from '../limits/bare-push.ts'
import type { Limit } from './results.ts'
import type { Point } from './workload.ts'

/**
 * - Producing: the bare pipe with the same batches and as many under way, divided by the replicas, as every byte goes over
 *   loopback and to the disk so many times on the cores and the disk that the pipe has for one.
 * - End to end: the latency of the bare pipe with one record at a time; the way to a consumer comes on top.
 * - Consuming: the page cache over `ws`.
 */
export async function measureLimit(point: Point, directory: string, seconds: number): Promise<Limit> {
  const { kind, messageSize, recordsPerSend, inFlight, replicationFactor } = point.workload
  const file = path.join(directory, 'limit')
  if (kind === 'consume') {
    const megabytesPerSecond = await runBarePush({ file, seconds })
    const recordsPerSecond = (megabytesPerSecond * 1e6) / messageSize
    return { name: 'page cache over ws', recordsPerSecond, latency50pct: null }
  }
  const isTimed = kind === 'end-to-end'
  const load = { recordsPerBatch: recordsPerSend, recordBytes: messageSize, inFlight: isTimed ? 1 : inFlight }
  const pipe = await runBarePipe({ file, mode: point.durability, ...load, seconds })
  return {
    name: replicationFactor === 1 || isTimed ? 'bare pipe' : `bare pipe ÷ ${replicationFactor}`,
    recordsPerSecond: isTimed ? null : pipe.recordsPerSecond / replicationFactor,
    latency50pct: pipe.latencyMs.p50,
  }
}
