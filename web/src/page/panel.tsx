// Knows how a single task looks: what it is to do, its live transcript, and how one steers it.

import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";

import { newId } from "../../client/src/client.js";
import { addressOf } from "./address.js";
import { Trouble } from "./conversing.js";
import type { Desk } from "./desk.js";
import type { OpenTask } from "./task.js";
import { hasEnded, type TaskDetail } from "./tasks.js";
import { Transcript } from "./transcript.js";
import { stateOf, usageOf, wordsOf } from "./words.js";

export function TaskPanel({ desk, task }: { desk: Desk; task: OpenTask }): JSX.Element {
  const deeds = useMemo(() => desk.taskDeeds(task), [task]);
  const { detail, why } = task;
  return (
    <section class="pg-panel" aria-label="Task">
      <a class="pg-back" href={addressOf({ kind: "tasks", id: null })}>
        All tasks
      </a>
      {detail && <About detail={detail} desk={desk} task={task} />}
      {why && <p role="alert">{wordsOf(why)}</p>}
      <Transcript
        story={task.fold.story}
        told={task.told}
        deeds={deeds}
        busy={detail?.state === "ongoing"}
        label="Transcript of the task"
      >
        {!!detail?.waits_for?.length && <p class="pg-note">It waits for tasks that it has delegated.</p>}
        {detail?.state === "done" && detail.result != null && <Result value={detail.result} />}
      </Transcript>
      <div class="pg-column pg-below">
        <Trouble desk={desk} />
        {detail && <Followup desk={desk} task={task} />}
        <footer class="pg-faint pg-usage">{usageOf(detail?.usage)}</footer>
      </div>
    </section>
  );
}

function About({ detail, desk, task: { board, id } }: { detail: TaskDetail; desk: Desk; task: OpenTask }): JSX.Element {
  const { title, name, state, attempt = 0, prompt = "", error, parent_id: parent } = detail;
  const failed = state === "failed" || state === "cancelled";
  return (
    <header class="pg-about">
      <div class="pg-about-line">
        <h3 dir="auto">{title || name}</h3>
        <span class={`pg-state pg-is-${state}`}>{stateOf(detail)}</span>
        {attempt > 1 && <span class="pg-faint">attempt {attempt}</span>}
        <span class="pg-spring" />
        {failed && (
          <button type="button" class="pg-button" onClick={() => void desk.attempt(() => board.retryTask(id))}>
            Retry task
          </button>
        )}
        {!hasEnded(detail) && (
          <button type="button" class="pg-button" onClick={() => void desk.attempt(() => board.cancel(id))}>
            Cancel task
          </button>
        )}
      </div>
      {prompt && (
        <details class="pg-prompt">
          <summary>What it is to do</summary>
          <p dir="auto">{prompt}</p>
        </details>
      )}
      {error && <p class="pg-bad-words">{`It failed: ${error.message} (${error.code}${error.id ? ` ${error.id}` : ""})`}</p>}
      {parent && <a href={addressOf({ kind: "tasks", id: parent })}>The task that delegated it</a>}
    </header>
  );
}

/** What a task came to. An agent's words stand in its transcript already. */
function Result({ value }: { value: unknown }): JSX.Element | null {
  if (typeof value === "string") return null;
  return (
    <section class="pg-result" aria-label="Result of the task">
      <h4>Result</h4>
      <pre>{JSON.stringify(value, null, 2)}</pre>
    </section>
  );
}

function Followup({ desk, task: { board, id } }: { desk: Desk; task: OpenTask }): JSX.Element {
  const [text, setText] = useState("");
  const messageId = useRef<string | null>(null);
  const send = async (): Promise<void> => {
    const name = (messageId.current ??= newId());
    if (text.trim() && (await desk.attempt(() => board.say(id, text.trim(), name)))) write("");
  };
  const write = (words: string): void => {
    messageId.current = null;
    setText(words);
  };
  return (
    <form
      class="pg-box"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <textarea
        rows={1}
        aria-label="Message to the task"
        title="Enter sends, Shift+Enter begins a line"
        placeholder="Say something to the task"
        value={text}
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          void send();
        }}
      />
      <button type="submit" class="pg-button pg-main">
        Send
      </button>
    </form>
  );
}
