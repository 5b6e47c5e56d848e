/**
 * What all requests that change topics have in common: every item is authorised here, those that may go on are forwarded
 * to the active controller in one request, and the answers are put back in the order of the client's request.
 */
import { ApiError, errorCode } from '../../protocol/errors.ts'
import type { Operation, RequestContext, Resource } from '../../transport/handler.ts'
import type { BrokerRuntime } from '../runtime.ts'

export interface Refusal {
  readonly errorCode: number
  readonly errorMessage: string
}

interface Forwarding<Item, Answer> {
  readonly items: readonly Item[]
  readonly operation: Operation
  readonly resourceOf: (item: Item) => Resource
  /** Sends what is allowed; the answers come in the same order. */
  readonly forward: (allowed: Item[]) => Promise<readonly Answer[]>
  readonly refuse: (item: Item, refusal: Refusal) => Answer
}

export async function forwardAllowed<Item, Answer>(
  broker: BrokerRuntime,
  context: RequestContext,
  { items, operation, resourceOf, forward, refuse }: Forwarding<Item, Answer>,
): Promise<Answer[]> {
  const isAllowed = items.map(item => broker.authorizer.isAllowed(context, operation, resourceOf(item)))
  const allowed = items.filter((_, index) => isAllowed[index])
  const answers = allowed.length === 0 ? [] : await forward(allowed)
  if (answers.length !== allowed.length)
    throw new ApiError('UNKNOWN_SERVER_ERROR', 'The controller answered another request.')
  let next = 0
  return items.map((item, index) => (isAllowed[index] ? answers[next++]! : refuse(item, refusalOf(resourceOf(item)))))
}

/**
 * Resolves once the partitions of `topics` are as the metadata known now wants them, or when `timeoutMs` have passed since
 * `startMs`: what was asked for is committed by then, and whoever comes too early is told to come again.
 */
export async function partitionsSettled(
  { clock, deadlines, partitions }: BrokerRuntime,
  topics: Iterable<string>,
  { startMs, timeoutMs }: { readonly startMs: number; readonly timeoutMs: number },
): Promise<void> {
  await new Promise<void>(resolve => {
    const deadline = deadlines.add(startMs + timeoutMs - clock.nowMs(), resolve)
    void partitions.settled(topics).then(() => {
      deadline.cancel()
      resolve()
    })
  })
}

export const topicResource = ({ name }: { readonly name: string }): Resource => ({ kind: 'topic', name })

function refusalOf(resource: Resource): Refusal {
  if (resource.kind === 'cluster') {
    return {
      errorCode: errorCode('CLUSTER_AUTHORIZATION_FAILED'),
      errorMessage: 'Not authorised for this cluster operation.',
    }
  }
  return {
    errorCode: errorCode('TOPIC_AUTHORIZATION_FAILED'),
    errorMessage: `Not authorised for topic ${resource.name}.`,
  }
}
