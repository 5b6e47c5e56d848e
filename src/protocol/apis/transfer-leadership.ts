import { defineApi } from '../api.ts'
import { field, int32, nullable, struct, uint31 } from '../schema.ts'

export const transferLeadership = defineApi({
  key: 1010,
  name: 'TransferLeadership',
  versions: [0, 0],
  doc: 'The active controller hands over to another voter.',
  request: struct({
    to: field(nullable(uint31), 'Who shall lead; nil: whoever has the most of the log.'),
    timeoutMs: field(int32, 'How long to wait for the new one.'),
  }),
  response: struct({ leaderId: field(uint31, 'Who leads now.') }),
})
