/**
 * A page that is loaded when it is first opened.
 */
import { signal } from '@preact/signals'
import type { ComponentType } from 'preact'
import { Empty } from '../parts/empty.tsx'

/** @param load imports a file whose default export is the page */
export function lazy(load: () => Promise<{ default: ComponentType }>): ComponentType {
  const loaded = signal<ComponentType | undefined>(undefined)
  const failed = signal(false)
  let begun = false
  const begin = () => {
    begun = true
    failed.value = false
    load().then(
      (file) => {
        loaded.value = file.default
      },
      () => {
        begun = false
        failed.value = true
      },
    )
  }
  return function LazyPage() {
    const Page = loaded.value
    if (Page !== undefined) return <Page />
    if (failed.value)
      return (
        <p class="problem" role="alert">
          This page could not be loaded.{' '}
          <button type="button" class="plain" onClick={begin}>
            Try again
          </button>
        </p>
      )
    if (!begun) begin()
    return <Empty>Loading …</Empty>
  }
}
