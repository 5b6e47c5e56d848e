import { defineApi } from '../api.ts'
import { errorCodeField, errorMessageField, limits, sessionField } from '../common.ts'
import { array, boolean, field, nullable, oneOf, string, struct } from '../schema.ts'
import { resourceType } from './describe-configs.ts'

const resourceName = string({ lengthMax: 255 })

export const alterConfigs = defineApi({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 0],
  doc: 'Sets or deletes single configs of topics or brokers; those not named stay as they are.',
  request: struct({
    session: sessionField,
    validateOnly: field(boolean, 'Check, and change nothing.'),
    resources: field(
      array(
        struct({
          type: field(resourceType, 'Kind of resource.'),
          name: field(resourceName, 'Topic name, or node id as text.'),
          changes: field(
            array(
              struct({
                op: field(oneOf('set', 'delete'), 'Set to value, or back to the default.'),
                key: field(string({ lengthMax: limits.configKeyLength }), 'Config name.'),
                value: field(nullable(string({ lengthMax: limits.configValueLength })), 'New value; nil for delete.'),
              }),
              { countMax: limits.items },
            ),
            'Changes, all or none per resource.',
          ),
        }),
        { countMax: limits.items },
      ),
      'What to alter.',
    ),
  }),
  response: struct({
    resources: field(
      array(
        struct({
          type: field(resourceType, 'Kind of resource.'),
          name: field(resourceName, 'Topic name, or node id as text.'),
          errorCode: errorCodeField,
          errorMessage: errorMessageField,
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request.',
    ),
  }),
})
