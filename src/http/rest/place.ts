/** Topic and partition of a path. */
import { ApiError } from '../../protocol/errors.ts'
import type { Exchange } from '../exchange.ts'
import { wholeNumber } from './query.ts'

const int32Max = 2 ** 31 - 1

/** Throws `ApiError` `INVALID_REQUEST`. */
export function partitionOf({ params }: Exchange): number {
  const partition = wholeNumber(params.partition!)
  if (partition === null || partition > int32Max) {
    throw new ApiError('INVALID_REQUEST', 'A partition is a whole number from 0.')
  }
  return partition
}
