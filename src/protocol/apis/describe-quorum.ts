import { defineApi } from '../api.ts'
import { limits } from '../common.ts'
import { array, field, int32, int64, nullable, string, struct } from '../schema.ts'

const replica = struct({
  id: field(int32, 'Node.'),
  logEndOffset: field(int64, 'End of its metadata log (exclusive); -1 when unknown.'),
  lag: field(int64, 'Entries behind the leader; -1 when unknown.'),
  lastCaughtUpMs: field(nullable(int64), 'When it last had everything, milliseconds since 1970; nil when unknown.'),
  diskId: field(
    nullable(string({ lengthMax: 64 })),
    'Of its storage: another one after a lost disk; nil when unknown.',
    {
      since: 1,
      whenAbsent: null,
    },
  ),
  url: field(nullable(string({ lengthMax: limits.urlLength })), 'Its peer listener; nil when unknown.', {
    since: 1,
    whenAbsent: null,
  }),
})

export const describeQuorum = defineApi({
  key: 55,
  name: 'DescribeQuorum',
  versions: [0, 1],
  doc: 'State of the controller quorum as its leader sees it.',
  request: struct({
    timeoutMs: field(int32, 'How long to wait for a majority; 0 for as long as the node allows.', {
      since: 1,
      whenAbsent: 0,
    }),
  }),
  response: struct({
    clusterId: field(string({ lengthMax: 64 }), 'Cluster id.'),
    leaderId: field(int32, 'Active controller; -1 for none.'),
    leaderEpoch: field(int64, 'Its Raft term.'),
    highWatermark: field(int64, 'End of the committed metadata log (exclusive).'),
    voters: field(array(replica, { countMax: limits.items }), 'Voters.'),
    observers: field(array(replica, { countMax: limits.items }), 'Nodes that follow without a vote.'),
  }),
})
