/**
 * Holds the write lock of an embedded store, with a change that it never commits, until it is killed.
 */
import './leash.js'
import Driver from 'libsql'
import { write } from './journal.js'

const driver = new Driver(process.env.CHAOS_STORE.slice('sqlite:'.length))
driver.exec('PRAGMA busy_timeout = 5000')
driver.exec('BEGIN IMMEDIATE')
driver.exec('CREATE TABLE chaos (a)')
write('ready')
// Keeps the process alive.
setInterval(() => {}, 60_000)
