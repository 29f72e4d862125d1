/**
 * The counts beside the places: only where they mean trouble.
 */
import { computed } from '@preact/signals'
import { healthOf } from '../data/health.ts'
import { snapshot } from '../data/live.ts'

export const troubles = computed<Readonly<Record<string, { count: number; title: string } | undefined>>>(
  () => {
    const queues = snapshot.value?.queues ?? []
    const sick = queues.filter((queue) => ['still', 'failing', 'late'].includes(healthOf(queue).kind)).length
    return {
      ...(sick > 0 && { queues: { count: sick, title: 'Queues that stand still, fail or are late' } }),
    }
  },
)
