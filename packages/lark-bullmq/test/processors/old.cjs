// A processor of CommonJS, as TypeScript compiles it.
Object.defineProperty(exports, '__esModule', { value: true })
exports.default = (job) => Promise.resolve(job.data.n + 1)
