/** DescribeConfigs: effective values and where each comes from, out of this node's metadata and configuration. */

import type { MetadataImage } from '../../metadata/image.ts'
import { effectiveTopicConfig, topicConfigs } from '../../metadata/topic-configs.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { describeConfigs } from '../../protocol/apis/index.ts'
import { errorCode, type Failure, isFailure, noError } from '../../protocol/errors.ts'
import { defineHandler, type Handler, type RequestContext } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { imageFor } from './image-for.ts'

type ResourceRequest = RequestOf<typeof describeConfigs>['resources'][number]
type ResourceResponse = ResponseOf<typeof describeConfigs>['resources'][number]
type ConfigEntry = ResourceResponse['configs'][number]

export function describeConfigsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(describeConfigs, async (request, context) => {
    const image = await imageFor(broker, request)
    return { resources: request.resources.map(resource => describeOne(broker, image, context, resource)) }
  })
}

function describeOne(
  broker: BrokerRuntime,
  image: MetadataImage,
  context: RequestContext,
  resource: ResourceRequest,
): ResourceResponse {
  const { type, name, keys } = resource
  const entries = type === 'topic' ? ofTopic(broker, image, context, name) : ofBroker(broker, image, context, name)
  if (isFailure(entries))
    return { type, name, errorCode: errorCode(entries.error), errorMessage: entries.message, configs: [] }
  const configs = keys === null ? entries : entries.filter(({ key }) => keys.includes(key))
  return { type, name, errorCode: noError, errorMessage: null, configs }
}

function ofTopic(
  broker: BrokerRuntime,
  image: MetadataImage,
  context: RequestContext,
  name: string,
): ConfigEntry[] | Failure {
  if (!broker.authorizer.isAllowed(context, 'describe-configs', { kind: 'topic', name })) {
    return { error: 'TOPIC_AUTHORIZATION_FAILED', message: `Not authorised for topic ${name}.` }
  }
  const topic = image.topics.byName.get(name)
  if (topic === undefined) return { error: 'UNKNOWN_TOPIC_OR_PARTITION', message: `There is no topic ${name}.` }
  const dynamic = image.brokerConfigs.get(broker.nodeId)
  return topicConfigs.map(spec => {
    const isDynamic = !topic.configs.has(spec.key) && dynamic?.has(spec.brokerKey)
    const defaults = isDynamic ? dynamic! : broker.topicDefaults
    const { value, source } = effectiveTopicConfig(spec, topic.configs, defaults)
    return { key: spec.key, value, source: isDynamic ? 'broker-dynamic' : source, isReadOnly: false, doc: spec.doc }
  })
}

function ofBroker(
  broker: BrokerRuntime,
  image: MetadataImage,
  context: RequestContext,
  name: string,
): ConfigEntry[] | Failure {
  if (!broker.authorizer.isAllowed(context, 'describe-configs', { kind: 'cluster' })) {
    return { error: 'CLUSTER_AUTHORIZATION_FAILED', message: 'Not authorised for broker configs.' }
  }
  // Static configuration is known only where it was read.
  if (name !== String(broker.nodeId)) {
    return { error: 'INVALID_REQUEST', message: `Ask node ${name} itself: this is node ${broker.nodeId}.` }
  }
  const dynamic = image.brokerConfigs.get(broker.nodeId)
  return broker.describeConfig().map(entry => {
    const value = dynamic?.get(entry.key)
    return value === undefined ? { ...entry } : { ...entry, value, source: 'broker-dynamic' }
  })
}
