/**
 * `millrace dev`: nodes as processes on this machine, supervised: a table of where they listen, a word when one dies,
 * a restart after a second, and Ctrl-C stops all.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import type { Command } from 'commander'
import { exitCode, ReportedFailure, UsageError } from '../failure.ts'
import { renderTable } from '../output.ts'
import { parseInteger } from '../parse.ts'

interface DevOptions {
  readonly nodes: number
  readonly dataDir: string
  readonly portBase: number
  readonly restart: boolean
}

interface DevNode {
  readonly id: number
  /** For clients. */
  readonly port: number
  /** Among nodes. */
  readonly peerPort: number
  readonly dataDir: string
  child: ChildProcess | null
}

interface Ending {
  readonly code: number | null
  readonly signal: string | null
  /** Whether it came so far as to listen. */
  readonly hasListened: boolean
}

const restartDelayMs = 1_000
const portMax = 65_535

export function registerDev(program: Command): void {
  program
    .command('dev')
    .description('run a cluster on this machine until Ctrl-C')
    .option('--nodes <n>', 'how many nodes; all of them vote', parseInteger(1, 9), 1)
    .option('--data-dir <dir>', 'where they keep their data, in node-1, node-2 and so on', './data/dev')
    .option(
      '--port-base <n>',
      'of node 1, for clients; node i has port-base + 10·(i-1), and for other nodes the port after it',
      parseInteger(1, 65_000),
      9292,
    )
    .option('--no-restart', 'do not start a node again that died')
    .action(async (options: DevOptions) => dev(options))
}

async function dev(options: DevOptions): Promise<void> {
  const nodes = Array.from({ length: options.nodes }, (_, at): DevNode => {
    const port = options.portBase + 10 * at
    return {
      id: at + 1,
      port,
      peerPort: port + 1,
      dataDir: path.join(options.dataDir, `node-${at + 1}`),
      child: null,
    }
  })
  const highest = nodes.at(-1)!.peerPort
  if (highest > portMax) throw new UsageError(`--port-base: node ${nodes.length} would listen on port ${highest}`)
  let isStopping = false
  const stop = untilAsked()
  const started = new Set<DevNode>()
  const onListening = (node: DevNode): void => {
    if (started.has(node)) process.stderr.write(`node ${node.id} is back, process ${node.child?.pid}\n`)
    else if (started.add(node).size === nodes.length) printTable(nodes)
  }
  /** Runs a node until all are stopped, or it is down for good. */
  const supervise = async (node: DevNode): Promise<void> => {
    while (!isStopping) {
      const { code, signal, hasListened } = await runOnce(node, nodes, onListening)
      if (isStopping) return
      // One that cannot even start the first time will not the next: its own message says why.
      const isRestarted = options.restart && (hasListened || started.has(node))
      const how = signal ?? `exit code ${code}`
      process.stderr.write(`node ${node.id} ended (${how})${isRestarted ? ', restarting' : ''}\n`)
      if (!isRestarted) return
      await Promise.race([new Promise(resolve => setTimeout(resolve, restartDelayMs)), stop])
    }
  }
  const supervised = Promise.all(nodes.map(supervise)).then(() => 'allDown' as const)
  const reason = await Promise.race([stop, supervised])
  isStopping = true
  for (const node of nodes) node.child?.kill('SIGTERM')
  await supervised
  if (reason === 'allDown') throw new ReportedFailure()
}

function untilAsked(): Promise<'asked'> {
  return new Promise(resolve => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.removeAllListeners(name)
      process.once(name, () => {
        // The second one means now; the nodes notice that their supervisor is gone.
        process.once(name, () => process.exit(exitCode.interrupted))
        resolve('asked')
      })
    }
  })
}

async function runOnce(
  node: DevNode,
  nodes: readonly DevNode[],
  onListening: (node: DevNode) => void,
): Promise<Ending> {
  const child = fork(process.argv[1]!, serverArguments(node, nodes), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Ctrl-C reaches the whole foreground group; the nodes are stopped by their supervisor, in order.
    detached: true,
  })
  node.child = child
  let hasListened = false
  child.once('message', () => {
    hasListened = true
    onListening(node)
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  node.child = null
  return { code, signal, hasListened }
}

/** Every node is a voter, as far as a cluster this small goes; a node on its own needs no port for others. */
function serverArguments(node: DevNode, nodes: readonly DevNode[]): string[] {
  const alone = ['server', '--data-dir', node.dataDir, '--port', String(node.port), '--set', `node.id=${node.id}`]
  if (nodes.length === 1) return alone
  const voters = nodes.map(({ id, peerPort }) => `${id}@127.0.0.1:${peerPort}`).join()
  const peers = [`peer.listener=ws://127.0.0.1:${node.peerPort}`, `controller.quorum.voters=${voters}`]
  return [...alone, ...peers.flatMap(pair => ['--set', pair])]
}

function printTable(nodes: readonly DevNode[]): void {
  const rows = nodes.map(node => [
    node.id,
    `ws://127.0.0.1:${node.port}`,
    `http://127.0.0.1:${node.port}/metrics`,
    node.dataDir,
    node.child?.pid,
  ])
  process.stdout.write(`${renderTable(['NODE', 'CLIENTS', 'METRICS', 'DATA', 'PID'], rows)}\n\nCtrl-C stops all.\n`)
}
