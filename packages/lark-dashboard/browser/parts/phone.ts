/** Whether the page is as narrow as that of a phone, where the rows of tables are cards: as in the styles. */
import { signal } from '@preact/signals'

const query = matchMedia('(max-width: 720px)')
export const isPhone = signal(query.matches)
query.addEventListener('change', ({ matches }) => {
  isPhone.value = matches
})
