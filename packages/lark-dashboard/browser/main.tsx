/**
 * The dashboard in the browser.
 */
import { render } from 'preact'
import { startClock } from './data/clock.ts'
import { takeKey } from './data/key.ts'
import { listenLive } from './data/live.ts'
import { followLinks } from './data/route.ts'
import { meetViewer } from './data/viewer.ts'
import { Frame } from './frame/frame.tsx'
import { watchTroubles } from './frame/troubles.ts'
import { showControls } from './parts/visible.ts'

takeKey()
showControls()
followLinks()
startClock()
listenLive()
watchTroubles()
void meetViewer()
render(<Frame />, document.body)
