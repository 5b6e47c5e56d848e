import { defineApi } from '../api.ts'
import { limits } from '../common.ts'
import { field, int32, nullable, string, struct, uint31 } from '../schema.ts'

export const addRaftVoter = defineApi({
  key: 80,
  name: 'AddRaftVoter',
  versions: [0, 0],
  doc: 'Makes a node a voter of the controller quorum: it is fed until it has caught up, then joint consensus takes it in. Answered when that is committed. The node must be running. DUPLICATE_VOTER when it is a voter with another disk: remove that one first.',
  request: struct({
    id: field(uint31, 'Its node.id.'),
    url: field(
      nullable(string({ lengthMax: limits.urlLength })),
      'Its peer listener; nil when it has introduced itself.',
    ),
    timeoutMs: field(int32, 'How long to wait for it to catch up and be taken in.'),
  }),
  response: struct({}),
})
