/** Kafka nodes in KRaft mode, each broker and controller in one, with the settings and the heap that Kafka's own files give. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { freePorts } from '../../../src/cli/bench/free-ports.ts'
import type { StartOptions } from '../../harness/system.ts'
import { untilWorks } from '../../harness/until-works.ts'
import { stop } from '../tools.ts'

/** As bin/kafka-server-start.sh and kafka-run-class.sh give them. */
export const jvmOptions = [
  '-Xmx1G',
  '-Xms1G',
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
]

const startTimeoutMs = 300_000

/** The same for all nodes: config/server.properties, but for what the number of nodes and the size of batches ask for. */
export function sharedSettings(nodes: number): Record<string, string> {
  return {
    'process.roles': 'broker,controller',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'num.network.threads': '3',
    'num.io.threads': '8',
    'socket.send.buffer.bytes': '102400',
    'socket.receive.buffer.bytes': '102400',
    'message.max.bytes': '4194304',
    'replica.fetch.max.bytes': '4194304',
    'min.insync.replicas': nodes === 3 ? '2' : '1',
    'offsets.topic.replication.factor': String(nodes),
    'transaction.state.log.replication.factor': String(nodes),
    'transaction.state.log.min.isr': nodes === 3 ? '2' : '1',
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
  }
}

/** Nodes that have their directories, and can be started and stopped. */
export class KafkaNodes implements AsyncDisposable {
  readonly bootstrap: string
  /** Connected while all run. */
  readonly admin: Admin
  readonly #classPath: string
  readonly #files: readonly string[]
  #children: ChildProcess[] = []

  private constructor(classPath: string, addresses: readonly string[], files: readonly string[]) {
    this.bootstrap = addresses.join()
    this.admin = new Kafka({
      brokers: [...addresses],
      logLevel: logLevel.NOTHING,
      retry: { retries: 0 },
    }).admin()
    this.#classPath = classPath
    this.#files = files
  }

  static async format(classPath: string, { nodes, directory }: StartOptions): Promise<KafkaNodes> {
    const ports = await freePorts(2 * nodes)
    const voters = Array.from({ length: nodes }, (_, at) => `${at + 1}@127.0.0.1:${ports[nodes + at]}`).join()
    // Not with a dash in front: the tool that takes it would take it for an option.
    const clusterId = `M${randomBytes(16).toString('base64url').slice(1)}`
    const files = await Promise.all(
      Array.from({ length: nodes }, (_, at) => {
        const settings = {
          ...sharedSettings(nodes),
          'node.id': String(at + 1),
          listeners: `PLAINTEXT://127.0.0.1:${ports[at]},CONTROLLER://127.0.0.1:${ports[nodes + at]}`,
          'controller.quorum.voters': voters,
        }
        return formatNode(classPath, path.join(directory, `kafka-${nodes}-${at + 1}`), clusterId, settings)
      }),
    )
    const addresses = ports.slice(0, nodes).map(port => `127.0.0.1:${port}`)
    return new KafkaNodes(classPath, addresses, files)
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid!)
  }

  spawn(): void {
    this.#children = this.#files.map(file => {
      const args = [...jvmOptions, '-cp', this.#classPath, 'kafka.Kafka', file]
      return spawn('java', args, { stdio: ['ignore', 'ignore', 'inherit'] })
    })
  }

  /** Resolves when all are there. */
  connect(): Promise<void> {
    return untilWorks(async () => {
      await this.admin.connect()
      const { brokers } = await this.admin.describeCluster()
      const count = this.#files.length
      if (brokers.length < count) throw new Error(`${brokers.length} of ${count} Kafka nodes are there`)
    }, startTimeoutMs)
  }

  /** They can be started again. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.admin.disconnect()
    await stop(this.#children)
  }
}

/** Makes a node's directory; returns the file of its settings. */
async function formatNode(
  classPath: string,
  home: string,
  clusterId: string,
  settings: Readonly<Record<string, string>>,
): Promise<string> {
  mkdirSync(home, { recursive: true })
  const file = path.join(home, 'server.properties')
  const lines = Object.entries({ ...settings, 'log.dirs': path.join(home, 'data') }).map(pair => `${pair.join('=')}\n`)
  writeFileSync(file, lines.join(''))
  await promisify(execFile)('java', [
    '-cp',
    classPath,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    clusterId,
    '-c',
    file,
  ])
  return file
}
