/**
 * A Prisma client without `prisma generate`, which needs the network. The client has a schema with one model,
 * and is made in the same way as a generated file makes it. The runtime is that of `@prisma/client`.
 */
import { createRequire } from 'node:module'

// Node has this global, but the types of Node do not declare it.
declare const WebAssembly: { Module: (...args: never[]) => unknown }

interface PrismaClient {
  $queryRawUnsafe(sql: string, ...parameters: unknown[]): Promise<unknown>
  $transaction(act: (tx: object) => Promise<unknown>): Promise<unknown>
  $disconnect(): Promise<void>
}

export async function prismaClient(adapter: unknown): Promise<PrismaClient> {
  const require = createRequire(import.meta.url)
  const { getPrismaClient } = require('@prisma/client/runtime/client')
  const { wasm } = require('@prisma/client/runtime/query_compiler_fast_bg.postgresql.wasm-base64.js')
  const Client = getPrismaClient({
    previewFeatures: [],
    clientVersion: '7.10.0',
    engineVersion: 'none',
    activeProvider: 'postgresql',
    inlineSchema:
      'generator client {\n provider = "prisma-client"\n}\ndatasource db {\n provider = "postgresql"\n}\nmodel Session {\n id Int @id\n}\n',
    runtimeDataModel: {
      models: {
        Session: {
          dbName: null,
          fields: [{ name: 'id', kind: 'scalar', type: 'Int', isId: true }],
          uniqueFields: [],
        },
      },
      enums: {},
      types: {},
    },
    // An empty graph.
    parameterizationSchema: { strings: [], graph: 'AAAAAA' },
    compilerWasm: {
      getRuntime: async () => require('@prisma/client/runtime/query_compiler_fast_bg.postgresql.js'),
      getQueryCompilerWasmModule: async () =>
        Reflect.construct(WebAssembly.Module, [Buffer.from(wasm, 'base64')]),
      importName: './query_compiler_fast_bg.js',
    },
  })
  return new Client({ adapter })
}
