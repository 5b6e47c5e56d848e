/** The REST interface over a real port and a gateway in memory. */
import type {
  Caller,
  FetchCall,
  FetchedPartition,
  Place,
  ProduceCall,
  ProducedPartition,
  RecordGateway,
  TopicView,
} from '../../src/broker/gateway/record-gateway.ts'
import { type HttpRoutes, openHttpRoutes, type RestOptions } from '../../src/http/index.ts'
import { nodeCodecs } from '../../src/platform/codecs.ts'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { decodeBatch } from '../../src/protocol/batch/decoder.ts'
import { type CompressionName, endOffsetOf, patchBatch, readBatchHeader } from '../../src/protocol/batch/header.ts'
import type { DecodedRecord, RecordInput } from '../../src/protocol/batch/types.ts'
import { errorCode, type Failure } from '../../src/protocol/errors.ts'
import { joinBytes } from '../../src/util/bytes.ts'
import { silentLogger } from '../../src/util/logger.ts'
import { KiB } from '../../src/util/units.ts'
import { type WsRig, type WsRigOptions, wsRig } from '../platform/ws-rig.ts'

/** One topic, `t`, of three partitions. */
export class FakeGateway implements RecordGateway {
  readonly batches: Uint8Array[][] = [[], [], []]
  readonly produced: ProduceCall[] = []
  readonly fetched: FetchCall[] = []
  readonly leaders: Array<number | null> = [1, 1, 1]
  /** Fetches that wait, and what ended those that did. */
  readonly waiting = new Set<() => void>()
  gone = 0
  /** Answers that were fetched and not disposed of. */
  held = 0
  refuseProduce: (call: ProduceCall) => Failure | null | Promise<Failure | null> = () => null
  refuseFetch: Failure | null = null

  async topic(name: string, partitionsMin: number): Promise<TopicView | Failure> {
    if (name === 't' && partitionsMin <= 3) {
      return { name, partitions: this.leaders.map(leaderId => ({ leaderId })) }
    }
    return { error: 'UNKNOWN_TOPIC_OR_PARTITION', message: `There is no ${name} of ${partitionsMin} partitions.` }
  }

  async produce(call: ProduceCall): Promise<ProducedPartition | Failure | null> {
    this.produced.push(call)
    const failure = await this.refuseProduce(call)
    if (failure !== null) return failure
    const { topic, partition, batch, acks } = call
    const baseOffset = this.endOf(partition)
    patchBatch(batch, 0, baseOffset, 0)
    this.append(partition, batch)
    if (acks === 0) return null
    return { topic, partition, errorCode: 0, errorMessage: null, baseOffset, logAppendTimeMs: -1, logStartOffset: 0 }
  }

  async fetch(call: FetchCall, { signal }: Caller): Promise<(FetchedPartition & Partial<Disposable>) | Failure> {
    this.fetched.push(call)
    if (this.refuseFetch !== null) return this.refuseFetch
    if (call.offset >= this.endOf(call.partition) && call.maxWaitMs > 0) await this.#wait(signal)
    const { topic, partition, offset } = call
    const batches = this.batches[partition]!.filter(batch => endOffsetOf(readBatchHeader(batch, 0)) > offset)
    const isOutside = offset > this.endOf(partition)
    this.held++
    return {
      topic,
      partition,
      errorCode: isOutside ? errorCode('OFFSET_OUT_OF_RANGE') : 0,
      errorMessage: isOutside ? 'The log has other offsets.' : null,
      highWatermark: this.endOf(partition),
      lastStableOffset: this.endOf(partition),
      logStartOffset: 0,
      records: joinBytes(batches),
      preferredReadReplica: -1,
      divergingEpoch: null,
      [Symbol.dispose]: () => this.held--,
    } as FetchedPartition & Disposable
  }

  async offsetOf(end: 'start' | 'end', { partition }: Place): Promise<number | Failure> {
    return end === 'start' ? 0 : this.endOf(partition)
  }

  append(partition: number, batch: Uint8Array): void {
    patchBatch(batch, 0, this.endOf(partition), 0)
    this.batches[partition]!.push(batch)
    for (const wake of this.waiting) wake()
  }

  endOf(partition: number): number {
    const last = this.batches[partition]!.at(-1)
    return last === undefined ? 0 : endOffsetOf(readBatchHeader(last, 0))
  }

  /** Of one partition. */
  stored(partition: number): DecodedRecord[] {
    return this.batches[partition]!.flatMap(batch => decodeBatch(batch, nodeCodecs) as DecodedRecord[])
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = (): void => {
        this.waiting.delete(wake)
        resolve()
      }
      this.waiting.add(wake)
      signal.addEventListener('abort', () => {
        if (!this.waiting.has(wake)) return
        this.gone++
        wake()
      })
    })
  }
}

export function batchWith(records: readonly Partial<RecordInput>[], compression: CompressionName = 'none'): Uint8Array {
  const codec = compression === 'none' ? null : nodeCodecs[compression]
  const builder = new BatchBuilder({ bytesMax: 1 << 24, compression, codec })
  for (const { key = null, value = null, headers = [], timestamp = 1_700_000_000_000 } of records) {
    builder.tryAppend(key, value, headers, timestamp)
  }
  return builder.finish() as Uint8Array
}

export const noRest: RestOptions = {
  records: new FakeGateway(),
  codecs: nodeCodecs,
  bodyBytesMax: 64 * KiB,
  heldBytesMax: 1024 * KiB,
  slowReaderTimeoutMs: 30_000,
}

export interface RestRig extends AsyncDisposable {
  readonly ws: WsRig
  readonly routes: HttpRoutes
  readonly gateway: FakeGateway
  readonly url: string
}

export async function restRig(rest: Partial<RestOptions> = {}, port: WsRigOptions = {}): Promise<RestRig> {
  const gateway = new FakeGateway()
  const routes = openHttpRoutes({
    readiness: () => ({ isReady: true, reasons: [] }),
    metrics: { version: '1', nodeId: 1, partitionSeriesMax: 0 },
    rest: { ...noRest, records: gateway, ...rest },
    logger: silentLogger,
  })
  const ws = await wsRig({ ...port, onRequest: routes.onRequest })
  return {
    ws,
    routes,
    gateway,
    url: `${ws.url.replace('ws:', 'http:')}/v1/topics`,
    async [Symbol.asyncDispose]() {
      await routes.close(0)
      await ws.close()
    },
  }
}
