// The wording of every refusal: Expected `ttl` to be a positive duration, got `-5` (number)

const MAX_SHOWN_CHARACTERS = 64 // enough to recognise a value, short enough for a log line

export function expected(name: string, rule: string, value: unknown): string {
  return `Expected \`${name}\` to be ${rule}, got ${describe(value)}`
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return `\`${value}\``
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object') return `\`${Object.prototype.toString.call(value).slice(8, -1)}\` (object)`
  if (typeof value === 'string') return `\`${quote(value)}\` (string)`
  return `\`${String(value)}\` (${typeof value})`
}

// JSON's escapes show NUL and lone surrogates, the very characters some values are refused for.
function quote(text: string): string {
  if (text.length <= MAX_SHOWN_CHARACTERS) return JSON.stringify(text)
  return `${JSON.stringify(text.slice(0, MAX_SHOWN_CHARACTERS))}… of ${text.length} characters`
}
