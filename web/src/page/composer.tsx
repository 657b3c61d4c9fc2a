// Knows the box in which one writes: text, files, what is sent by which key.

import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

import type { Desk } from "./desk.js";
import { Clip, Cross } from "./icons.js";
import { useObserved } from "./observed.js";
import { sizeOf } from "./words.js";

export function Composer({ desk }: { desk: Desk }): JSX.Element {
  const { draft, conversation, sending } = desk;
  useObserved(draft);
  const box = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => box.current?.focus({ preventScroll: true }), [draft]);
  useSlash(box);
  const running = conversation?.running != null;
  const asked = (conversation?.story.questions.length ?? 0) > 0;
  const add = (files: Iterable<File>): void => desk.complain(draft.add(files, desk.about?.max_file ?? Infinity));
  const send = async (): Promise<void> => {
    await desk.send();
    box.current?.focus();
  };
  const stop = (): void => void desk.attempt(async () => conversation?.stop());
  return (
    <form
      class="pg-composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <Chips desk={desk} />
      <div class="pg-box">
        <Attach add={add} />
        <textarea
          ref={box}
          rows={1}
          aria-label="Message"
          title="Enter sends, Shift+Enter begins a line, / comes here"
          placeholder={asked ? "Waiting for your answer" : "Say something"}
          value={draft.text}
          onInput={(event) => draft.write(event.currentTarget.value)}
          onPaste={(event) => {
            const files = event.clipboardData?.files ?? [];
            if (files.length === 0) return;
            event.preventDefault();
            add(files);
          }}
          onKeyDown={(event) => {
            if (event.isComposing) return;
            if (event.key === "Escape" && running) stop();
            if (event.key !== "Enter" || event.shiftKey) return;
            event.preventDefault();
            void send();
          }}
        />
        {running ? (
          <button type="button" class="pg-button" title="Stop (Esc)" aria-label="Stop" onClick={stop}>
            Stop
          </button>
        ) : (
          <button type="submit" class="pg-button pg-main" disabled={sending || conversation?.state === "refused"}>
            Send
          </button>
        )}
      </div>
    </form>
  );
}

function Chips({ desk: { draft } }: { desk: Desk }): JSX.Element | null {
  if (draft.files.length === 0) return null;
  return (
    <ul class="pg-chips" aria-label="Files to send">
      {draft.files.map((file) => (
        <li key={`${file.name} ${file.size} ${file.lastModified}`}>
          <span class="pg-chip-name">{file.name}</span>
          <span class="pg-faint">{sizeOf(file.size)}</span>
          <button type="button" class="pg-quiet" aria-label={`Remove ${file.name}`} onClick={() => draft.remove(file)}>
            <Cross />
          </button>
        </li>
      ))}
    </ul>
  );
}

function Attach({ add }: { add: (files: Iterable<File>) => void }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button
        type="button"
        class="pg-quiet"
        aria-label="Attach files"
        title="Attach files; they can be dropped and pasted, too"
        onClick={() => input.current?.click()}
      >
        <Clip />
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        onChange={(event) => {
          add([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = ""; // the same file can be chosen again
        }}
      />
    </>
  );
}

/** Come to the box by a slash, unless it is written somewhere. */
function useSlash(box: { current: HTMLElement | null }): void {
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      const there = event.target;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isWritable(there)) return;
      event.preventDefault();
      box.current?.focus();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [box]);
}

function isWritable(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));
}
