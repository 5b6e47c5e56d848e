import { defineApi } from '../api.ts'
import { errorCodeField, errorMessageField, limits, readTimeoutField } from '../common.ts'
import { array, boolean, field, nullable, oneOf, string, struct } from '../schema.ts'

export const resourceType = oneOf('topic', 'broker')
export const configSource = oneOf('topic', 'broker-dynamic', 'broker-static', 'default')
const resourceName = string({ lengthMax: 255 })

export const describeConfigs = defineApi({
  key: 32,
  name: 'DescribeConfigs',
  versions: [0, 1],
  doc: 'The effective configuration of topics or brokers, and where each value comes from.',
  request: struct({
    resources: field(
      array(
        struct({
          type: field(resourceType, 'Kind of resource.'),
          name: field(resourceName, 'Topic name, or node id as text.'),
          keys: field(
            nullable(array(string({ lengthMax: limits.configKeyLength }), { countMax: limits.items })),
            'Keys wanted; nil for all.',
          ),
        }),
        { countMax: limits.items },
      ),
      'What to describe.',
    ),
    readTimeoutMs: readTimeoutField,
  }),
  response: struct({
    resources: field(
      array(
        struct({
          type: field(resourceType, 'Kind of resource.'),
          name: field(resourceName, 'Topic name, or node id as text.'),
          errorCode: errorCodeField,
          errorMessage: errorMessageField,
          configs: field(
            array(
              struct({
                key: field(string({ lengthMax: limits.configKeyLength }), 'Config name.'),
                value: field(
                  nullable(string({ lengthMax: limits.configValueLength })),
                  'Effective value; nil when secret.',
                ),
                source: field(configSource, 'Where the value comes from.'),
                isReadOnly: field(boolean, 'Cannot be altered at run time.'),
                doc: field(string({ lengthMax: 4096 }), 'What it does.'),
              }),
              { countMax: limits.responseItems },
            ),
            'Sorted by key.',
          ),
        }),
        { countMax: limits.responseItems },
      ),
      'In the order of the request.',
    ),
  }),
})
