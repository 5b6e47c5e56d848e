/**
 * The directory of everything one node keeps: whose it is (`meta.properties`, as in Kafka), and that no other process has
 * it open. Nothing in it is touched before both are known.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { isLockFile, lockDirectory } from '../platform/directory-lock.ts'
import { ConfigError, CorruptionError, StorageError } from '../util/errors.ts'

/** Of what is in the directory, as a whole. */
const layoutVersion = 1
const metaName = 'meta.properties'
/** What an empty directory may contain: a file system's own, and ours from a first start that was cut short. */
const ignoredNames = new Set(['lost+found', `${metaName}.new`])

export interface DataDirectory extends AsyncDisposable {
  /** Absolute. */
  readonly path: string
  /** Where the raft storage belongs. */
  readonly raftPath: string
  /** `null` until `confirmClusterId` was called in this life or an earlier one. */
  readonly clusterId: string | null
  /** Writes the id down, durably, or checks it: throws `ConfigError` when the directory is another cluster's. */
  confirmClusterId(clusterId: string): void
}

export interface DataDirectoryOptions {
  readonly path: string
  readonly nodeId: number
}

/**
 * Opens the directory, makes it where it is missing, and locks it. Throws `ConfigError`: in use, not a directory, not
 * writable, another node's, another version's, or full of something else; `CorruptionError` for a `meta.properties` that
 * cannot be read as one.
 */
export async function openDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const path = resolve(options.path)
  makeDirectory(path)
  const lock = await lockDirectory(path, 'log.dirs')
  try {
    let properties = readProperties(path)
    if (properties === null) {
      checkEmpty(path)
      properties = { version: layoutVersion, nodeId: options.nodeId, clusterId: null }
      writeProperties(path, properties)
    }
    checkOwner(path, properties, options.nodeId)
    return new OpenDataDirectory(path, properties, lock)
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}

interface Properties {
  readonly version: number
  readonly nodeId: number
  readonly clusterId: string | null
}

class OpenDataDirectory implements DataDirectory {
  readonly path: string
  readonly raftPath: string
  #properties: Properties
  readonly #lock: AsyncDisposable

  constructor(path: string, properties: Properties, lock: AsyncDisposable) {
    this.path = path
    this.raftPath = join(path, 'raft')
    this.#properties = properties
    this.#lock = lock
  }

  get clusterId(): string | null {
    return this.#properties.clusterId
  }

  confirmClusterId(clusterId: string): void {
    const known = this.#properties.clusterId
    if (known === clusterId) return
    if (known !== null) {
      const message = `${join(this.path, metaName)} belongs to cluster ${known}, but the metadata are of cluster ${clusterId}`
      throw new ConfigError('log.dirs', message)
    }
    this.#properties = { ...this.#properties, clusterId }
    writeProperties(this.path, this.#properties)
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#lock[Symbol.asyncDispose]()
  }
}

function makeDirectory(path: string): void {
  try {
    makeWithParents(path)
    readdirSync(path)
  } catch (error) {
    throw new ConfigError('log.dirs', `${path} cannot be used as a directory: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

/** Node's own way never ends where a file system says, as /proc does, that what is to be made does not exist. */
function makeWithParents(path: string): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) makeWithParents(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process made it meanwhile; the lock will tell which of them may have it.
    if (!existsSync(path)) throw error
  }
  // A new name lasts only once the directory that has it is synced.
  syncPath(dirname(path))
}

function checkEmpty(path: string): void {
  const found = readdirSync(path).find(name => !isLockFile(name) && !ignoredNames.has(name))
  if (found === undefined) return
  const message = `${path} contains ${found} but no ${metaName}: it is not a data directory of Millrace, or has lost its ${metaName}`
  throw new ConfigError('log.dirs', message)
}

function checkOwner(path: string, { version, nodeId }: Properties, ownNodeId: number): void {
  const file = join(path, metaName)
  if (version > layoutVersion) {
    const message = `${file} is of layout version ${version}; this version of Millrace reads up to ${layoutVersion}`
    throw new ConfigError('log.dirs', message)
  }
  if (nodeId !== ownNodeId)
    throw new ConfigError('node.id', `${file} belongs to node ${nodeId}, not to node ${ownNodeId}`)
}

function readProperties(path: string): Properties | null {
  const file = join(path, metaName)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new ConfigError('log.dirs', `${file} cannot be read: ${(error as Error).message}`, { cause: error })
  }
  const values = new Map(
    text
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
  )
  const integer = (key: string): number => {
    const value = values.get(key) ?? ''
    if (!/^\d{1,10}$/.test(value)) throw new CorruptionError(file, `${key} is missing or not a number`)
    return Number(value)
  }
  return { version: integer('version'), nodeId: integer('node.id'), clusterId: values.get('cluster.id') ?? null }
}

/** Atomic and durable: at any instant the file is the old one or the new one, whole. */
function writeProperties(path: string, { version, nodeId, clusterId }: Properties): void {
  const file = join(path, metaName)
  const lines = [`version=${version}`, `node.id=${nodeId}`, ...(clusterId === null ? [] : [`cluster.id=${clusterId}`])]
  try {
    const descriptor = openSync(`${file}.new`, 'w')
    try {
      writeSync(descriptor, `# Whose directory this is. Written by Millrace; not to be edited.\n${lines.join('\n')}\n`)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(`${file}.new`, file)
    syncPath(path)
  } catch (error) {
    throw new StorageError(file, (error as Error).message, { cause: error })
  }
}

function syncPath(path: string): void {
  const descriptor = openSync(path, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
