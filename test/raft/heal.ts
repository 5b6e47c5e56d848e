/** After the faults: the cluster must come together again, and then nobody may disturb it who cannot do better. */
import assert from 'node:assert/strict'
import { isMember, membersOf } from '../../src/raft/configuration.ts'
import { hasQuorum } from '../../src/raft/quorum-math.ts'
import type { Configuration } from '../../src/raft/types.ts'
import type { NodeId } from '../../src/util/numbers.ts'
import type { Random } from '../../src/util/random.ts'
import { bytesOf, type Cluster, type Packet, type Server } from './cluster.ts'
import { diskIn } from './invariants/invariant.ts'

const electionTimeoutTicks = 4

/** Everyone is up and everything arrives: within a few election timeouts there is a leader, and everyone has everything. */
export function heal(cluster: Cluster, last: string): void {
  for (const { id, life } of cluster.servers.values()) if (life === null) cluster.start(id)
  cluster.settle()
  let isProposed = false
  for (let round = 0; round < 200; round++) {
    tickAll(cluster)
    const leader = cluster.leader()
    if (leader === null || !isTended(cluster, leader)) continue
    if (!isProposed) {
      const effects = cluster.drive(leader.id, { kind: 'proposal', entries: [bytesOf(last)] })
      isProposed = effects.some(effect => effect.kind === 'accepted')
    } else if (hasConverged(cluster, leader, last)) return
    else if (leader.life!.raft.log.uncommittedBytes === 0 && !leader.life!.applied.includes(last)) isProposed = false
  }
  assert.fail('the healed cluster does not come together')
}

/**
 * A server that is cut off, or does not hear the leader alone, or was removed and never told, comes back to the leader
 * that there was, in the term that it was (thesis, sections 4.2.3 and 9.6; hashicorp/raft 524, redpanda 30815).
 */
export function checkUndisturbed(cluster: Cluster, random: Random): void {
  // What was still under way when the cluster came together, a transfer perhaps, ends first.
  for (let round = 0; round < 3 * electionTimeoutTicks; round++) tickAll(cluster)
  const leader = cluster.leader()
  assert.ok(leader !== null, 'a healthy cluster has a leader')
  const { term, configurations } = leader.life!.raft
  const { current } = configurations
  const others = [...cluster.servers.keys()].filter(id => id !== leader.id && hasQuorum(current, other => other !== id))
  const victim = others[random.nextInt(others.length)]
  if (victim === undefined) return
  if (!isMember(current, victim)) cluster.drive(leader.id, { kind: 'unobserve', id: victim })
  const isIsolated = random.nextInt(2) === 0
  const isLost = ({ from, to }: Packet): boolean => {
    return isIsolated ? from === victim || to === victim : from === leader.id && to === victim
  }
  for (let round = 0; round < 6 * electionTimeoutTicks; round++) tickAll(cluster, packet => !isLost(packet))
  for (let round = 0; round < 3 * electionTimeoutTicks; round++) tickAll(cluster)
  const { raft } = leader.life!
  const what = `${isIsolated ? 'isolated' : 'deaf to its leader'} server ${victim}`
  assert.equal(raft.role.kind, 'leader', `${what} deposed its leader`)
  assert.equal(raft.term, term, `${what} raised the term`)
}

function tickAll(cluster: Cluster, isCarried?: (packet: Packet) => boolean): void {
  for (const id of cluster.servers.keys()) cluster.drive(id, { kind: 'tick' })
  cluster.settle(new Set(cluster.servers.keys()), isCarried)
}

/** As an operator and the driver do: who lost its disk is taken out, who is not in is observed. False while it changes. */
function isTended(cluster: Cluster, leader: Server): boolean {
  const { configurations } = leader.life!.raft
  const { current } = configurations
  if (current.oldVoters.length > 0) return false
  for (const { id, diskId } of cluster.servers.values()) {
    if (!isMember(current, id)) cluster.drive(leader.id, { kind: 'observe', id, diskId })
  }
  const hasItsDisk = (id: NodeId): boolean => isIntact(cluster, current, id)
  if (membersOf(current).every(hasItsDisk)) return true
  const [voters, learners] = [current.voters, current.learners].map(ids => ids.filter(hasItsDisk))
  cluster.drive(leader.id, { kind: 'changeMembership', voters: voters!, learners: learners! })
  return false
}

/** True when the server still has the disk that the configuration names. */
export function isIntact(cluster: Cluster, configuration: Configuration, id: NodeId): boolean {
  return diskIn(configuration, id) === cluster.server(id).diskId
}

function hasConverged(cluster: Cluster, leader: Server, last: string): boolean {
  const { applied, raft } = leader.life!
  const { configurations, log } = raft
  if (configurations.current.oldVoters.length > 0 || log.commitIndex < log.lastIndex) return false
  if (!applied.includes(last)) return false
  const lives = [...cluster.servers.values()].map(server => server.life!)
  if (lives.some(life => life.applied.length !== applied.length)) return false
  for (const life of lives) assert.deepEqual(life.applied, applied, 'equal state after healing')
  return true
}
