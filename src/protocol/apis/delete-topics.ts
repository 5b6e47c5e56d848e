import { defineApi } from '../api.ts'
import { errorCodeField, errorMessageField, limits, sessionField, topicField, topicIdField } from '../common.ts'
import { array, field, int32, struct } from '../schema.ts'

export const deleteTopics = defineApi({
  key: 20,
  name: 'DeleteTopics',
  versions: [0, 0],
  doc: 'Deletes topics and their records.',
  request: struct({
    session: sessionField,
    timeoutMs: field(int32, 'How long to wait for the metadata log.'),
    topics: field(
      array(struct({ name: topicField, topicId: topicIdField }), { countMax: limits.items }),
      'Topics to delete.',
    ),
  }),
  response: struct({
    topics: field(
      array(
        struct({ name: topicField, topicId: topicIdField, errorCode: errorCodeField, errorMessage: errorMessageField }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request.',
    ),
  }),
})
