/**
 * The limit probe of producing: a client process and a server process with nothing between WebSocket and file but an
 * envelope, a CRC and an acknowledgement (see bare-pipe-server.ts). No broker over `ws` on this machine can be faster,
 * so `millrace bench produce` is reported as a ratio to it, measured in the same run.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { Packr } from 'msgpackr'
import { WebSocket } from 'ws'
import { BatchBuilder } from '../../src/protocol/batch/builder.ts'
import { type Percentiles, percentilesOf } from './percentiles.ts'

export interface BarePipeOptions {
  /** Where the server writes; removed afterwards. */
  readonly file: string
  readonly mode: 'os' | 'sync'
  readonly recordsPerBatch: number
  readonly recordBytes: number
  readonly inFlight: number
  readonly seconds: number
}

export interface PipeResult {
  readonly recordsPerSecond: number
  readonly megabytesPerSecond: number
  readonly latencyMs: Percentiles
}

export async function runBarePipe(options: BarePipeOptions): Promise<PipeResult> {
  const server = fork(new URL('./bare-pipe-server.ts', import.meta.url).pathname, { execArgv: ['--import', 'tsx'] })
  try {
    server.send({ file: options.file, mode: options.mode })
    const [{ port }] = (await once(server, 'message')) as [{ port: number }]
    return await pump(port, options)
  } finally {
    server.disconnect()
    if (server.exitCode === null) await once(server, 'exit')
    rmSync(options.file, { force: true })
  }
}

async function pump(port: number, options: BarePipeOptions): Promise<PipeResult> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, {
    perMessageDeflate: false,
    generateMask: mask => void mask.fill(0),
  })
  await once(socket, 'open')
  const packr = new Packr({ useRecords: false })
  const batch = await makeBatch(options)
  const sentAt: number[] = []
  const latencies: number[] = []
  const startedAt = performance.now()
  const endAt = startedAt + options.seconds * 1000
  let sent = 0
  let acknowledged = 0

  return new Promise((resolve, reject) => {
    const send = (): void => {
      sentAt[sent] = performance.now()
      socket.send(packr.pack([0, 0, sent++, batch]))
    }
    socket.on('error', reject)
    socket.on('message', message => {
      const [correlationId] = packr.unpack(message as Buffer) as [number]
      const now = performance.now()
      latencies.push(now - sentAt[correlationId]!)
      acknowledged++
      if (now < endAt) return send()
      if (acknowledged < sent) return
      const seconds = (now - startedAt) / 1000
      const records = acknowledged * options.recordsPerBatch
      socket.terminate()
      resolve({
        recordsPerSecond: records / seconds,
        megabytesPerSecond: (acknowledged * batch.length) / seconds / 1e6,
        latencyMs: percentilesOf(latencies),
      })
    })
    for (let i = 0; i < options.inFlight; i++) send()
  })
}

async function makeBatch(options: BarePipeOptions): Promise<Uint8Array> {
  const builder = new BatchBuilder({ bytesMax: 64 << 20, compression: 'none', codec: null })
  const value = new Uint8Array(options.recordBytes).fill(120)
  for (let i = 0; i < options.recordsPerBatch; i++) builder.tryAppend(null, value, null, Date.now())
  return builder.finish()
}
