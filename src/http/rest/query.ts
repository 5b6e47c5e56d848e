/** The parameters of a request: each known, given once, and in its range, or the request is refused naming it. */
import { ApiError } from '../../protocol/errors.ts'

export class Query {
  readonly #values = new Map<string, string[]>()

  /** `repeatable`: those that may be there more than once. Throws `ApiError` `INVALID_REQUEST`. */
  constructor(given: URLSearchParams, known: readonly string[], repeatable: readonly string[] = []) {
    for (const [name, value] of given) {
      const isRepeatable = repeatable.includes(name)
      if (!isRepeatable && !known.includes(name)) {
        const all = [...known, ...repeatable].join(', ')
        throw new ApiError('INVALID_REQUEST', `There is no parameter ${name.slice(0, 40)}; there are ${all}.`)
      }
      const values = this.#values.get(name)
      if (values === undefined) this.#values.set(name, [value])
      else if (isRepeatable) values.push(value)
      else throw new ApiError('INVALID_REQUEST', `The parameter ${name} is there twice.`)
    }
  }

  text(name: string): string | null {
    return this.#values.get(name)?.[0] ?? null
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  /** A whole number in [min, max]; `null` when it is not there. */
  number(name: string, { min, max }: { readonly min: number; readonly max: number }): number | null {
    const text = this.text(name)
    if (text === null) return null
    const number = wholeNumber(text)
    if (number === null || number < min || number > max) {
      throw new ApiError('INVALID_REQUEST', `${name} is a whole number from ${min} to ${max}.`)
    }
    return number
  }

  oneOf<T extends string>(name: string, known: readonly T[], fallback: T): T {
    const text = this.text(name)
    if (text === null) return fallback
    const found = known.find(each => each === text)
    if (found === undefined) throw new ApiError('INVALID_REQUEST', `${name} is one of ${known.join(', ')}.`)
    return found
  }
}

/** `null` for what is not written as digits, or is more than a number can hold exactly. */
export function wholeNumber(text: string): number | null {
  if (!/^\d{1,16}$/.test(text)) return null
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : null
}
