/**
 * DBOS on PostgreSQL, with a pool of 50 connections. A job is a workflow that is called in this process and
 * not put into a queue, because a queue of DBOS searches for new workflows only once a second, so the figure
 * would only show this interval.
 */
import { randomUUID } from 'node:crypto'
import { DBOS } from '@dbos-inc/dbos-sdk'
import pg from 'pg'

export const title = 'DBOS'
export const store = 'postgres'

const logger = { info() {}, debug() {}, warn() {}, error: console.error }

export async function clear({ connection }) {
  const client = new pg.Client(connection)
  await client.connect()
  await client.query('DROP SCHEMA IF EXISTS dbos CASCADE')
  await client.end()
}

/** A workflow of DBOS has no job object, so this class has the methods of a job that the measures call. */
class Workflow {
  step = (name, work) => DBOS.runStep(async () => work(), { name: String(name) })
}

export async function open({ connection }, { kind }) {
  const Kind = kind(Workflow)
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: connection, systemDatabasePoolSize: 50, logger })
  const workflow = DBOS.registerWorkflow((payload) => new Kind().handle(payload), {
    name: `w${randomUUID()}`,
  })
  const waiting = []
  let free = 0
  const next = () => {
    while (free > 0 && waiting.length > 0) {
      free--
      void start(waiting.shift())
    }
  }
  async function start(payload) {
    await workflow(payload)
    free++
    next()
  }
  return {
    async add(payload) {
      waiting.push(payload)
      next()
    },
    async work(concurrency) {
      await DBOS.launch()
      free = concurrency
      return { stop: () => DBOS.shutdown() }
    },
    close: () => DBOS.shutdown(),
  }
}
