import { defineApi } from '../api.ts'
import { errorCodeField, errorMessageField, limits, partitionField, topicField, topicIdField } from '../common.ts'
import { array, field, int32, int64, struct } from '../schema.ts'

export const deleteRecords = defineApi({
  key: 21,
  name: 'DeleteRecords',
  versions: [0, 0],
  doc: 'Raises the log start offset: records below it are gone for readers at once and from disk when their segment is.',
  request: struct({
    timeoutMs: field(int32, 'How long to wait.'),
    partitions: field(
      array(
        struct({
          topic: topicField,
          topicId: topicIdField,
          partition: partitionField,
          offset: field(int64, 'New log start offset; -1 for the high watermark.'),
        }),
        { countMax: limits.items },
      ),
      'Where to cut.',
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
          logStartOffset: field(int64, 'Log start offset afterwards; -1 on error.'),
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request.',
    ),
  }),
})
