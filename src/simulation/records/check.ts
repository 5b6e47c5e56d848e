/**
 * Judges a history of producers and consumers by what Kafka promises, as Jepsen's Kafka workload does (its names are in
 * anomalies.ts). Offsets give the order of versions, so no search is needed: the time grows with the history and little
 * more. Rows about transactions (a poll of what the same transaction wrote, cycles of reads and writes) come with them.
 *
 * Readers are expected to begin at the start of a partition, or where somebody else read: a value that everybody began
 * behind is not missed, one between two that were read is.
 */
import { type Anomaly, type AnomalyName, Findings } from './anomalies.ts'
import type { PartitionName, PollStep, RecordsOperation, SendStep } from './operations.ts'
import { nameOf, PartitionLog } from './partition-log.ts'
import { checkPolls } from './polls.ts'
import { checkSends } from './sends.ts'

export interface RecordsCheckOptions {
  /** All partitions were read to their end, after everything else: what was acknowledged must have been seen. */
  readonly isComplete: boolean
  /** A retry must not write twice. Without it duplicates are told, and allowed. */
  readonly isIdempotent: boolean
  /**
   * What one process sends keeps its order even if nothing was answered in between. Without it only what was sent after
   * an answer must stand behind what was answered.
   */
  readonly isOrderedInFlight: boolean
  /** There are no holes: no transactions, no compaction. */
  readonly isDense: boolean
  /**
   * Unclean elections cut logs: what stands at an offset may change, and readers go back. What is left is that everything
   * that was read was sent and committed. Default false.
   */
  readonly isCut?: boolean
}

export interface RecordsVerdict {
  /** Nothing bad was found. */
  readonly isValid: boolean
  readonly anomalies: readonly Anomaly[]
  readonly counts: RecordsCounts
}

export interface RecordsCounts {
  operations: number
  /** Values by what became of them. */
  acknowledged: number
  failed: number
  unknown: number
  /** Of the unknown ones those that somebody read. */
  unknownSeen: number
  /** Records that were read, by all readers together. */
  read: number
}

const badInAnyLog: readonly AnomalyName[] = ['aborted-read', 'unsent-read', 'read-before-send', 'above-high-watermark']

export function checkRecords(
  operations: readonly RecordsOperation[],
  { isComplete, isIdempotent, isOrderedInFlight, isDense, isCut = false }: RecordsCheckOptions,
): RecordsVerdict {
  const history = [...operations].sort((a, b) => a.invokedAt - b.invokedAt)
  const findings = new Findings()
  const { logs, counts } = collect(history, findings)
  checkReads(history, logs, findings)
  checkPolls(history, logs, findings, isDense)
  checkSends(history, logs, findings, isOrderedInFlight)
  for (const log of logs.values()) checkSeen(log, counts, findings, isComplete)
  const isAllowed = (name: AnomalyName): boolean =>
    isCut ? !badInAnyLog.includes(name) : name === 'duplicate' && !isIdempotent
  const anomalies = findings.anomalies(isAllowed)
  return { isValid: !anomalies.some(({ isBad }) => isBad), anomalies, counts }
}

/** For people: every anomaly with its first examples, or that there was none. */
export function accountOf({ anomalies, counts }: RecordsVerdict): string {
  const told = anomalies.map(({ name, isBad, count, examples }) =>
    [`${name}${isBad ? '' : ' (allowed)'}: ${count}`, ...examples.map(example => `  ${example}`)].join('\n'),
  )
  return [...told, JSON.stringify(counts)].join('\n')
}

interface Collected {
  readonly logs: ReadonlyMap<PartitionName, PartitionLog>
  readonly counts: RecordsCounts
}

/** The logs as all operations together know them. */
function collect(history: readonly RecordsOperation[], findings: Findings): Collected {
  const logs = new Map<PartitionName, PartitionLog>()
  const counts = { operations: history.length, acknowledged: 0, failed: 0, unknown: 0, unknownSeen: 0, read: 0 }
  const logOf = (partition: PartitionName): PartitionLog => {
    let log = logs.get(partition)
    if (log === undefined) logs.set(partition, (log = new PartitionLog(partition)))
    return log
  }
  for (const operation of history) {
    for (const step of operation.steps) {
      if (step.kind === 'send') collectSend(operation, step, logOf(step.partition), counts, findings)
      else if (step.kind === 'poll' && operation.outcome === 'ok') {
        counts.read += step.values.length
        collectPoll(operation, step, logOf(step.partition), findings)
      }
    }
  }
  return { logs, counts }
}

