// Knows the side of the page: the way to everything that there is. On a phone it is a drawer.

import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Thread } from "../../client/src/client.js";
import { addressOf } from "./address.js";
import type { Desk } from "./desk.js";
import { Bin, Branch, Pencil, Plus } from "./icons.js";
import { useObserved } from "./observed.js";
import { timeAgo } from "./words.js";

export function Side({ desk, open, leave }: { desk: Desk; open: boolean; leave: () => void }): JSX.Element {
  useObserved(desk.threads);
  const tasks = desk.place.kind === "tasks";
  const here = desk.place.kind === "conversation" ? desk.place.id : null;
  const { threads, more } = desk.threads;
  const first = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    if (open) first.current?.focus();
  }, [open]);
  return (
    <aside class={`pg-side ${open ? "pg-open" : ""}`} id="side">
      <header class="pg-head">
        <h1>langwire</h1>
      </header>
      <div class="pg-ways">
        <Agents desk={desk} />
        <button
          ref={first}
          type="button"
          class="pg-way"
          onClick={() => {
            desk.begin();
            leave();
          }}
        >
          <Plus />
          New conversation
        </button>
        {desk.board && (
          <button
            type="button"
            class="pg-way"
            aria-current={tasks ? "page" : undefined}
            onClick={() => {
              desk.showTasks();
              leave();
            }}
          >
            <Branch />
            Tasks
          </button>
        )}
      </div>
      <nav
        class="pg-threads"
        aria-label="Conversations"
        onScroll={(event) => atEnd(event.currentTarget) && void desk.threads.older()}
      >
        <ul>
          {threads.map((thread) => (
            <Row key={thread.thread_id} desk={desk} thread={thread} current={thread.thread_id === here} leave={leave} />
          ))}
        </ul>
        {more && (
          <button type="button" class="pg-quiet pg-older" onClick={() => void desk.threads.older()}>
            Older
          </button>
        )}
      </nav>
    </aside>
  );
}

function atEnd(box: HTMLElement): boolean {
  return box.scrollHeight - box.clientHeight - box.scrollTop < 100;
}

/** Where there are several agents: which one is talked to. */
function Agents({ desk }: { desk: Desk }): JSX.Element | null {
  const [first] = desk.agents;
  if (desk.agents.length < 2) return null;
  return (
    <label class="pg-agents">
      <span class="pg-faint">Agent</span>
      <select
        value={desk.agent ?? first}
        onChange={({ currentTarget: { value } }) => {
          location.assign(location.pathname + (value === first ? "" : `?agent=${encodeURIComponent(value)}`));
        }}
      >
        {desk.agents.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

interface RowGiven {
  desk: Desk;
  thread: Thread;
  current: boolean;
  leave: () => void;
}

function Row({ desk, thread, current, leave }: RowGiven): JSX.Element {
  const [doing, setDoing] = useState<"nothing" | "renaming" | "deleting">("nothing");
  const { thread_id: id, title, running } = thread;
  const done = (): void => setDoing("nothing");
  if (doing === "renaming") return <Renaming desk={desk} thread={thread} done={done} />;
  if (doing === "deleting") return <Deleting desk={desk} thread={thread} done={done} />;
  return (
    <li class="pg-row">
      <a
        dir="auto"
        href={addressOf({ kind: "conversation", id })}
        aria-current={current ? "page" : undefined}
        onClick={leave}
        onDblClick={() => setDoing("renaming")}
        title={title ?? undefined}
      >
        {title || "Untitled"}
      </a>
      {running ? (
        <span class="pg-running" role="img" aria-label="The agent is at work" title="The agent is at work" />
      ) : (
        <time class="pg-faint pg-ago" dateTime={new Date(thread.updated_ms).toISOString()}>
          {timeAgo(thread.updated_ms, Date.now())}
        </time>
      )}
      <span class="pg-deeds">
        <button type="button" class="pg-quiet" aria-label="Rename" title="Rename" onClick={() => setDoing("renaming")}>
          <Pencil />
        </button>
        <button
          type="button"
          class="pg-quiet"
          aria-label="Delete conversation"
          title="Delete conversation"
          onClick={() => setDoing("deleting")}
        >
          <Bin />
        </button>
      </span>
    </li>
  );
}

interface DoingGiven {
  desk: Desk;
  thread: Thread;
  done: () => void;
}

function Renaming({ desk, thread, done }: DoingGiven): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => input.current?.select(), []);
  const over = useRef(false);
  const end = (): void => {
    over.current = true; // the box goes, and with it the focus: that is no reason to rename
    done();
  };
  const rename = async (): Promise<void> => {
    const title = input.current?.value ?? "";
    if (over.current) return;
    over.current = true;
    if (title !== (thread.title ?? "")) await desk.attempt(() => desk.threads.rename(thread.thread_id, title));
    done();
  };
  return (
    <li class="pg-row">
      <form
        class="pg-renaming"
        onSubmit={(event) => {
          event.preventDefault();
          void rename();
        }}
      >
        <input
          ref={input}
          aria-label="Name of the conversation"
          maxLength={200}
          defaultValue={thread.title ?? ""}
          onBlur={() => void rename()}
          onKeyDown={(event) => event.key === "Escape" && end()}
        />
      </form>
    </li>
  );
}

function Deleting({ desk, thread, done }: DoingGiven): JSX.Element {
  const keep = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => keep.current?.focus(), []);
  return (
    <li class="pg-row pg-deleting" role="group" aria-label={`Delete “${thread.title || "Untitled"}”?`}>
      <span>
        Delete “<bdi>{thread.title || "Untitled"}</bdi>” for good?
      </span>
      <span class="pg-choice">
        <button type="button" class="pg-button pg-bad" onClick={() => void desk.delete(thread.thread_id).then(done)}>
          Delete
        </button>
        <button ref={keep} type="button" class="pg-button" onClick={done}>
          Keep
        </button>
      </span>
    </li>
  );
}
