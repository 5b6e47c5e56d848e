/** ListPartitionReassignments: the moves under way, as committed and seen here, or proved current. */
import type { MetadataImage, TopicImage } from '../../metadata/image.ts'
import { isReassigning } from '../../metadata/reassignment.ts'
import type { RequestOf, ResponseOf } from '../../protocol/api.ts'
import { listPartitionReassignments } from '../../protocol/apis/index.ts'
import { defineHandler, type Handler } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'
import { imageFor } from './image-for.ts'

type Move = ResponseOf<typeof listPartitionReassignments>['partitions'][number]

export function listPartitionReassignmentsHandler(broker: BrokerRuntime): Handler {
  return defineHandler(listPartitionReassignments, async (request, context) => {
    const image = await imageFor(broker, request)
    const allowed = topicsOf(image, request).filter(({ name }) =>
      broker.authorizer.isAllowed(context, 'describe', { kind: 'topic', name }),
    )
    return { partitions: allowed.flatMap(movesOf) }
  })
}

/** Those that exist, sorted by name: a topic that is gone is not being moved. */
function topicsOf(
  { topics }: MetadataImage,
  request: RequestOf<typeof listPartitionReassignments>,
): readonly TopicImage[] {
  const names = [...new Set(request.topics ?? topics.byName.keys())].sort()
  return names.flatMap(name => topics.byName.get(name) ?? [])
}

function movesOf({ name, partitions }: TopicImage): Move[] {
  return partitions.flatMap((partition, number) => {
    if (!isReassigning(partition)) return []
    const { replicas, addingReplicas, removingReplicas } = partition
    return {
      topic: name,
      partition: number,
      replicas: [...replicas],
      addingReplicas: [...addingReplicas],
      removingReplicas: [...removingReplicas],
    }
  })
}
