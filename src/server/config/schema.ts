/** The table of settings and the table of topic configs, as one. */
import { type TopicConfigSpec, topicConfigFault, topicConfigs } from '../../metadata/topic-configs.ts'
import { nodeSettings } from './settings.ts'
import type { ConfigSpec } from './spec.ts'
import type { Kind } from './types.ts'

/** All settings by key, sorted. */
export const configSpecs: ReadonlyMap<string, ConfigSpec> = new Map<string, ConfigSpec>(
  [...Object.entries<ConfigSpec>(nodeSettings), ...topicConfigs.map(topicDefault)].sort(([a], [b]) => (a < b ? -1 : 1)),
)

function nameOf({ type }: TopicConfigSpec): string {
  if (type.kind === 'one-of') return type.values.join(' or ')
  return type.rule === undefined ? 'integer' : `${type.rule}, or integer`
}

function topicDefault(topic: TopicConfigSpec): [key: string, spec: ConfigSpec] {
  const bounds =
    topic.type.kind === 'integer' ? { unit: topic.type.unit, min: topic.type.min, max: topic.type.max } : {}
  const kind: Kind<string> = {
    name: nameOf(topic),
    ...bounds,
    fault: text => topicConfigFault(topic, text),
    parse: text => text,
  }
  const { default: value, doc, key: topicKey } = topic
  return [topic.brokerKey, { kind, default: value, doc, section: 'topics', isDynamic: false, topicKey }]
}
