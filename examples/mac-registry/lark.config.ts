import { defineConfig } from '@s18i/lark'

export default defineConfig({
  jobs: {
    queues: ['default', 'high-priority', 'emails', 'low-priority'],
  },
})
