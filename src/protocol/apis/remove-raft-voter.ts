import { defineApi } from '../api.ts'
import { field, int32, struct, uint31 } from '../schema.ts'

export const removeRaftVoter = defineApi({
  key: 81,
  name: 'RemoveRaftVoter',
  versions: [0, 0],
  doc: 'Takes a voter out of the controller quorum. Answered when the quorum without it is committed. VOTER_NOT_FOUND when it is none.',
  request: struct({
    id: field(uint31, 'Its node.id.'),
    timeoutMs: field(int32, 'How long to wait for that.'),
  }),
  response: struct({}),
})
