// Embeds sql/NNNN_name.sql as src/postgres/migrations.generated.ts, so that the published package reads no files.
// With --check it only tells whether the committed module is current.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const SQL = new URL('../sql/', import.meta.url)
const OUTPUT = new URL('../src/postgres/migrations.generated.ts', import.meta.url)
const FILE_NAME = /^(\d{4})_([a-z0-9_]+)\.sql$/
/** Files of sql/ that are no migrations. */
const DUMP = 'schema.sql'
const BREAKING = '--! breaking\n'

interface Source {
  readonly version: number
  readonly name: string
  readonly sql: string
}

function readMigrations(): Source[] {
  const files = readdirSync(SQL).filter((file) => file.endsWith('.sql') && file !== DUMP)
  const sources = files.toSorted().map((file) => {
    const [, number, name] = FILE_NAME.exec(file) ?? []
    if (!number || !name) throw new Error(`Expected sql/${file} to be named like 0001_name.sql`)
    const sql = readFileSync(new URL(file, SQL), 'utf8').replaceAll('\r\n', '\n')
    // A database in LATIN1 refuses it, in a comment too.
    const [foreign] = /[^\0-\x7f]/.exec(sql) ?? []
    if (foreign !== undefined) throw new Error(`Expected sql/${file} to be in ASCII, got ${foreign}`)
    return { version: Number(number), name, sql }
  })
  for (const [index, { version, name }] of sources.entries()) {
    if (version !== index + 1) throw new Error(`Expected migration ${index + 1} before ${version} (${name})`)
  }
  return sources
}

function render(sources: readonly Source[]): string {
  return `// Made by scripts/embed-sql.ts from the files in sql/. Change those and run \`npm run build\`.

export interface Migration {
  readonly version: number
  readonly name: string
  /** Whether a library that does not know this migration must refuse to work on a schema that has it. */
  readonly breaking: boolean
  /** With its {{placeholders}}. */
  readonly sql: string
}

export const MIGRATIONS: readonly Migration[] = [
${sources.map(renderMigration).join('\n')}
]
`
}

function renderMigration({ version, name, sql }: Source): string {
  return `  {
    version: ${version},
    name: '${name}',
    breaking: ${sql.startsWith(BREAKING)},
    sql: \`${sql.replaceAll(/[\\`]|\$\{/g, String.raw`\$&`)}\`,
  },`
}

const rendered = render(readMigrations())
if (!process.argv.includes('--check')) {
  writeFileSync(OUTPUT, rendered)
} else if (readFileSync(OUTPUT, 'utf8') !== rendered) {
  console.error(
    'src/postgres/migrations.generated.ts is not what sql/ says: run `npm run build` and commit it',
  )
  process.exitCode = 1
}
