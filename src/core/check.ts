// Checks of option values. Each returns what it was given, or throws `invalid-option` naming option, rule and value.

import { CacheError } from './errors.ts'
import { expected } from './expected.ts'
import { nearest } from './nearest.ts'

/**
 * The given options over the defaults, all values still unchecked; undefined means the default. Refuses names that have
 * none, where a misspelt option would silently be ignored. `elsewhere`: what to say of names that other libraries have.
 */
export function fillDefaults<N extends string>(
  given: unknown,
  defaults: Readonly<Record<N, unknown>>,
  path?: string,
  elsewhere: Readonly<Record<string, string>> = {},
): Record<N, unknown> {
  const named = checkObject(given, path)
  const filled = { ...defaults } as Record<string, unknown>
  for (const [name, value] of Object.entries(named)) {
    if (!Object.hasOwn(defaults, name)) throw unknownOption(name, Object.keys(defaults), path, elsewhere)
    if (value !== undefined) filled[name] = value
  }
  return filled
}

/** A ttl in the place of options would silently be ignored. */
export function checkObject<T>(given: T, path = 'options'): T & object {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given
  throw new CacheError('invalid-option', `Expected \`${path}\` to be an object, got ${typeName(given)}`, {
    option: path,
  })
}

/** Refuses names that are not among the known ones. */
export function checkNames(given: object, known: Readonly<Record<string, unknown>>): void {
  checkObject(given)
  for (const name in given) {
    if (!Object.hasOwn(known, name)) throw unknownOption(name, Object.keys(known))
  }
}

export function checkInteger(value: unknown, option: string, min: number, max?: number): number {
  const isWithin = typeof value === 'number' && Number.isSafeInteger(value) && value >= min
  if (isWithin && (max === undefined || value <= max)) return value
  throw invalid(
    option,
    max === undefined ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`,
    value,
  )
}

export function checkOneOf<const T extends string>(value: unknown, option: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value)
  if (found !== undefined) return found
  throw invalid(option, `one of ${allowed.map((one) => `'${one}'`).join(', ')}`, value)
}

export function checkBoolean(value: unknown, option: string): boolean {
  if (typeof value === 'boolean') return value
  throw invalid(option, 'true or false', value)
}

export function invalid(option: string, rule: string, value: unknown): CacheError {
  return new CacheError('invalid-option', expected(option, rule, value), { option })
}

function unknownOption(
  name: string,
  known: readonly string[],
  path?: string,
  elsewhere: Readonly<Record<string, string>> = {},
): CacheError {
  const within = path === undefined ? '' : `${path}.`
  const option = within + name
  const own = Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined
  const advice = own ?? adviseOn(name, known, within)
  return new CacheError('invalid-option', `Unknown option \`${option}\`: ${advice}`, { option })
}

function adviseOn(name: string, known: readonly string[], within: string): string {
  const meant = nearest(name, known)
  return meant === undefined ? `expected one of ${known.join(', ')}` : `did you mean \`${within}${meant}\`?`
}

// The value itself is not shown: a connection string in the place of options holds a password.
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}
