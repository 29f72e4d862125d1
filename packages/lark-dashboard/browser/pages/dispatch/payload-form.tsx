/**
 * A payload as a form. Each change of a field is written into the JSON text of the payload, and this text is
 * sent.
 */
import type { PayloadField } from './payload-fields.ts'

interface PayloadFormProps {
  fields: readonly PayloadField[]
  payload: Readonly<Record<string, unknown>>
  onChange(payload: Record<string, unknown>): void
}

export function PayloadForm({ fields, payload, onChange }: PayloadFormProps) {
  const set = (name: string, value: unknown) => {
    const { [name]: _, ...others } = payload
    onChange(value === undefined ? others : { ...others, [name]: value })
  }
  return (
    <div class="form-fields">
      {fields.map((field) => (
        // biome-ignore lint/a11y/noLabelWithoutControl: FieldInput is its control
        <label key={field.name}>
          <span>
            {field.name}
            {!field.isNeeded && <span class="quiet"> (optional)</span>}
          </span>
          <FieldInput field={field} value={payload[field.name]} onValue={(value) => set(field.name, value)} />
          {field.words !== '' && <span class="quiet small">{field.words}</span>}
        </label>
      ))}
    </div>
  )
}

interface FieldInputProps {
  field: PayloadField
  value: unknown
  /** Called with the new value, or with undefined if the field is to be left out. */
  onValue(value: unknown): void
}

function FieldInput({ field: { kind, values, isNeeded }, value, onValue }: FieldInputProps) {
  if (kind === 'flag')
    return (
      <select
        value={String(value ?? '')}
        onChange={({ currentTarget }) =>
          onValue(currentTarget.value === '' ? undefined : currentTarget.value === 'true')
        }
      >
        <option value="">{isNeeded ? 'choose' : 'left out'}</option>
        <option value="true">true</option>
        <option value="false">false</option>
      </select>
    )
  if (kind === 'choice')
    return (
      <select
        value={String(value ?? '')}
        onChange={({ currentTarget }) => onValue(values.find((each) => String(each) === currentTarget.value))}
      >
        <option value="">{isNeeded ? 'choose' : 'left out'}</option>
        {values.map((each) => (
          <option key={each} value={String(each)}>
            {each}
          </option>
        ))}
      </select>
    )
  return (
    <input
      type="text"
      inputMode={kind === 'number' ? 'decimal' : undefined}
      value={value === undefined ? '' : String(value)}
      onInput={({ currentTarget: { value: text } }) => {
        if (text === '' && (kind === 'number' || !isNeeded)) return onValue(undefined)
        // A text that is not a number is sent unchanged, and the schema of the class refuses the text with a
        // message.
        onValue(kind === 'number' && text.trim() !== '' && Number.isFinite(+text) ? +text : text)
      }}
    />
  )
}
