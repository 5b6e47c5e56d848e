/** Between two events of a simulation every promise that can move, moves; Node does that between two immediates. */

/** Immediates planned at once: a turn of the event loop is dear, the step from one to the next is not. */
const batch = 64

/** Calls `event` until it answers false. It must not throw. */
export function turns(event: () => boolean): Promise<void> {
  return new Promise(resolve => {
    let left = 0
    let isOver = false
    const run = (): void => {
      if (!isOver) isOver = !event()
      if (--left > 0) return
      if (isOver) resolve()
      else plan()
    }
    const plan = (): void => {
      left = batch
      for (let i = 0; i < batch; i++) setImmediate(run)
    }
    plan()
  })
}
