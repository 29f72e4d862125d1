// The program finds this file beside it, even if the program is bundled. Without it there would be no queue
// `greetings`.
export default { jobs: { queues: { greetings: {}, others: {} } } }
