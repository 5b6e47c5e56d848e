/** States of a partition that differ only in the names of brokers are one. */
import { type State, toRequest } from './isr-state.ts'
import { isIn } from './raft-state.ts'
import { leastKey, type Renaming } from './symmetry.ts'

export function canonicalKey(state: State, all: readonly Renaming[]): string {
  const signatures = state.brokers.map((_, i) => signature(state, i))
  return leastKey(signatures, all, order => encode(state, order, signatures))
}

/** All of a broker that does not name another one, as a string. */
function signature({ brokers, versions, epochs }: State, i: number): string {
  const { log, flushedCount, highWatermark, known } = brokers[i]!
  const { leader, isr, elr } = versions[versions.length - 1]!
  const standing = (leader === i ? 1 : 0) + bit(isr, i) * 2 + bit(elr, i) * 4
  let text = `|${standing},${versions.length - known},${flushedCount}${highWatermark}${log}`
  for (const facts of epochs) {
    if (facts.leader >= 0) text += `,${facts.leader === i ? 1 : 0}${facts.acks[i]}${facts.oldAcks[i]}`
  }
  return text
}

/** The state as a string, seen through a renaming: broker `order[0]` first. */
function encode(state: State, order: Renaming, signatures: readonly string[]): string {
  const { brokers, versions, epochs, committed, recordCount, powerLossCount } = state
  let text = `${committed} ${recordCount}${powerLossCount}`
  let oldest = versions.length - 1
  for (const i of order) {
    const { proposal, known } = brokers[i]!
    text += signatures[i]!
    if (proposal !== 0) text += `p${seen(proposal, order)}`
    if (known < oldest) oldest = known
  }
  for (let number = oldest; number < versions.length; number++) {
    const { epoch, leader, isr, elr } = versions[number]!
    text += `/${epoch}${order.indexOf(leader)}.${seen(isr, order)}.${seen(elr, order)}`
  }
  for (const [epoch, { leader, log, startOffset, highWatermark, requests }] of epochs.entries()) {
    if (leader < 0) continue
    text += `;${epoch}.${startOffset}${highWatermark}${log}`
    if (requests.length > 0) text += requests.map(code => seenRequest(code, versions.length, order)).sort()
  }
  return text
}

function seenRequest(code: number, versionCount: number, order: Renaming): string {
  const { partitionEpoch, isr, outdated } = toRequest(code)
  return `r${versionCount - partitionEpoch}.${seen(isr, order)}.${seen(outdated, order)}`
}

function seen(mask: number, order: Renaming): number {
  let result = 0
  for (const [place, i] of order.entries()) result |= bit(mask, i) << place
  return result
}

const bit = (mask: number, i: number): number => (isIn(mask, i) ? 1 : 0)