function collectSend(
  operation: RecordsOperation,
  { values, offsets, isPromised }: SendStep,
  log: PartitionLog,
  counts: RecordsCounts,
  findings: Findings,
): void {
  const { outcome } = operation
  counts[outcome === 'ok' ? 'acknowledged' : outcome === 'fail' ? 'failed' : 'unknown'] += values.length
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (log.senders.has(value)) throw new Error(`${log.name}: ${value} is sent twice, so this history cannot be judged`)
    log.senders.set(value, operation)
    // Where an answer that promises nothing says that a value is, another may be by now.
    if (outcome === 'ok' && isPromised && offsets !== null) claim(log, offsets[i]!, value, operation, findings)
  }
}

function collectPoll(
  operation: RecordsOperation,
  { values, offsets }: PollStep,
  log: PartitionLog,
  findings: Findings,
): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    claim(log, offsets[i]!, value, operation, findings)
    log.onRead(offsets[i]!, value)
  }
}

function claim(log: PartitionLog, offset: number, value: number, by: RecordsOperation, findings: Findings): void {
  const known = log.claims.get(offset)
  if (known !== undefined) {
    if (known.value !== value)
      findings.add('inconsistent-offsets', () => `${log.at(offset)}, and ${value} (${nameOf(by)})`)
    return
  }
  const before = log.offsets.get(value)
  log.claims.set(offset, { value, by })
  if (before === undefined || offset < before) log.offsets.set(value, offset)
  if (before !== undefined) findings.add('duplicate', () => `${log.at(before)}, and at ${offset} (${nameOf(by)})`)
}

/** Whether what was read was there to be read. */
function checkReads(
  history: readonly RecordsOperation[],
  logs: ReadonlyMap<PartitionName, PartitionLog>,
  findings: Findings,
): void {
  for (const operation of history) {
    if (operation.outcome !== 'ok') continue
    for (const step of operation.steps) {
      if (step.kind === 'poll') checkRead(operation, step, logs.get(step.partition)!, findings)
    }
  }
}

function checkRead(by: RecordsOperation, step: PollStep, { senders }: PartitionLog, findings: Findings): void {
  const { values, offsets, highWatermark } = step
  for (let i = 0; i < values.length; i++) {
    const sender = senders.get(values[i]!)
    if (sender === undefined) findings.add('unsent-read', () => readAt(step, i, by))
    else if (sender.outcome === 'fail') {
      findings.add('aborted-read', () => `${readAt(step, i, by)}, sent by ${nameOf(sender)}`)
    } else if (by.returnedAt < sender.invokedAt) {
      findings.add('read-before-send', () => `${readAt(step, i, by)}, sent by ${nameOf(sender)}`)
    }
    if (highWatermark !== null && offsets[i]! >= highWatermark) {
      findings.add('above-high-watermark', () => `${readAt(step, i, by)}, with a high watermark of ${highWatermark}`)
    }
  }
}

function readAt({ partition, offsets, values }: PollStep, i: number, by: RecordsOperation): string {
  return `${partition} at ${offsets[i]}: ${values[i]} (${nameOf(by)})`
}

/** Whether what was acknowledged was read. */
function checkSeen(log: PartitionLog, counts: RecordsCounts, findings: Findings, isComplete: boolean): void {
  const { senders, readValues, offsets, readOffsetMin, readOffsetMax } = log
  for (const [value, sender] of senders) {
    const isSeen = readValues.has(value)
    if (sender.outcome === 'info' && isSeen) counts.unknownSeen++
    if (isSeen || sender.outcome !== 'ok' || !isPromised(sender, log.name, value)) continue
    const offset = offsets.get(value)
    const what = (): string => `${log.name} at ${offset ?? '?'}: ${value} (${nameOf(sender)})`
    const isPassed = offset !== undefined && offset > readOffsetMin && offset < readOffsetMax
    if (isPassed) findings.add('lost-write', () => `${what()}; read up to ${log.at(readOffsetMax)}`)
    if (isComplete) findings.add('unseen', what)
  }
}

function isPromised({ steps }: RecordsOperation, partition: PartitionName, value: number): boolean {
  return steps.some(
    step => step.kind === 'send' && step.isPromised && step.partition === partition && step.values.includes(value),
  )
}
