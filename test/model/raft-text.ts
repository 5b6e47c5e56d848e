/** States of the model as a person reads them: servers are 1, 2, 3; entries `term:content`. */
import { contentAt, firstConfiguration, type Log, noop, type State, termAt } from './raft-state.ts'

export function describeLog(log: Log): string {
  const entries: string[] = []
  for (let index = 1; index <= log.length; index++) {
    const content = contentAt(log, index)
    const isConfiguration = content >= firstConfiguration
    const text = isConfiguration
      ? `config${content - firstConfiguration}`
      : content === noop
        ? 'noop'
        : `value${content}`
    entries.push(`${termAt(log, index)}:${text}`)
  }
  return entries.join(' ') || 'nothing'
}

export function describeState({ servers, committed }: State): string {
  const parts = servers.map(({ role, term, log, flushedCount }, i) => {
    const unwritten = log.length > flushedCount ? ` (${log.length - flushedCount} not on disk)` : ''
    return `${i + 1} ${role} in ${term} [${describeLog(log)}]${unwritten}`
  })
  return `${parts.join(', ')}; committed [${describeLog(committed)}]`
}
