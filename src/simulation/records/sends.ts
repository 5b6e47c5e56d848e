/**
 * Whether what was acknowledged stands in the order in which it was sent. A value that a retry wrote again stands where it was
 * written first: that it is there a second time is a finding of its own.
 */
import type { Findings } from './anomalies.ts'
import type { PartitionName, RecordsOperation } from './operations.ts'
import { nameOf, type PartitionLog } from './partition-log.ts'

interface Acknowledged {
  readonly partition: PartitionName
  readonly by: RecordsOperation
  readonly first: number
  readonly last: number
}

export function checkSends(
  history: readonly RecordsOperation[],
  logs: ReadonlyMap<PartitionName, PartitionLog>,
  findings: Findings,
  isOrderedInFlight: boolean,
): void {
  const acknowledged = history.flatMap(operation => acknowledgedOf(operation, logs, findings))
  if (isOrderedInFlight) checkSenders(acknowledged, findings)
  checkRealtime(acknowledged, findings)
}

function acknowledgedOf(
  by: RecordsOperation,
  logs: ReadonlyMap<PartitionName, PartitionLog>,
  findings: Findings,
): Acknowledged[] {
  if (by.outcome !== 'ok') return []
  const sends: Acknowledged[] = []
  for (const step of by.steps) {
    if (step.kind !== 'send' || step.offsets === null || !step.isPromised || step.offsets.length === 0) continue
    const before = sends.findLast(({ partition }) => partition === step.partition)
    const known = logs.get(step.partition)!.offsets
    const offsets = step.offsets.map((offset, i) => Math.min(offset, known.get(step.values[i]!) ?? offset))
    checkStep(by, step.partition, offsets, before?.last ?? -1, findings)
    const [first, last] = [offsets[0]!, offsets.at(-1)!]
    sends.push({ partition: step.partition, by, first, last })
  }
  return sends
}

function checkStep(
  by: RecordsOperation,
  partition: PartitionName,
  offsets: readonly number[],
  before: number,
  findings: Findings,
): void {
  let last = before
  for (const offset of offsets) {
    const found = last
    if (offset <= found)
      findings.add('int-nonmonotonic-send', () => `${partition}: ${offset} after ${found} (${nameOf(by)})`)
    last = offset
  }
}

/** Each sender with itself, in the order in which it sent. */
function checkSenders(acknowledged: readonly Acknowledged[], findings: Findings): void {
  const lasts = new Map<string, Acknowledged>()
  for (const send of acknowledged) {
    const key = `${send.by.process} ${send.partition}`
    const before = lasts.get(key)
    if (before !== undefined && before.by !== send.by && send.first <= before.last)
      findings.add('nonmonotonic-send', () => reversed(before, send))
    lasts.set(key, send)
  }
}

/** Everybody with everybody: what was answered stands before all that is sent from then on. */
function checkRealtime(acknowledged: readonly Acknowledged[], findings: Findings): void {
  const byReturn = [...acknowledged].sort((a, b) => a.by.returnedAt - b.by.returnedAt)
  const highest = new Map<PartitionName, Acknowledged>()
  let returned = 0
  for (const send of acknowledged) {
    for (; returned < byReturn.length && byReturn[returned]!.by.returnedAt < send.by.invokedAt; returned++) {
      const answered = byReturn[returned]!
      const known = highest.get(answered.partition)
      if (known === undefined || answered.last > known.last) highest.set(answered.partition, answered)
    }
    const before = highest.get(send.partition)
    if (before !== undefined && send.first <= before.last) findings.add('realtime-send', () => reversed(before, send))
  }
}

function reversed(before: Acknowledged, after: Acknowledged): string {
  return `${after.partition}: ${nameOf(before.by)} at ${before.last}, then ${nameOf(after.by)} at ${after.first}`
}
