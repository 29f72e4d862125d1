/** Whether the page is as narrow as on a phone, where the styles show the rows of tables as cards. */
import { signal } from '@preact/signals'

const query = matchMedia('(max-width: 720px)')
export const isPhone = signal(query.matches)
query.addEventListener('change', ({ matches }) => {
  isPhone.value = matches
})
