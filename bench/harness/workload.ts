/**
 * Workloads are files, bench/workloads/*.json, in the words of the OpenMessaging Benchmark where it has them. One file is
 * several points: whatever it gives several values of, each with each.
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
  readonly partitionsPerTopic: readonly number[]
  readonly messageSize: number
  readonly keyDistributor: (typeof keyDistributions)[number]
  /** The part of each value that is random, from 0 to 1. */
  readonly randomBytesRatio: number
  /** Each has connections of its own. */
  readonly producers: readonly number[]
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
  readonly consumerBacklogSizeGB: readonly number[]
  /** Sent, or read, in all: a smaller backlog again and again. 0: for a time, and a backlog once. */
  readonly measuredSizeGB: number
  /** Every run has nodes that were started for it and a client without warm-up; a backlog is read from the disk. */
  readonly isCold: boolean
}

/** What a workload gives several values of. */
interface Choice {
  readonly durability: Durability
  readonly producerRate: number
  readonly partitionsPerTopic: number
  readonly producers: number
  readonly consumerBacklogSizeGB: number
}

/** One figure of a report: a workload with one value of each. */
export interface Point extends Choice {
  readonly workload: Workload
}

/** Where a workload gives several values, its points are named after theirs, and their costs are compared. */
export const scaleNames = {
  partitionsPerTopic: value => `${value} partition${value === 1 ? '' : 's'}`,
  producers: value => `${value} connection${value === 1 ? '' : 's'}`,
  consumerBacklogSizeGB: value => (value < 1 ? `${value * 1_000} MB` : `${value} GB`),
} as const satisfies Partial<Record<keyof Choice, (value: number) => string>>

export type ScaleName = keyof typeof scaleNames

const directory = path.join(import.meta.dirname, '..', 'workloads')

const checks: Record<keyof Workload, (value: unknown) => boolean> = {
  name: isText,
  title: isText,
  kind: value => ['produce', 'consume', 'end-to-end'].includes(value as string),
  nodes: value => value === 1 || value === 3,
  replicationFactor: isPositive,
  topics: isPositive,
  partitionsPerTopic: listOf(isPositive),
  messageSize: isPositive,
  keyDistributor: value => (keyDistributions as readonly unknown[]).includes(value),
  randomBytesRatio: value => typeof value === 'number' && value >= 0 && value <= 1,
  producers: listOf(isPositive),
  consumers: isPositive,
  acks: value => ['0', '1', 'all'].includes(value as string),
  durability: listOf(value => value === 'os' || value === 'sync'),
  producerRate: listOf(value => value === 0 || isPositive(value)),
  recordsPerSend: isPositive,
  inFlight: isPositive,
  consumerBacklogSizeGB: listOf(isSize),
  measuredSizeGB: isSize,
  isCold: value => typeof value === 'boolean',
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
  const parsed = workload as unknown as Workload
  if (scalesOf(parsed).length > 1) throw new Error(`workload ${name}: only one thing can be varied to compare costs`)
  return parsed
}

/** More takes minutes to write and to read. */
export const smallBacklogSizeGBMax = 2

export function withoutLarge(workload: Workload): Workload {
  const consumerBacklogSizeGB = workload.consumerBacklogSizeGB.filter(size => size <= smallBacklogSizeGBMax)
  return { ...workload, consumerBacklogSizeGB }
}

export function pointsOf(workload: Workload): Point[] {
  return workload.durability.flatMap(durability =>
    workload.producerRate.flatMap(producerRate =>
      workload.partitionsPerTopic.flatMap(partitionsPerTopic =>
        workload.producers.flatMap(producers =>
          workload.consumerBacklogSizeGB.map(consumerBacklogSizeGB => {
            const choice = { durability, producerRate, partitionsPerTopic, producers, consumerBacklogSizeGB }
            return { workload, ...choice }
          }),
        ),
      ),
    ),
  )
}

export function nameOf(point: Point): string {
  const { workload, durability, producerRate } = point
  const scale = scaleOf(workload)
  const place = scale === null ? '' : `, ${scaleNames[scale](point[scale])}`
  return `${workload.name} ${durability}${producerRate === 0 ? '' : ` ${producerRate}/s`}${place}`
}

/** The point's name as a topic, or a stream, may have it. */
export function topicOf(point: Point): string {
  return nameOf(point).replaceAll(/[^a-zA-Z0-9]+/g, '-')
}

/** What the workload varies to see whether the cost of a record does, if anything. */
export function scaleOf(workload: Workload): ScaleName | null {
  return scalesOf(workload)[0] ?? null
}

function scalesOf(workload: Workload): ScaleName[] {
  return (Object.keys(scaleNames) as ScaleName[]).filter(name => workload[name].length > 1)
}

/** `scale` makes less of it, in a brief run. */
export function backlogRecordsOf({ workload, consumerBacklogSizeGB }: Point, scale: number): number {
  return recordsIn(scale * consumerBacklogSizeGB, workload)
}

/** What is sent, or read, in all; `null`: whatever a time holds. */
export function measuredRecordsOf(point: Point, scale: number): number | null {
  const { workload } = point
  const records = recordsIn(scale * workload.measuredSizeGB, workload)
  if (workload.kind === 'consume') return Math.max(records, backlogRecordsOf(point, scale))
  return workload.measuredSizeGB === 0 ? null : records
}

function recordsIn(sizeGB: number, { messageSize }: Workload): number {
  return Math.ceil((sizeGB * 1e9) / messageSize)
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isPositive(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function isSize(value: unknown): boolean {
  return typeof value === 'number' && value >= 0
}

function listOf(isValid: (value: unknown) => boolean): (value: unknown) => boolean {
  return value => Array.isArray(value) && value.length > 0 && value.every(isValid)
}
