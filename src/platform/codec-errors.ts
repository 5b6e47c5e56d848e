/** The two ways in which compressed records are refused. */
import { CorruptionError } from '../util/errors.ts'

export function tooLarge(codec: string, sizeMax: number): CorruptionError {
  return new CorruptionError('compressed records', `${codec}: would be larger than ${sizeMax} bytes`)
}

export function damaged(codec: string, message: string, cause?: unknown): CorruptionError {
  return new CorruptionError('compressed records', `${codec}: ${message}`, { cause })
}
