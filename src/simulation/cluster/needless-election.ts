/**
 * An unclean election is for when nobody who has everything is there. Whoever registers as the controller decides it, is
 * counted on and has everything, is there.
 */

import { checkedLines } from '../../log/atomic-file.ts'
import type { MetadataImage } from '../../metadata/image.ts'
import type { NodeId } from '../../util/numbers.ts'
import { hold } from '../quorum/invariants/invariant.ts'
import type { NodeCluster } from './cluster.ts'
import { type Line, matchDurable, type Watched } from './watched.ts'

export interface ElectionFacts {
  /** Committed before the election. */
  readonly line: Line
  readonly before: MetadataImage
  readonly after: MetadataImage
}

export function holdNotNeedless(cluster: NodeCluster, watched: Watched, { line, before, after }: ElectionFacts): void {
  const { topicId, partition, topic, name, replicas } = watched
  const known = before.topics.byId.get(topicId)?.partitions[partition]
  const elected = after.topics.byId.get(topicId)?.partitions[partition]
  if (known === undefined || elected === undefined || elected.uncleanEpoch === known.uncleanEpoch) return
  // With the page cache lost nobody is counted on, whatever is left on the disk.
  if (topic.flushPolicy === 'os' || line.committed.length === 0) return
  for (const id of [...known.isr, ...known.elr]) {
    const replica = replicas.get(id)
    const isRegistering = after.brokers.get(id)?.epoch === before.lastOffset + 1
    if (!isRegistering || replica === undefined || elected.leaderId === id) continue
    const isCountedOn = rememberedEpoch(cluster, id) === before.brokers.get(id)?.epoch
    const hasAll = matchDurable(line, replica, cluster.machine(id)) === null
    const account = (): string => `${name}: ${elected.leaderId} in ${elected.leaderEpoch}, while ${id} registers`
    hold(!isCountedOn || !hasAll, 'nobody is elected who may lack what another one brings', account)
  }
}

/** Under which the broker knows to have been registered. It may not have lived to write the last one down. */
function rememberedEpoch(cluster: NodeCluster, id: NodeId): number {
  const file = cluster.machine(id).logDisk.look('data/broker-epoch', false)
  const line = file === null ? null : checkedLines(file.bytes)?.[1]
  return Number(/^epoch (\d+)$/.exec(line ?? '')?.[1] ?? -1)
}
