// The dashboard in the server of Bun, of Deno, or of Nest.
import { dashboard, toNode } from '@s18i/lark-dashboard'
import { createJobs } from '@s18i/lark-jobs'

const port = Number(process.env.PORT)
const board = dashboard({
  jobs: createJobs({ connection: process.env.LARK_JOBS_URL, queues: ['default'] }),
  base: '/admin/jobs',
  authorize({ headers }) {
    const user = headers.get('x-user')
    return user === null ? undefined : { role: 'admin', user }
  },
})

if (process.argv[2] === 'nest') {
  const { Module } = await import('@nestjs/common')
  const { NestFactory } = await import('@nestjs/core')
  class AppModule {}
  Module({})(AppModule)
  const app = await NestFactory.create(AppModule, { logger: false })
  app.use('/admin/jobs', toNode(board))
  await app.listen(port)
} else if (globalThis.Bun !== undefined) globalThis.Bun.serve({ port, fetch: board })
else globalThis.Deno.serve({ port }, board)
console.log('listening')
