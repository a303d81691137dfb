// What the values of a namespace look like, as a Standard Schema says: asked on the way out of the store, because what was stored by another release
// may look otherwise.

import { invalid } from './core/check.ts'
import { CacheError } from './core/errors.ts'

/** The part of a Standard Schema (https://standardschema.dev) that is used: zod, valibot, arktype and others are such. */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] }

export class Shape {
  readonly #schema: StandardSchema
  readonly #report: (error: CacheError) => void

  /** `report` hears of what does not fit. */
  constructor(schema: unknown, report: (error: CacheError) => void) {
    if (!isSchema(schema))
      throw invalid('schema', 'a Standard Schema, such as those of zod, valibot and arktype', schema)
    this.#schema = schema
    this.#report = report
  }

  /** The value as the schema makes it; undefined, as for a miss, where it does not fit. `key`: as it is stored. */
  fit(key: string, value: unknown): unknown {
    if (value === undefined) return undefined
    const result = this.#schema['~standard'].validate(value)
    if (result instanceof Promise) {
      result.catch(() => {})
      throw invalid('schema', 'a schema that validates at once, without a promise', this.#schema)
    }
    if (result.issues === undefined) return result.value
    const issues = result.issues.map(({ message }) => message).join('; ')
    const message = `the value of key ${JSON.stringify(key)} does not fit the schema of its namespace: stored, it is a miss; just loaded, it is handed out as it is: ${issues}`
    this.#report(new CacheError('invalid-value', message, { key }))
    return undefined
  }
}

function isSchema(given: unknown): given is StandardSchema {
  const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function'
  if (!isObject || !('~standard' in given)) return false
  const standard = given['~standard'] as Partial<StandardSchema['~standard']> | null
  return typeof standard?.validate === 'function'
}
