// What happens to a cache in production, with real processes, servers, poolers and networks: `npm run test:faults`.

import type { ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = {
  test: {
    include: ['harness/faults/**/*.test.ts'],
    globalSetup: 'test/server.ts',
    setupFiles: 'test/end-of-file.ts',
    pool: 'forks',
    maxWorkers: 2,
    retry: process.env.CI === undefined ? 0 : 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
}

export default config
