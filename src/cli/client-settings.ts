/** `-X key=value`: client settings under Kafka's names, for every command that talks to a cluster. */
import type { ConsumerOptions, ProducerOptions } from '../index.ts'
import { UsageError } from './failure.ts'

type Settings = Record<string, number>

interface ClientSettings {
  readonly common: Settings
  readonly producer: Partial<ProducerOptions>
  readonly consumer: Partial<ConsumerOptions>
}

const names: Record<string, readonly [kind: keyof ClientSettings, option: string, meaning: string]> = {
  'request.timeout.ms': ['common', 'requestTimeoutMs', 'how long to wait for an answer'],
  'metadata.timeout.ms': ['common', 'metadataTimeoutMs', 'how long to look for a first node, or for a partition'],
  'linger.ms': ['producer', 'lingerMs', 'how long a batch waits for more records'],
  'batch.size': ['producer', 'batchBytes', 'bytes of a batch before it is sent'],
  'buffer.memory': ['producer', 'bufferBytes', 'bytes waiting to be sent before a send waits'],
  'max.in.flight.requests.per.connection': ['producer', 'inFlightMax', 'produce requests on their way to one broker'],
  'delivery.timeout.ms': ['producer', 'deliveryTimeoutMs', 'how long a record is retried'],
  'fetch.min.bytes': ['consumer', 'fetchMinBytes', 'bytes a fetch waits for'],
  'fetch.max.wait.ms': ['consumer', 'fetchMaxWaitMs', 'how long a fetch waits for them'],
  'fetch.max.bytes': ['consumer', 'fetchMaxBytes', 'most bytes of one fetch'],
  'max.partition.fetch.bytes': ['consumer', 'partitionMaxBytes', 'most bytes of one partition in one fetch'],
}

export function clientSettings(given: Record<string, string>): ClientSettings {
  const settings: Record<keyof ClientSettings, Settings> = { common: {}, producer: {}, consumer: {} }
  for (const [key, text] of Object.entries(given)) {
    const known = names[key]
    if (known === undefined) throw new UsageError(`-X ${key}: unknown; known are ${Object.keys(names).join(', ')}`)
    const value = Number(text)
    if (!Number.isSafeInteger(value) || value < 0)
      throw new UsageError(`-X ${key}=${text}: expected an integer of at least 0`)
    settings[known[0]][known[1]] = value
  }
  return settings
}

/** For `--help`. */
export function clientSettingsHelp(): string {
  const width = Math.max(...Object.keys(names).map(name => name.length))
  return Object.entries(names)
    .map(([name, [, , meaning]]) => `  ${name.padEnd(width)}  ${meaning}`)
    .join('\n')
}
