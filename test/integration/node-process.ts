/** A node for a test to kill: options as JSON in the first argument, the URL to the parent. */
import { type ServerOptions, startServer } from '../../src/server/index.ts'

const options = JSON.parse(process.argv[2]!) as ServerOptions
const server = await startServer({ port: 0, ...options, config: { 'log.level': 'warn', ...options.config } })
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)))
// The fault shim reads its orders from the environment at every call.
process.on('message', (environment: Record<string, string>) => {
  Object.assign(process.env, environment)
  process.send!({ ordered: true })
})
process.on('disconnect', () => process.exit(0))
process.send!({ url: server.url })
