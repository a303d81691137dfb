// What takes servers that npm does not have: `npm run test:faults`.

import type { ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = {
  test: {
    include: ['test/faults/**/*.test.ts'],
    setupFiles: 'test/end-of-file.ts',
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
}

export default config
