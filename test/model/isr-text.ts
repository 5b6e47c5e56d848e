/** States of the model as a person reads them: brokers are 1, 2, 3; records `epoch:value`. */
import { membersOf } from './isr-controller.ts'
import {
  type Broker,
  epochAt,
  knownVersion,
  type Log,
  leadingVersion,
  type State,
  valueAt,
  versionOf,
} from './isr-state.ts'

export function describeLog(log: Log): string {
  const records = Array.from(log, (_, offset) => `${epochAt(log, offset)}:${valueAt(log, offset)}`)
  return records.join(' ') || 'nothing'
}

export function describeSet(mask: number): string {
  return `{${membersOf(mask)
    .map(i => i + 1)
    .join(' ')}}`
}

export function describeState(state: State): string {
  const { epoch, leader, isr, elr } = versionOf(state)
  const who = leader < 0 ? 'nobody leads' : `${leader + 1} leads`
  const eligible = elr === 0 ? '' : `, ELR ${describeSet(elr)}`
  const brokers = state.brokers.map((broker, i) => `${i + 1} ${describeBroker(state, broker, i)}`)
  return `${who} epoch ${epoch}, ISR ${describeSet(isr)}${eligible} | ${brokers.join(', ')}`
}

function describeBroker(state: State, broker: Broker, i: number): string {
  const { log, flushedCount, highWatermark, proposal } = broker
  const unwritten = log.length > flushedCount ? ` (${log.length - flushedCount} not on disk)` : ''
  const version = leadingVersion(state, i)
  const { epoch } = knownVersion(state, broker)
  const role = version === null ? `follows in ${epoch}` : `leads in ${epoch} with ${describeSet(version.isr)}`
  const asked = proposal === 0 ? '' : `, asked for ${describeSet(proposal)}`
  return `${role} [${describeLog(log)}]${unwritten} hw ${highWatermark}${asked}`
}
