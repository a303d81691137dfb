// The wording of every refusal: Expected `ttl` to be a positive duration, got `-5` (number)

import { inspect } from 'node:util'

const MAX_SHOWN_CHARACTERS = 64 // enough to recognise a value, short enough for a log line

export function expected(name: string, rule: string, value: unknown): string {
  return `Expected \`${name}\` to be ${rule}, got ${describe(value)}`
}

// Objects are named, never opened: they may hold passwords. Escapes show the NUL or lone surrogate refused in a string.
function describe(value: unknown): string {
  const shown = inspect(value, { depth: -1, customInspect: false, maxStringLength: MAX_SHOWN_CHARACTERS })
  return value === null || value === undefined ? `\`${shown}\`` : `\`${shown}\` (${typeof value})`
}
