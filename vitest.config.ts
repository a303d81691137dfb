import type { ViteUserConfig } from 'vitest/config'
import { mutantModules } from './test/model/mutant-modules.ts'

const config: ViteUserConfig = {
  plugins: [mutantModules()],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/server.ts',
    setupFiles: 'test/end-of-file.ts',
    pool: 'forks',
    maxWorkers: 2,
    // Real processes, real time: a machine that is busy with others may miss a deadline once, and a fault will not go away.
    retry: process.env.CI === undefined ? 0 : 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
}

export default config
