import { defineApi } from '../api.ts'
import { limits } from '../common.ts'
import { array, bytes, field, int64, nullable, string, struct, uint31, uint32, uint53 } from '../schema.ts'

const members = array(
  struct({
    id: field(uint31, 'Its number.'),
    diskId: field(string({ lengthMax: 64 }), 'Of its storage.'),
    url: field(string({ lengthMax: limits.urlLength }), 'Where it listens for other nodes.'),
  }),
  { countMax: limits.items },
)
const ids = array(uint31, { countMax: limits.items })

export const quorumConfiguration = struct({
  voters: field(ids, 'Who votes.'),
  oldVoters: field(ids, 'Who voted before, during joint consensus; else empty.'),
  learners: field(ids, 'Who is fed without a vote.'),
  clusterId: field(nullable(string({ lengthMax: 64 })), 'The cluster; nil in a quorum without identity.'),
  members: field(nullable(members), 'Disk and address of each of them; nil as above.'),
})

export const snapshotMeta = struct({
  index: field(uint53, 'Last entry it covers.'),
  term: field(uint53, 'Term of that entry.'),
  configuration: field(quorumConfiguration, 'The one in force there.'),
})

export const snapshotChunk = defineApi({
  key: 1002,
  name: 'SnapshotChunk',
  versions: [0, 0],
  doc: 'A piece of a snapshot on its way from the leader to a follower. Each names the whole, so that a transfer can begin anywhere.',
  request: struct({
    from: field(uint31, 'The leader.'),
    term: field(uint53, 'Its term.'),
    round: field(uint53, 'Of the leader’s heartbeats.'),
    meta: field(snapshotMeta, 'What the snapshot is of.'),
    sizeBytes: field(uint53, 'Of the whole snapshot.'),
    checksum: field(uint32, 'CRC-32C of the whole snapshot.'),
    offset: field(uint53, 'Where data belongs.'),
    data: field(bytes({ lengthMax: limits.recordsBytes }), 'The piece.'),
    dataChecksum: field(uint32, 'CRC-32C of data.'),
  }),
  response: struct({
    nextOffset: field(
      int64,
      'What the receiver wants next: sizeBytes when it has everything, -1 when it does not want this snapshot.',
    ),
  }),
})
