// Knows how a person says something else in place of what they said.

import { useId, useState } from "preact/hooks";

interface Props {
  text: string;
  send: (text: string) => void;
  back: () => void;
  busy: boolean;
  trouble: string | null;
}

export function Rewrite({ text, send, back, busy, trouble }: Props) {
  const id = useId();
  const [said, say] = useState(text);
  const submit = (event: Event) => {
    event.preventDefault();
    if (said.trim() && !busy) send(said);
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "Escape") back();
    // While a word is being composed, Enter belongs to that.
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
  };
  const focus = (element: HTMLTextAreaElement | null) => {
    if (element && document.activeElement !== element) element.focus();
  };
  return (
    <form class="lw-form lw-rewrite" onSubmit={submit}>
      <div class="lw-field">
        <label for={id}>Say instead</label>
        <textarea
          id={id}
          ref={focus}
          rows={Math.min(12, Math.max(2, text.split("\n").length))}
          dir="auto"
          value={said}
          onInput={(event) => say(event.currentTarget.value)}
          onKeyDown={press}
        />
      </div>
      <p class="lw-hint">What came after it is dropped.</p>
      <div class="lw-buttons">
        <button type="submit" class="lw-main" disabled={busy || !said.trim()}>
          Ask again
        </button>
        <button type="button" onClick={back}>
          Back
        </button>
      </div>
      {trouble && (
        <p class="lw-error" role="alert">
          {trouble}
        </p>
      )}
    </form>
  );
}
