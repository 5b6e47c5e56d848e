/**
 * Whether a blank member founds a cluster. The first of the voters does, when it has heard every other one and all of them
 * are blank; the others wait to be fed. One founder suffices, since all voters must be there anyway, and two cannot disagree:
 *
 * - A voter that lost its disk hears, before it may found, from somebody who remembers the cluster.
 * - Who is gone again is unheard again: what it was says nothing of what it is.
 */
import { foundingConfiguration } from '../raft/configuration.ts'
import type { Configuration } from '../raft/types.ts'
import type { NodeId } from '../util/numbers.ts'
import type { Introduction } from './peer-port.ts'
import type { QuorumRules } from './rules.ts'

/** `own` is of a member whose log is blank. `null`: it does not found, or not yet. */
export function maybeFound(
  own: Introduction,
  voters: ReadonlyMap<NodeId, string>,
  present: ReadonlyMap<NodeId, Introduction>,
  rules: QuorumRules,
): Configuration | null {
  if (Math.min(...voters.keys()) !== own.nodeId) return null
  const founders: Introduction[] = []
  for (const id of voters.keys()) {
    const founder = id === own.nodeId ? own : present.get(id)
    if (founder !== undefined) founders.push(founder)
    else if (rules.foundersAreAllHeard) return null
  }
  if (founders.some(founder => founder.clusterId !== null)) return null
  return foundingConfiguration(founders.map(({ nodeId, diskId, url }) => ({ id: nodeId, diskId, url })))
}
