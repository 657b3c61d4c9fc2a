// Knows a form for values: a labelled field for each, and beside it what is wrong there.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { visible, visibleLine } from "../visible.js";
import { shortly } from "../value.js";
import { asText, read } from "./reading.js";
import type { Field } from "./schema.js";

interface Props {
  fields: readonly Field[];
  /** Takes the values by name, once all are well. */
  take: (values: Record<string, unknown>) => void;
  button: string;
  disabled: boolean;
  /** What stands beside the button. */
  children?: ComponentChildren;
}

export function Form({ fields, take, button, disabled, children }: Props) {
  const [texts, write] = useState(() => fields.map(asText));
  const [errors, complain] = useState<readonly (string | null)[]>([]);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (errors.some(Boolean)) form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [errors]);
  const submit = (event: Event) => {
    event.preventDefault();
    const answers = fields.map((field, place) => read(field, texts[place] ?? ""));
    const wrong = answers.map((answer) => (answer !== "missing" && "error" in answer ? answer.error : null));
    complain(wrong);
    if (wrong.some(Boolean)) return;
    const given = answers.flatMap((answer, place) =>
      answer !== "missing" && "value" in answer ? [[fields[place]?.name ?? "", answer.value] as const] : [],
    );
    take(Object.fromEntries(given));
  };
  return (
    <form class="lw-form" ref={form} onSubmit={submit} noValidate>
      {fields.map((field, place) => (
        <Labelled
          key={field.name}
          field={field}
          text={texts[place] ?? ""}
          error={errors[place] ?? null}
          write={(text) => write(texts.map((before, other) => (other === place ? text : before)))}
        />
      ))}
      <div class="lw-buttons">
        <button type="submit" class="lw-main" disabled={disabled}>
          {button}
        </button>
        {children}
      </div>
    </form>
  );
}

interface Filled {
  field: Field;
  text: string;
  error: string | null;
  write: (text: string) => void;
}

function Labelled({ field, text, error, write }: Filled) {
  const id = useId();
  const about = [field.hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return (
    <div class={`lw-field lw-field-${field.kind}`}>
      <div class="lw-label">
        <label for={id}>{visibleLine(field.name)}</label>
        {field.required && (
          <span class="lw-required" aria-hidden="true">
            required
          </span>
        )}
      </div>
      <Input
        field={field}
        text={text}
        write={write}
        about={{
          id,
          "aria-describedby": about || undefined,
          "aria-invalid": error !== null,
          "aria-required": field.required,
        }}
      />
      {visible(text) !== text && <p class="lw-hint">With characters that are not seen: {visible(text)}</p>}
      {field.hint && (
        <p id={`${id}-hint`} class="lw-hint">
          {visibleLine(field.hint)}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} class="lw-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

interface About {
  id: string;
  "aria-describedby": string | undefined;
  "aria-invalid": boolean;
  "aria-required": boolean;
}

function Input({
  field,
  text,
  write,
  about,
}: {
  field: Field;
  text: string;
  write: (text: string) => void;
  about: About;
}) {
  switch (field.kind) {
    case "boolean": {
      const { "aria-required": _, ...rest } = about;
      const check = (checked: boolean) => write(checked ? "true" : "");
      return (
        <input
          type="checkbox"
          {...rest}
          checked={text === "true"}
          onChange={(event) => check(event.currentTarget.checked)}
        />
      );
    }
    case "choice":
      return (
        <select {...about} value={text} onChange={(event) => write(event.currentTarget.value)}>
          {(text === "-1" || field.nullable || !field.required) && <option value="-1" />}
          {field.choices.map((choice, place) => (
            <option key={place} value={String(place)}>
              {visibleLine(shortly(choice))}
            </option>
          ))}
        </select>
      );
    case "lines":
    case "json": {
      const rows = Math.min(16, Math.max(2, text.split("\n").length));
      const kind = field.kind === "json" ? "lw-json" : undefined;
      return (
        <textarea
          {...about}
          class={kind}
          rows={rows}
          dir="auto"
          value={text}
          onInput={(event) => write(event.currentTarget.value)}
        />
      );
    }
    default: {
      const mode = field.kind === "line" ? "text" : field.kind === "integer" ? "numeric" : "decimal";
      return (
        <input
          type="text"
          {...about}
          inputMode={mode}
          dir="auto"
          value={text}
          onInput={(event) => write(event.currentTarget.value)}
        />
      );
    }
  }
}
