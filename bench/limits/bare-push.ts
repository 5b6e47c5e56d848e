/**
 * The limit probe of consuming: a process that sends a file from the page cache over `ws` in pieces, and one that receives
 * them; no fetches, no records. No consumer that receives through `ws` can be faster on this machine; one that reads large frames
 * past it can.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { WebSocket } from 'ws'

export interface BarePushOptions {
  /** Made by the server; removed afterwards. */
  readonly file: string
  readonly seconds: number
}

/** In megabytes per second. */
export async function runBarePush({ file, seconds }: BarePushOptions): Promise<number> {
  const server = fork(new URL('./bare-push-server.ts', import.meta.url).pathname, { execArgv: ['--import', 'tsx'] })
  try {
    server.send({ file })
    const [{ port }] = (await once(server, 'message')) as [{ port: number }]
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
    socket.binaryType = 'nodebuffer'
    await once(socket, 'open')
    return await receive(socket, seconds)
  } finally {
    server.disconnect()
    if (server.exitCode === null) await once(server, 'exit')
    rmSync(file, { force: true })
  }
}

function receive(socket: WebSocket, seconds: number): Promise<number> {
  const startedAt = performance.now()
  let bytes = 0
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', message => {
      bytes += (message as Buffer).length
      // The server keeps a few messages on their way.
      socket.send('')
      const elapsed = (performance.now() - startedAt) / 1_000
      if (elapsed < seconds) return
      socket.removeAllListeners('message')
      socket.terminate()
      resolve(bytes / elapsed / 1e6)
    })
  })
}
