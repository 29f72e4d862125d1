// Found beside the program, also when that is bundled: without it there would be no queue `greetings`.
export default { jobs: { queues: { greetings: {}, others: {} } } }
