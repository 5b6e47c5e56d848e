/**
 * Fetch, a long poll: looks at the partitions, and if that gave less than `minBytes` and nothing failed, waits and
 * looks again. A fetch that waits costs one object, its places in the partitions it waits for, and a share of the one
 * deadline timer.
 */
import { fetch } from '../../protocol/apis/index.ts'
import { limits } from '../../protocol/common.ts'
import { ApiError } from '../../protocol/errors.ts'
import { defineHandler, type Handler, type RequestContext } from '../../transport/handler.ts'
import { type FetchLook, type FetchRequest, type FetchResponse, lookAtPartitions } from '../fetch-read.ts'
import { FetchWait } from '../fetch-wait.ts'
import type { BrokerRuntime } from '../runtime.ts'

export function fetchHandler(broker: BrokerRuntime): Handler {
  return defineHandler(fetch, (request, context) => handleFetch(broker, request, context))
}

async function handleFetch(
  broker: BrokerRuntime,
  request: FetchRequest,
  context: RequestContext,
): Promise<FetchResponse & Disposable> {
  if (request.maxBytes < 0) throw new ApiError('INVALID_FETCH_SIZE', `maxBytes is ${request.maxBytes}.`)
  if (request.isolationLevel !== 0 && request.isolationLevel !== 1) {
    throw new ApiError('INVALID_REQUEST', `isolationLevel is ${request.isolationLevel}; 0 and 1 are known.`)
  }
  const { clock, settings, stats, deadlines, fetchMemory } = broker
  const startMs = clock.nowMs()
  const endMs = startMs + Math.min(request.maxWaitMs, settings.fetchWaitMsMax)
  const bytesMax = Math.min(request.maxBytes, settings.fetchBytesMax, sumOfLimits(request))
  const bytesMin = Math.min(request.minBytes, bytesMax)
  for (let isDelayed = false; ; ) {
    // How large a batch gets when it is unpacked shows only then.
    const grant = fetchMemory.take(request.format === 'records' ? Math.max(bytesMax, limits.recordsBytes) : bytesMax)
    const granted = typeof grant === 'number' ? grant : await grant
    let look: FetchLook
    try {
      look = await lookAtPartitions(broker, request, context, Math.min(granted, bytesMax))
    } catch (error) {
      fetchMemory.release(granted)
      throw error
    }
    const delayMs = endMs - clock.nowMs()
    const isEnough = look.failures + look.redirects > 0 || look.bytes >= bytesMin || look.waitedFor.length === 0
    if (isEnough || delayMs <= 0 || broker.isDraining() || context.signal.aborted) {
      stats.bytesOut += look.bytes
      stats.fetchFailures += look.failures
      stats.fetchMs.observe(clock.nowMs() - startMs)
      // From here on the answer counts with what it holds, until the transport disposes of it.
      fetchMemory.correct(granted, look.heldBytes)
      return { ...look.response, [Symbol.dispose]: () => onTaken(broker, look, context) }
    }
    fetchMemory.release(granted)
    if (!isDelayed) stats.fetchesDelayed += 1
    isDelayed = true
    const bytesMissing = bytesMin - look.bytes
    const end = await FetchWait.until(look.waitedFor, { bytesMissing, delayMs, deadlines, signal: context.signal })
    if (end === 'expired') stats.fetchesExpired += 1
  }
}

/** The reader has the answer, or is gone. While he works on it, what follows is read. */
function onTaken({ fetchMemory }: BrokerRuntime, look: FetchLook, { signal }: RequestContext): void {
  fetchMemory.release(look.heldBytes)
  if (signal.aborted) return
  for (const { log, fromOffset, maxBytes } of look.goingOn) log.readAhead(fromOffset, maxBytes)
}

function sumOfLimits(request: FetchRequest): number {
  let sum = 0
  for (const { maxBytes } of request.partitions) sum += Math.max(0, maxBytes)
  return sum
}
