import { defineApi } from '../api.ts'
import { limits } from '../common.ts'
import { array, field, int32, int64, nullable, string, struct } from '../schema.ts'

const replica = struct({
  id: field(int32, 'Node.'),
  logEndOffset: field(int64, 'End of its metadata log (exclusive); -1 when unknown.'),
  lag: field(int64, 'Entries behind the leader; -1 when unknown.'),
  lastCaughtUpMs: field(nullable(int64), 'When it last had everything, milliseconds since 1970; nil when unknown.'),
})

export const describeQuorum = defineApi({
  key: 55,
  name: 'DescribeQuorum',
  versions: [0, 0],
  doc: 'State of the controller quorum as its leader sees it.',
  request: struct({}),
  response: struct({
    clusterId: field(string({ lengthMax: 64 }), 'Cluster id.'),
    leaderId: field(int32, 'Active controller; -1 for none.'),
    leaderEpoch: field(int64, 'Its Raft term.'),
    highWatermark: field(int64, 'End of the committed metadata log (exclusive).'),
    voters: field(array(replica, { countMax: limits.items }), 'Voters.'),
    observers: field(array(replica, { countMax: limits.items }), 'Brokers that follow without a vote.'),
  }),
})
