/**
 * Removes `item` from `list` and keeps the order of the rest; `false` if it is not there. For short lists whose members
 * mostly leave in the order in which they came. A `Set` is the wrong home for what comes and goes with every request
 * (decision 0019).
 */
export function removeFrom<T>(list: T[], item: T): boolean {
  const at = list.indexOf(item)
  if (at < 0) return false
  if (at === 0) list.shift()
  else list.splice(at, 1)
  return true
}
