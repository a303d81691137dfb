// Compiles src to dist. The old dist stays in place until the new one is complete.

import { spawnSync } from 'node:child_process'
import { chmodSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
const fresh = join(root, `.dist-${process.pid}`)
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')

const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', fresh], {
  cwd: root,
  stdio: 'inherit',
})
if (status === 0) {
  rmSync(dist, { recursive: true, force: true })
  renameSync(fresh, dist)
  chmodSync(join(dist, 'cli/main.js'), 0o755)
} else {
  rmSync(fresh, { recursive: true, force: true })
  process.exitCode = 1
}
