#!/usr/bin/env node
// Not the built file itself: npm links a program when it installs, and in a fresh clone nothing is built by then.
import '../dist/bin.js'
