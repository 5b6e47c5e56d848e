/**
 * Workloads are files, bench/workloads/*.json, in the words of the OpenMessaging Benchmark where it has them. One file is
 * several points: each durability at each rate.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { keyDistributions } from '../../src/cli/bench/load.ts'

export type Durability = 'os' | 'sync'

export interface Workload {
  /** That of the file. */
  readonly name: string
  readonly title: string
  /** Whether what is timed is sending, reading a backlog, or the way from one to the other. */
  readonly kind: 'produce' | 'consume' | 'end-to-end'
  readonly nodes: 1 | 3
  readonly replicationFactor: number
  readonly topics: number
  readonly partitionsPerTopic: number
  readonly messageSize: number
  readonly keyDistributor: (typeof keyDistributions)[number]
  /** The part of each value that is random, from 0 to 1. */
  readonly randomBytesRatio: number
  readonly producers: number
  readonly consumers: number
  readonly acks: '0' | '1' | 'all'
  /** `os`: acknowledged from the page cache. `sync`: after the disk has it. */
  readonly durability: readonly Durability[]
  /** Records per second, all producers together; 0 is as many as the system takes. */
  readonly producerRate: readonly number[]
  /** Of one call, where a client takes several; also what a batch holds. */
  readonly recordsPerSend: number
  /** Calls that are not yet answered, all producers together. */
  readonly inFlight: number
  /** Written before it is read; only of `consume`. */
  readonly consumerBacklogSizeGB: number
}

/** One figure of a report: a workload at one durability and one rate. */
export interface Point {
  readonly workload: Workload
  readonly durability: Durability
  readonly producerRate: number
}

const directory = path.join(import.meta.dirname, '..', 'workloads')

const checks: Record<keyof Workload, (value: unknown) => boolean> = {
  name: isText,
  title: isText,
  kind: value => ['produce', 'consume', 'end-to-end'].includes(value as string),
  nodes: value => value === 1 || value === 3,
  replicationFactor: isPositive,
  topics: isPositive,
  partitionsPerTopic: isPositive,
  messageSize: isPositive,
  keyDistributor: value => (keyDistributions as readonly unknown[]).includes(value),
  randomBytesRatio: value => typeof value === 'number' && value >= 0 && value <= 1,
  producers: isPositive,
  consumers: isPositive,
  acks: value => ['0', '1', 'all'].includes(value as string),
  durability: value => Array.isArray(value) && value.length > 0 && value.every(v => v === 'os' || v === 'sync'),
  producerRate: value => Array.isArray(value) && value.length > 0 && value.every(v => v === 0 || isPositive(v)),
  recordsPerSend: isPositive,
  inFlight: isPositive,
  consumerBacklogSizeGB: value => typeof value === 'number' && value >= 0,
}

/** Those whose name holds one of the filters, in the order of their names. Throws when a file is not a workload. */
export function readWorkloads(filters: readonly string[] = []): Workload[] {
  return readdirSync(directory)
    .filter(file => file.endsWith('.json'))
    .sort()
    .map(file => parseWorkload(path.basename(file, '.json'), readFileSync(path.join(directory, file), 'utf8')))
    .filter(({ name }) => filters.length === 0 || filters.some(filter => name.includes(filter)))
}

export function parseWorkload(name: string, text: string): Workload {
  const workload = { ...(JSON.parse(text) as Record<string, unknown>), name }
  for (const [key, isValid] of Object.entries(checks)) {
    const value = (workload as Record<string, unknown>)[key]
    if (!isValid(value)) throw new Error(`workload ${name}: ${key} cannot be ${JSON.stringify(value)}`)
  }
  const unknown = Object.keys(workload).filter(key => !(key in checks))
  if (unknown.length > 0) throw new Error(`workload ${name}: unknown ${unknown.join(', ')}`)
  return workload as unknown as Workload
}

export function pointsOf(workload: Workload): Point[] {
  return workload.durability.flatMap(durability =>
    workload.producerRate.map(producerRate => ({ workload, durability, producerRate })),
  )
}

export function nameOf({ workload, durability, producerRate }: Point): string {
  return `${workload.name} ${durability}${producerRate === 0 ? '' : ` ${producerRate}/s`}`
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isPositive(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
}
