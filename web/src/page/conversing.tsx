// Knows how a conversation looks: its name, its transcript, what went wrong, the box to write in.

import type { ComponentChildren, JSX } from "preact";
import { useMemo, useState } from "preact/hooks";

import { Composer } from "./composer.js";
import type { Conversation } from "./conversation.js";
import type { Desk } from "./desk.js";
import { Export } from "./export.js";
import { useObserved } from "./observed.js";
import { Transcript } from "./transcript.js";
import { isGone, STATES, usageOf, wordsOf } from "./words.js";

export function Conversing({ desk, menu }: { desk: Desk; menu: ComponentChildren }): JSX.Element {
  useObserved(desk.threads);
  const { conversation } = desk;
  const state = conversation?.state ?? "closed";
  const drop = useDrop((files) => desk.complain(desk.draft.add(files, desk.about?.max_file ?? Infinity)));
  const empty = conversation === null || (conversation.story.turns.length === 0 && state === "live");
  return (
    <main class={`pg-main-column ${drop.over ? "pg-dropping" : ""}`} {...drop.on}>
      <header class="pg-head">
        {menu}
        <h2 dir="auto">{desk.threads.titleOf(conversation?.thread.id ?? null)}</h2>
        <span role="status" aria-label="Connection" class="pg-faint">
          {STATES[state]}
        </span>
        {state === "reconnecting" && (
          <button type="button" class="pg-button" onClick={() => desk.retry()}>
            Try now
          </button>
        )}
        {conversation && <Export key={conversation.thread.id} address={(format) => exportOf(conversation, format)} />}
      </header>
      <div class="pg-stage">
        {empty && <p class="pg-greeting">What can I do for you?</p>}
        <Told key={conversation?.thread.id ?? ""} desk={desk} />
      </div>
      <div class="pg-column pg-below">
        <Trouble desk={desk} />
        <Composer desk={desk} />
        <footer class="pg-faint pg-usage">{usageOf(conversation?.story.usage)}</footer>
      </div>
    </main>
  );
}

function exportOf({ thread }: Conversation, format: string): string {
  return `${thread.client.base}${thread.path}/export?format=${format}`;
}

/** What was told of the conversation; where there is none, its place. */
function Told({ desk }: { desk: Desk }): JSX.Element {
  const { board, conversation } = desk;
  const deeds = useMemo(() => (conversation === null ? {} : desk.deeds(conversation)), [conversation, board]);
  if (conversation === null) return <div class="pg-scroller" role="log" aria-label="Conversation" />;
  const { story, told, running, elsewhere, wentBack } = conversation;
  return (
    <Transcript story={story} told={told} deeds={deeds} busy={running !== null} label="Conversation">
      {elsewhere && (
        <p class="pg-note">The agent is at work on another server: its answer comes when it is done.</p>
      )}
      {wentBack && (
        <p class="pg-note">
          The conversation went back to here.
          <button type="button" class="pg-button" onClick={() => void desk.attempt(() => conversation.undo())}>
            Undo
          </button>
        </p>
      )}
    </Transcript>
  );
}

/** What went wrong last, and the way out of it. */
export function Trouble({ desk }: { desk: Desk }): JSX.Element | null {
  const { trouble } = desk;
  if (trouble === null) return null;
  return (
    <div class="pg-trouble">
      <p role="alert">{wordsOf(trouble)}</p>
      {isGone(trouble) && (
        <button type="button" class="pg-button" onClick={() => desk.beginAnew()}>
          Begin a new conversation
        </button>
      )}
    </div>
  );
}

/** Take files that are dropped. */
function useDrop(take: (files: FileList) => void) {
  const [over, setOver] = useState(false);
  const on = {
    onDragOver: (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: () => setOver(false),
    onDrop: (event: DragEvent) => {
      const files = event.dataTransfer?.files;
      setOver(false);
      if (!files?.length) return;
      event.preventDefault();
      take(files);
    },
  };
  return { over, on };
}
