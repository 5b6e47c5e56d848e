/**
 * The server half of the bare pipe: what is left of a broker when the broker is taken away. It unpacks a msgpackr
 * envelope, checks the batch's CRC-32C, patches eight bytes, gathers what arrived in one turn of the loop into one
 * `writev`, and acknowledges: at once (`os`), or after one `fdatasync` for all that was written (`sync`).
 *
 * Run by bare-pipe.ts; talks to it over the process channel: `{ file, mode }` in, `{ port }` out.
 */
import { closeSync, fdatasync, openSync, writevSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Packr } from 'msgpackr'
import { type WebSocket, WebSocketServer } from 'ws'

interface Arrived {
  socket: WebSocket
  correlationId: number
  batch: Buffer
}

const { crc32c } = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c(bytes: Uint8Array): number }
const packr = new Packr({ useRecords: false })

process.once('message', (setup: { file: string; mode: 'os' | 'sync' }) => {
  const fd = openSync(setup.file, 'w')
  let arrived: Arrived[] = []
  let unsynced: Arrived[] = []
  let isSyncing = false
  let isScheduled = false
  let position = 0

  const acknowledge = (items: Arrived[]): void => {
    for (const { socket } of items) (socket as unknown as { _socket: { cork(): void } })._socket.cork()
    for (const { socket, correlationId } of items) socket.send(packr.pack([correlationId, 0, position]))
    for (const { socket } of items) (socket as unknown as { _socket: { uncork(): void } })._socket.uncork()
  }

  const sync = (): void => {
    if (isSyncing || unsynced.length === 0) return
    isSyncing = true
    const covered = unsynced
    unsynced = []
    fdatasync(fd, error => {
      if (error) throw error
      isSyncing = false
      acknowledge(covered)
      sync()
    })
  }

  const write = (): void => {
    isScheduled = false
    const items = arrived
    arrived = []
    for (let from = 0; from < items.length; from += 1024) {
      const buffers = items.slice(from, from + 1024).map(item => item.batch)
      const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
      if (writevSync(fd, buffers, position) !== bytes) throw new Error('short write')
      position += bytes
    }
    if (setup.mode === 'os') {
      acknowledge(items)
      return
    }
    unsynced.push(...items)
    sync()
  }

  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, maxPayload: 64 << 20 })
  server.on('connection', socket => {
    socket.on('error', () => socket.terminate())
    socket.on('message', message => {
      const [, , correlationId, batch] = packr.unpack(message as Buffer) as [number, number, number, Buffer]
      if (crc32c(batch.subarray(21)) !== batch.readUInt32BE(17)) throw new Error('wrong CRC')
      batch.writeBigInt64BE(BigInt(position), 0)
      arrived.push({ socket, correlationId, batch })
      if (!isScheduled) {
        isScheduled = true
        setImmediate(write)
      }
    })
  })
  server.on('listening', () => process.send!({ port: (server.address() as { port: number }).port }))
  process.on('disconnect', () => {
    closeSync(fd)
    process.exit(0)
  })
})
