/**
 * What every command is handed: the global options, the output, a signal that aborts on Ctrl-C, and clients that are
 * connected lazily and closed when the command ends.
 */
import type { Admin, AdminOptions, Consumer, ConsumerOptions, Producer, ProducerOptions } from '../index.ts'
import { Disposables } from '../util/disposables.ts'
import { clientSettings } from './client-settings.ts'
import { createOutput, type Output, type OutputFormat } from './output.ts'

export interface GlobalOptions {
  readonly bootstrap: string
  readonly format: OutputFormat
  readonly set?: Record<string, string>
  readonly X?: Record<string, string>
  readonly verbose?: boolean
}

export interface CommandContext {
  readonly bootstrap: string[]
  readonly output: Output
  readonly isVerbose: boolean
  /** Aborts on the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal
  readonly cleanups: Disposables
  admin(options?: Partial<AdminOptions>): Promise<Admin>
  producer(options?: Partial<ProducerOptions>): Promise<Producer>
  consumer(options: Omit<ConsumerOptions, 'bootstrap'>): Promise<Consumer>
}

/** A person waits: somebody who is to be found answers well within this. */
const metadataTimeoutMs = 1_000

export function createContext(options: GlobalOptions, signal: AbortSignal): CommandContext {
  const bootstrap = options.bootstrap.split(',').map(url => url.trim())
  const settings = clientSettings(options.X ?? {})
  const cleanups = new Disposables()
  const common = { bootstrap, clientId: 'millrace-cli', metadataTimeoutMs }
  return {
    bootstrap,
    output: createOutput(options.format),
    isVerbose: options.verbose === true,
    signal,
    cleanups,
    async admin(extra = {}) {
      const { Admin } = await import('../index.ts')
      return cleanups.use(new Admin({ ...common, ...settings.common, ...extra }))
    },
    async producer(extra = {}) {
      const { Producer } = await import('../index.ts')
      return cleanups.use(new Producer({ ...common, ...extra, ...settings.common, ...settings.producer }))
    },
    async consumer(extra) {
      const { Consumer } = await import('../index.ts')
      return cleanups.use(new Consumer({ ...common, ...extra, ...settings.common, ...settings.consumer }))
    },
  }
}
