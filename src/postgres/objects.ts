// The names, without prefix, of all that migrations create in the schema.

import { MIGRATIONS } from './migrations.generated.ts'

const CREATE =
  /create (?:\{\{persistence\}\} |unlogged )?(?<kind>table|view|sequence|function) \{\{(?<name>[a-z_]+)\}\}/g

const created = MIGRATIONS.flatMap(({ sql }) => [...sql.matchAll(CREATE)].map(({ groups }) => groups ?? {}))

const namesOf = (isWanted: (kind: string | undefined) => boolean): readonly string[] => [
  ...new Set(created.filter(({ kind }) => isWanted(kind)).map(({ name }) => name as string)),
]

/** Tables, views and sequences. */
export const RELATION_NAMES: readonly string[] = [...namesOf((kind) => kind !== 'function'), 'migrations']

export const FUNCTION_NAMES: readonly string[] = namesOf((kind) => kind === 'function')

/** Functions may be overloaded: only ours, as `pg_proc p`, pin this search_path. */
export const IS_OURS = `'search_path=pg_catalog, pg_temp' = any (p.proconfig)`
