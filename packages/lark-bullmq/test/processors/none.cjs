module.exports = 'no function'
