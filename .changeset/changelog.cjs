// The lines of a changelog: the text of each changeset, and nothing of packages that only go along with it.
const getReleaseLine = async ({ summary }) => `- ${summary.trim().replaceAll('\n', '\n  ')}`
const getDependencyReleaseLine = async () => ''

module.exports = { getReleaseLine, getDependencyReleaseLine }
