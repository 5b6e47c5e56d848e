/**
 * The server half of the bare push: reads a file again and again and sends what it read, a few messages ahead of the
 * receiver. Run by bare-push.ts; talks to it over the process channel: `{ file }` in, `{ port }` out.
 */
import { openSync, readSync, writeSync } from 'node:fs'
import { WebSocketServer } from 'ws'

const fileBytes = 64 << 20
/** What an answer to a fetch holds when a consumer catches up. */
const messageBytes = 1 << 20
const messagesAhead = 4

process.once('message', ({ file }: { file: string }) => {
  const fd = openSync(file, 'w+')
  const piece = Buffer.alloc(messageBytes, 0x78)
  for (let at = 0; at < fileBytes; at += messageBytes) writeSync(fd, piece)
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  server.on('connection', socket => {
    let position = 0
    const send = (): void => {
      const message = Buffer.allocUnsafeSlow(messageBytes)
      readSync(fd, message, 0, messageBytes, position)
      position = (position + messageBytes) % fileBytes
      socket.send(message)
    }
    socket.on('error', () => socket.terminate())
    socket.on('message', send)
    for (let i = 0; i < messagesAhead; i++) send()
  })
  server.on('listening', () => process.send!({ port: (server.address() as { port: number }).port }))
  process.on('disconnect', () => process.exit(0))
})
