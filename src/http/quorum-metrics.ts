/** The state of this node's Raft replica. */
import type { Registry } from 'prom-client'
import { registerMetric } from './metric.ts'
import type { QuorumView } from './metrics-sources.ts'

const roles = ['leader', 'candidate', 'follower', 'learner']

export function registerQuorumMetrics(registry: Registry, read: () => QuorumView | null): void {
  const gauge = (name: string, help: string, value: (quorum: QuorumView) => number): void =>
    registerMetric(registry, {
      name,
      help,
      type: 'gauge',
      read: () => {
        const quorum = read()
        return quorum === null ? [] : [{ value: value(quorum) }]
      },
    })
  registerMetric(registry, {
    name: 'millrace_raft_role',
    help: '1 for the role this node has in the metadata quorum.',
    type: 'gauge',
    read: () => {
      const quorum = read()
      return quorum === null ? [] : roles.map(role => ({ labels: { role }, value: role === quorum.role ? 1 : 0 }))
    },
  })
  gauge('millrace_raft_term', 'Current term.', quorum => quorum.term)
  gauge(
    'millrace_raft_leader_id',
    'Node id of the leader; -1 when this node knows none.',
    quorum => quorum.leaderId ?? -1,
  )
  gauge('millrace_raft_commit_index', 'Last committed entry.', quorum => quorum.commitIndex)
  gauge('millrace_raft_applied_index', 'Last applied entry.', quorum => quorum.appliedIndex)
  gauge('millrace_raft_log_end_index', 'End of the metadata log (exclusive).', quorum => quorum.logEndIndex)
  gauge('millrace_raft_snapshot_index', 'Last entry in the newest snapshot.', quorum => quorum.snapshotIndex)
  gauge('millrace_raft_voters', 'Voters of the quorum.', quorum => quorum.voters.length)
}
