// A whole PostgreSQL of this machine, as Debian installs it: npm's lacks the programs that replication takes.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = '/usr/lib/postgresql'
const OLDEST_MAJOR = 14

/** Where the programs of the newest one are; undefined: none is installed. */
export const INSTALLED_POSTGRES: string | undefined = majors()
  .map((major) => join(ROOT, String(major), 'bin'))
  .find((folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'pg_basebackup')))

function majors(): number[] {
  if (!existsSync(ROOT)) return []
  return readdirSync(ROOT)
    .map(Number)
    .filter((major) => major >= OLDEST_MAJOR)
    .toSorted((one, other) => other - one)
}
