/**
 * The frame around each page: the bar at the top with the state of the data, and the list of pages at the
 * left.
 */
import { effect } from '@preact/signals'
import { useState } from 'preact/hooks'
import { age, away, cutOff, snapshot, stale } from '../data/live.ts'
import { href, route } from '../data/route.ts'
import { stranger, viewer } from '../data/viewer.ts'
import { Icon, type IconName } from '../parts/icon.tsx'
import { duration } from '../parts/numbers.ts'
import { Moment } from '../parts/time.tsx'
import { visible } from '../parts/visible.ts'
import { KeyList } from './key-list.tsx'
import { isListOpen, isPaletteOpen, listenKeys } from './keys.ts'
import { Notices } from './notices.tsx'
import { Palette } from './palette.tsx'
import { places, shownPlaces } from './places.ts'
import { chosenTheme, switchTheme } from './theme.ts'
import { troubles } from './troubles.ts'

listenKeys()

effect(() => {
  const title = places.find(({ page }) => page === route.value.page)?.title ?? 'Not found'
  document.title = visible([...route.value.rest.slice(0, 1), title, 'Lark'].join(' · '))
})

export function Frame() {
  return (
    <div class="frame">
      <a class="skip" href="#content">
        To the content
      </a>
      <TopBar />
      <Places />
      <main id="content" tabIndex={-1}>
        <StateOfData />
        <div class={stale.value ? 'stale' : undefined}>
          <OpenPage />
        </div>
      </main>
      <Notices />
      {isPaletteOpen.value && <Palette />}
      {isListOpen.value && <KeyList />}
    </div>
  )
}

function OpenPage() {
  const { page } = route.value
  const Shown = places.find((place) => place.page === page)?.show
  if (stranger.value !== undefined)
    return (
      <p class="problem" role="alert">
        {stranger.value.message}
        {stranger.value.hint !== undefined && `. ${stranger.value.hint}`}
      </p>
    )
  if (Shown === undefined)
    return (
      <>
        <h1>Not found</h1>
        <p>
          There is no page {page}. <a href={href('overview')}>Overview</a>
        </p>
      </>
    )
  return <Shown />
}

function TopBar() {
  const { environment, colour } = document.documentElement.dataset
  const { user, role } = viewer.value ?? {}
  return (
    <header class="top">
      <a class="brand" href={href('overview')} title="Overview">
        <img src="icon.svg" width="18" height="18" alt="" /> Lark
      </a>
      {environment !== undefined && <span class={`environment environment-${colour}`}>{environment}</span>}
      <span class="store cut" title={snapshot.value?.store}>
        {snapshot.value?.store}
      </span>
      <span class="spread" />
      <Age />
      <button type="button" class="find" aria-label="Search" onClick={() => (isPaletteOpen.value = true)}>
        <Icon name="search" /> <span class="find-word">Search</span> <kbd>/</kbd>
      </button>
      <button
        type="button"
        class="plain"
        title={`Theme: ${chosenTheme.value}`}
        aria-label={`Theme: ${chosenTheme.value}`}
        onClick={switchTheme}
      >
        <Icon name="theme" />
      </button>
      {user !== undefined && (
        <span class="viewer quiet small">
          {user} · {role}
        </span>
      )}
    </header>
  )
}

/** Shows the age of the data if the data are too old. */
function Age() {
  if (age.value === undefined || away.value !== undefined || cutOff.value !== undefined) return null
  return (
    <span class="age warn small" title="Since the last answer of the store">
      <Icon name="clock" /> {duration(age.value)} old
    </span>
  )
}

function StateOfData() {
  if (cutOff.value !== undefined)
    return (
      <p class="problem" role="alert">
        The server of the dashboard has not answered since <Moment at={cutOff.value} />. What you see is from
        then; it goes on by itself.
      </p>
    )
  if (away.value !== undefined)
    return (
      <p class="problem" role="alert">
        The store is away since <Moment at={away.value.since} />: {away.value.message}. What you see is from
        then; it goes on by itself.
      </p>
    )
  return null
}

function Places() {
  const counts = troubles.value
  const [isWhole, setWhole] = useState(false)
  return (
    <nav class={isWhole ? 'places places-whole' : 'places'} aria-label="Pages">
      <ul>
        {shownPlaces.value.map(({ page, title }) => {
          const trouble = counts[page]
          return (
            <li key={page}>
              <a
                href={href(page)}
                aria-current={route.value.page === page ? 'page' : undefined}
                onClick={() => setWhole(false)}
              >
                <Icon name={page as IconName} />
                <span class="place-title">{title}</span>
                {trouble !== undefined && (
                  <span class="place-count bad" title={trouble.title}>
                    {trouble.count}
                  </span>
                )}
              </a>
            </li>
          )
        })}
      </ul>
      <button
        type="button"
        class="plain places-more"
        aria-expanded={isWhole}
        onClick={() => setWhole(!isWhole)}
      >
        <Icon name="queues" />
        <span class="place-title">More</span>
      </button>
    </nav>
  )
}
