import { defineApi } from '../api.ts'
import { errorCodeField, errorMessageField, limits, partitionField, sessionField, topicField } from '../common.ts'
import { array, field, int32, nullable, oneOf, struct } from '../schema.ts'

export const electLeaders = defineApi({
  key: 43,
  name: 'ElectLeaders',
  versions: [0, 0],
  doc: 'Gives partitions back to their preferred leaders, or, where nobody in sync is left, to a replica that may lack acknowledged records.',
  request: struct({
    session: sessionField,
    timeoutMs: field(int32, 'How long to wait for the metadata log.'),
    electionType: field(
      oneOf('preferred', 'unclean'),
      'preferred: the first replica, if it is in sync; unclean: any living replica, when none in sync or eligible lives.',
    ),
    partitions: field(
      nullable(array(struct({ topic: topicField, partition: partitionField }), { countMax: limits.items })),
      'Which; nil: all that need it.',
    ),
  }),
  response: struct({
    partitions: field(
      array(
        struct({
          topic: topicField,
          partition: partitionField,
          errorCode: errorCodeField,
          errorMessage: errorMessageField,
          leaderId: field(int32, 'Who leads now; -1 on error.'),
        }),
        { countMax: limits.responseItems },
      ),
      'Those asked for; of nil, those that changed. ELECTION_NOT_NEEDED, PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE.',
    ),
  }),
})
