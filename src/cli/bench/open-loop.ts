/**
 * An open loop: sends are due on a fixed schedule, whether or not the cluster has answered the earlier ones, and their
 * latency counts from when they were due. A stall then delays all that was due meanwhile and is seen as often as a user
 * would see it (coordinated omission, corrected).
 *
 * Node's timers tell whole milliseconds, which is more than most of the latencies here. The beat comes from a thread that
 * sleeps to the fraction of a millisecond; the event loop hears of it by a message, and costs no core as spinning would.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

export interface Schedule {
  readonly sendsPerSecond: number
  /** Sends that may be unanswered. What is due beyond waits, and its wait counts. */
  readonly unansweredMax: number
  /** Called no earlier than `dueAt` (of `performance.now()`). `null`: the load is over. */
  readonly onDue: (dueAt: number) => Promise<void> | null
}

/** What is due within one beat is sent together: a beat for each record of a high rate would cost more than the records. */
const beatMsMin = 0.25
/**
 * A message from the thread is a fifth of a millisecond on its way. At low rates, where that is much beside what is
 * measured, it sets out earlier, and whoever hears it too early looks at the clock until it is time.
 */
const leadMs = 0.2
const leadPeriodMsMin = 1

/** Resolves when the load is over and everything is answered; rejects with the first failure. */
export async function runOpenLoop({ sendsPerSecond, unansweredMax, onDue }: Schedule): Promise<void> {
  const intervalMs = 1_000 / sendsPerSecond
  await using beat = await startBeat(Math.max(intervalMs, beatMsMin))
  let sends = 0
  let unanswered = 0
  await new Promise<void>((resolve, reject) => {
    let isOver = false
    const onAnswer = (): void => {
      unanswered--
      if (isOver && unanswered === 0) resolve()
    }
    beat.onBeat(() => {
      let now = performance.now()
      const nextAt = beat.startedAt + sends * intervalMs
      if (nextAt - now <= leadMs) while (now < nextAt) now = performance.now()
      while (!isOver && unanswered < unansweredMax) {
        const dueAt = beat.startedAt + sends * intervalMs
        if (dueAt > now) return
        const answered = onDue(dueAt)
        if (answered === null) {
          isOver = true
          if (unanswered === 0) resolve()
          return
        }
        sends++
        unanswered++
        answered.then(onAnswer, reject)
      }
    })
  })
}

interface Beat extends AsyncDisposable {
  readonly startedAt: number
  onBeat(listener: () => void): void
}

/** Runs in the thread. Cell 0: a beat is on its way that nobody has heard; cell 1: the end. */
const beatSource = `
const { parentPort, workerData: { cells, firstMs, periodMs } } = require('node:worker_threads')
const now = () => Number(process.hrtime.bigint()) / 1e6
let at = firstMs
while (Atomics.wait(cells, 1, 0, Math.max(0, at - now())) === 'timed-out') {
  if (Atomics.exchange(cells, 0, 1) === 0) parentPort.postMessage(null)
  at += periodMs * Math.max(1, Math.ceil((now() - at) / periodMs))
}
`

/** Beats at `startedAt` and every `periodMs` from there; those that come while one has not been heard are left out. */
async function startBeat(periodMs: number): Promise<Beat> {
  const cells = new Int32Array(new SharedArrayBuffer(8))
  // A thread takes a while to start, which must not be seen as lateness of the first sends.
  const startMs = 100
  const startedAt = performance.now() + startMs
  const firstMs = Number(process.hrtime.bigint()) / 1e6 + startMs - (periodMs < leadPeriodMsMin ? 0 : leadMs)
  const worker = new Worker(beatSource, { eval: true, workerData: { cells, firstMs, periodMs } })
  const ended = once(worker, 'exit')
  return {
    startedAt,
    onBeat(listener) {
      worker.on('message', () => {
        Atomics.store(cells, 0, 0)
        listener()
      })
    },
    async [Symbol.asyncDispose]() {
      Atomics.store(cells, 1, 1)
      Atomics.notify(cells, 1)
      await ended
    },
  }
}
