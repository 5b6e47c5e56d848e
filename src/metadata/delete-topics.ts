/** Decides DeleteTopics. */
import type { RequestOf, ResponseOf } from '../protocol/api.ts'
import type { deleteTopics } from '../protocol/apis/index.ts'
import { isFailure } from '../protocol/errors.ts'
import type { ClusterImage } from './cluster-image.ts'
import { type Decision, duplicatesIn, findTopic, itemDone, itemFailed } from './decision.ts'
import type { MetadataRecord } from './record-types.ts'

type Request = RequestOf<typeof deleteTopics>
type Response = ResponseOf<typeof deleteTopics>

export function decideDeleteTopics(image: ClusterImage, request: Request): Decision<Response> {
  const records: MetadataRecord[] = []
  const duplicates = duplicatesIn(request.topics.map(topic => topic.name))
  const topics = request.topics.map(({ name, topicId }): Response['topics'][number] => {
    if (duplicates.has(name)) {
      const message = `The request names topic ${name} more than once.`
      return { name, topicId, ...itemFailed({ error: 'INVALID_REQUEST', message }) }
    }
    const topic = findTopic(image, name, topicId)
    if (isFailure(topic)) return { name, topicId, ...itemFailed(topic) }
    records.push({ kind: 'removeTopic', topicId: topic.id })
    return { name, topicId: topic.id, ...itemDone }
  })
  return { records, response: { topics } }
}
