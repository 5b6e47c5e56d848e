/** `millrace server`: one node in the foreground, until SIGTERM or Ctrl-C. */
import type { Command } from 'commander'
import { collectPairs, parseInteger } from '../parse.ts'

interface ServerOptions {
  readonly config?: string
  readonly dataDir?: string
  readonly port?: number
  readonly set?: Record<string, string>
}

export function registerServer(program: Command, signal: AbortSignal): void {
  program
    .command('server')
    .description('run one node, of its own or of a cluster')
    .option('--config <file>', 'YAML file with settings; see `millrace config list`')
    .option('--data-dir <dir>', 'where records and metadata are kept (log.dirs)')
    .option('--port <n>', 'port for clients on 127.0.0.1; 0 for any free one', parseInteger(0, 65_535))
    .option('--set <key=value>', 'a setting; wins over file and environment (repeatable)', collectPairs)
    .addHelpText(
      'after',
      '\nSettings come from the file, from MILLRACE_… in the environment (dots become underscores) and from --set, the later winning.',
    )
    .action(async (options: ServerOptions) => serve(options, signal))
}

async function serve(options: ServerOptions, signal: AbortSignal): Promise<void> {
  try {
    await serveUntilStopped(options, signal)
  } finally {
    // Listening for the parent's end keeps the channel to it, and with it this process, alive.
    if (process.connected) process.disconnect()
  }
}

/** The signals of main.ts only abort commands; a server stops in order, and the process ends when it has. */
async function serveUntilStopped(options: ServerOptions, signal: AbortSignal): Promise<void> {
  // A node that waits for its quorum waits as long as it takes, but not without the `millrace dev` that started it.
  const parentGone = new AbortController()
  process.once('disconnect', () => parentGone.abort())
  const { startServer } = await import('../../server/index.ts')
  const server = await startServer({
    ...(options.config === undefined ? {} : { configFile: options.config }),
    ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
    ...(options.port === undefined ? {} : { port: options.port }),
    config: options.set ?? {},
    env: process.env,
    signal: AbortSignal.any([signal, parentGone.signal]),
  })
  process.stdout.write(greeting(server.url, server.dataDir))
  process.send?.({ kind: 'listening', url: server.url })
  // Told to stop while it started: main.ts has heard it, and nobody says it twice.
  if (!signal.aborted && !parentGone.signal.aborted) await untilStopped()
  process.stderr.write('stopping\n')
  await server.close()
}

function untilStopped(): Promise<void> {
  return new Promise(resolve => {
    process.removeAllListeners('SIGINT')
    process.removeAllListeners('SIGTERM')
    // A node that `millrace dev` started stops with it, however that ended.
    process.once('disconnect', resolve)
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => {
        process.once(name, () => process.exit(130))
        resolve()
      })
    }
  })
}

function greeting(url: string, dataDir: string | null): string {
  const bootstrap = url === 'ws://127.0.0.1:9292' ? '' : ` -b ${url}`
  return `
Millrace listens on ${url}, data in ${dataDir ?? 'memory'}.

Try, in another terminal:
  npx millrace topic create orders -p 4${bootstrap}
  echo 'hello' | npx millrace produce orders -k me${bootstrap}
  npx millrace consume orders -o start -e${bootstrap}

Metrics: ${url.replace(/^ws/, 'http')}/metrics   Ready: ${url.replace(/^ws/, 'http')}/readyz   Ctrl-C stops.
`
}
