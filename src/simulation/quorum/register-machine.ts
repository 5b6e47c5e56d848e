/**
 * What the simulated quorum replicates: a map of registers, with client sessions that give a repeated request its first
 * answer. Its state carries a hash of everything that was ever applied, so equal hashes mean equal histories.
 */
import type { CommittedEntry, StateMachine } from '../../quorum/types.ts'
import { crc32c } from '../../util/crc32c.ts'
import type { LogIndex, NodeId } from '../../util/numbers.ts'
import type { RegisterOutput } from '../linearizability-models.ts'

export interface Command {
  readonly client: string
  /** Rises with each operation of the client; the same for every attempt at it. */
  readonly request: number
  readonly key: string
  /** `undefined`: written whatever it was. */
  readonly from?: string | null
  readonly to: string
}

interface Session {
  request: number
  answer: RegisterOutput
}

/** Hears of everything the machine does. */
export interface MachineWatcher {
  /** `hash` stands for everything applied up to `index`. */
  applied(member: NodeId, index: LogIndex, hash: number): void
  /** A command took effect: for the first and only time, if sessions do what they promise. */
  executed(member: NodeId, index: LogIndex, command: Command): void
  answeredAgain(member: NodeId, command: Command): void
  restored(member: NodeId, index: LogIndex, hash: number): void
}

interface State {
  values: Record<string, string>
  sessions: Record<string, Session>
  hash: number
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export function encodeCommand(command: Command): Uint8Array {
  return encoder.encode(JSON.stringify(command))
}

export class RegisterMachine implements StateMachine {
  readonly #id: NodeId
  readonly #watcher: MachineWatcher
  readonly #pieceBytes: number
  #state: State = { values: {}, sessions: {}, hash: 0 }

  /** `pieceBytes`: the size of the pieces in which a snapshot is handed out. */
  constructor(id: NodeId, watcher: MachineWatcher, pieceBytes: number) {
    this.#id = id
    this.#watcher = watcher
    this.#pieceBytes = pieceBytes
  }

  get hash(): number {
    return this.#state.hash
  }

  read(key: string): string | null {
    return this.#state.values[key] ?? null
  }

  /** What `request` of `client` was answered; `undefined` when it is not the last one. */
  answerTo(client: string, request: number): RegisterOutput | undefined {
    const session = this.#state.sessions[client]
    return session?.request === request ? session.answer : undefined
  }

  apply(entries: readonly CommittedEntry[]): void {
    for (const { index, term, data } of entries) {
      const state = this.#state
      state.hash = (Math.imul(state.hash ^ crc32c(data, 0, data.length), 0x01000193) + index * 31 + term) >>> 0
      this.#execute(index, JSON.parse(decoder.decode(data)))
      this.#watcher.applied(this.#id, index, state.hash)
    }
  }

  /** The state as it is now; what is applied while the pieces are pulled is not in it. */
  snapshot(): Iterable<Uint8Array> {
    return piecesOf(encoder.encode(JSON.stringify(this.#state)), this.#pieceBytes)
  }

  *restore(snapshot: Uint8Array, lastIndex: LogIndex): Iterable<void> {
    for (let at = 0; at < snapshot.length; at += this.#pieceBytes) yield
    const state: State = JSON.parse(decoder.decode(snapshot))
    this.#state = state
    this.#watcher.restored(this.#id, lastIndex, state.hash)
  }

  #execute(index: LogIndex, command: Command): void {
    const { values, sessions } = this.#state
    const session = sessions[command.client]
    if (session !== undefined && command.request <= session.request) {
      this.#watcher.answeredAgain(this.#id, command)
      return
    }
    const isCas = command.from !== undefined
    const isDone = !isCas || (values[command.key] ?? null) === command.from
    if (isDone) values[command.key] = command.to
    sessions[command.client] = { request: command.request, answer: isCas ? isDone : null }
    this.#watcher.executed(this.#id, index, command)
  }
}

function* piecesOf(bytes: Uint8Array, pieceBytes: number): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}
