/** Whether each reader went through its partitions record by record: nothing left out, nothing again. */
import type { Findings } from './anomalies.ts'
import type { AssignStep, PartitionName, PollStep, RecordsOperation } from './operations.ts'
import { nameOf, type PartitionLog } from './partition-log.ts'

/** Where a reader is in a partition. */
interface Position {
  /** Its next record is the first that is known at or behind this offset; `null`: it begins where it wants. */
  next: number | null
  /** Of the operation that it read last, `null` before. */
  last: RecordsOperation | null
}

export function checkPolls(
  history: readonly RecordsOperation[],
  logs: ReadonlyMap<PartitionName, PartitionLog>,
  findings: Findings,
  isDense: boolean,
): void {
  const readers = new Map<string, Map<PartitionName, Position>>()
  for (const operation of history) {
    if (operation.outcome !== 'ok') continue
    for (const step of operation.steps) {
      if (step.kind === 'send') continue
      const positions = readers.get(operation.process) ?? new Map<PartitionName, Position>()
      readers.set(operation.process, positions)
      if (step.kind === 'assign') assign(positions, step)
      else checkPoll(operation, step, positions, logs.get(step.partition)!, findings, isDense)
    }
  }
}

function assign(positions: Map<PartitionName, Position>, { partitions }: AssignStep): void {
  const before = new Map(positions)
  positions.clear()
  for (const { partition, offset } of partitions) {
    const kept = before.get(partition)
    positions.set(partition, offset === null && kept !== undefined ? kept : { next: offset, last: null })
  }
}

function checkPoll(
  by: RecordsOperation,
  { partition, offsets }: PollStep,
  positions: Map<PartitionName, Position>,
  log: PartitionLog,
  findings: Findings,
  isDense: boolean,
): void {
  const position = positions.get(partition) ?? { next: null, last: null }
  positions.set(partition, position)
  for (const offset of offsets) {
    const expected = position.next
    if (expected !== null && offset !== expected) {
      const isInside = position.last === by
      const what = (): string => `${nameOf(by)} read ${log.at(offset)}, expected ${log.at(expected)}`
      if (offset < expected) findings.add(isInside ? 'int-nonmonotonic-poll' : 'nonmonotonic-poll', what)
      else if (log.placeOf(offset) > log.placeOf(expected)) findings.add(isInside ? 'int-poll-skip' : 'poll-skip', what)
      else if (isDense) findings.add('offset-gap', what)
    }
    position.next = offset + 1
    position.last = by
  }
}
