/**
 * One member of the group that `millrace bench raft` measures: a process of its own, told over IPC what to do. Whoever
 * leads makes the load itself, so that what is measured is consensus and not a client protocol.
 */

import { delayedSockets } from '../../platform/delayed-sockets.ts'
import { wsSocketFactory } from '../../platform/ws-client.ts'
import type { Raft } from '../../server/raft/index.ts'
import { openRaft } from '../../server/raft/open-raft.ts'
import { type LatencyMs, LatencyRecorder } from './latency.ts'

export interface MemberSettings {
  readonly nodeId: number
  readonly voters: Readonly<Record<number, string>>
  readonly dataDir: string
  readonly delayMs: number
  /** AppendEntries under way to one follower. */
  readonly window: number
  readonly appendBytesMax: number
}

export interface Load {
  readonly seconds: number
  /** Entries of a proposal. */
  readonly batch: number
  readonly sizeBytes: number
  /** Proposals under way. */
  readonly concurrency: number
}

export type Order = { readonly kind: 'run'; readonly load: Load } | { readonly kind: 'cpu' }

export type Report =
  | { readonly kind: 'ready' }
  | { readonly kind: 'leads'; readonly isLeader: boolean }
  | { readonly kind: 'cpu'; readonly seconds: number }
  | { readonly kind: 'ran'; readonly result: RunResult }
  | { readonly kind: 'failed'; readonly message: string }

export interface RunResult {
  readonly commits: number
  readonly seconds: number
  /** From the proposal to its answer: committed and applied. */
  readonly latencyMs: LatencyMs | null
}

/** Becomes a member; the process ends with its parent. */
export async function runMember(settings: MemberSettings): Promise<void> {
  const { nodeId, voters, dataDir, delayMs, window, appendBytesMax } = settings
  const raft = await openRaft(
    {
      nodeId,
      voters,
      dataDir,
      stateMachine: { apply() {}, snapshot: () => new Uint8Array(0), restore() {} },
      timing: { electionTimeoutMs: 3_000, heartbeatMs: 200 },
    },
    {
      sockets: delayMs === 0 ? wsSocketFactory() : delayedSockets(wsSocketFactory(), delayMs),
      limits: { inFlightCountMax: window, appendBytesMax },
    },
  )
  process.on('disconnect', () => process.exit(0))
  raft.onLeadership(term => report({ kind: 'leads', isLeader: term !== null }))
  process.on('message', (order: Order) => {
    obey(raft, order).catch((error: Error) => report({ kind: 'failed', message: error.message }))
  })
  report({ kind: 'ready' })
}

async function obey(raft: Raft<void>, order: Order): Promise<void> {
  switch (order.kind) {
    case 'run':
      report({ kind: 'ran', result: await runLoad(raft, order.load) })
      return
    case 'cpu': {
      const { user, system } = process.cpuUsage()
      report({ kind: 'cpu', seconds: (user + system) / 1e6 })
    }
  }
}

async function runLoad(raft: Raft<void>, { seconds, batch, sizeBytes, concurrency }: Load): Promise<RunResult> {
  const latency = new LatencyRecorder()
  const entries = Array.from({ length: batch }, () => new Uint8Array(sizeBytes).fill(0x5a))
  const startedAt = performance.now()
  const endsAt = startedAt + seconds * 1_000
  let commits = 0
  const propose = async (): Promise<void> => {
    for (let now = performance.now(); now < endsAt; ) {
      await raft.propose(entries)
      const answeredAt = performance.now()
      latency.record(answeredAt - now)
      commits++
      now = answeredAt
    }
  }
  await Promise.all(Array.from({ length: concurrency }, propose))
  return { commits, seconds: (performance.now() - startedAt) / 1_000, latencyMs: latency.result() }
}

function report(message: Report): void {
  process.send!(message)
}
