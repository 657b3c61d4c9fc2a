// Knows how the board of delegated tasks looks: a tree of them, and beside it the one that is looked at.

import type { ComponentChildren, JSX } from "preact";

import { addressOf } from "./address.js";
import { Trouble } from "./conversing.js";
import type { Desk } from "./desk.js";
import { useObserved } from "./observed.js";
import { TaskPanel } from "./panel.js";
import type { Board, TaskNode } from "./tasks.js";
import { stateOf, STATES, timeAgo, wordsOf } from "./words.js";

export function Tasking({ desk, menu }: { desk: Desk; menu: ComponentChildren }): JSX.Element {
  const { board, task } = desk;
  useObserved(board, task);
  const state = task?.state === "reconnecting" ? "reconnecting" : (board?.state ?? "closed");
  return (
    <main class="pg-main-column">
      <header class="pg-head">
        {menu}
        <h2>Tasks</h2>
        <span role="status" aria-label="Connection" class="pg-faint">
          {STATES[state]}
        </span>
        {state === "reconnecting" && (
          <button type="button" class="pg-button" onClick={() => desk.retry()}>
            Try now
          </button>
        )}
      </header>
      <div class={`pg-board ${task ? "pg-with-task" : ""}`}>
        {board && <Trees board={board} chosen={task?.id ?? null} />}
        {board === null && desk.agents.length > 0 && (
          <p class="pg-trees pg-faint">This server delegates no tasks.</p>
        )}
        {task && <TaskPanel key={task.id} desk={desk} task={task} />}
        {task === null && <Trouble desk={desk} />}
      </div>
    </main>
  );
}

function Trees({ board, chosen }: { board: Board; chosen: string | null }): JSX.Element {
  const trees = board.trees();
  return (
    <section class="pg-trees" aria-label="Tasks">
      {board.why && <p role="alert">{wordsOf(board.why)}</p>}
      {trees.length === 0 && board.state === "live" && (
        <p class="pg-note">Nothing has been delegated yet. What an agent gives to others shows here.</p>
      )}
      <Branches nodes={trees} chosen={chosen} />
      {board.more && (
        <button type="button" class="pg-quiet pg-older" onClick={() => void board.older()}>
          Older
        </button>
      )}
    </section>
  );
}

function Branches({ nodes, chosen }: { nodes: readonly TaskNode[]; chosen: string | null }): JSX.Element | null {
  if (nodes.length === 0) return null;
  return (
    <ul>
      {nodes.map(({ task, children }) => (
        <li key={task.id}>
          <a
            class={`pg-task pg-is-${task.state}`}
            href={addressOf({ kind: "tasks", id: task.id })}
            aria-current={task.id === chosen ? "page" : undefined}
          >
            <span class="pg-task-title" dir="auto">{task.title || task.name}</span>
            <span class="pg-state">{stateOf(task)}</span>
            <time class="pg-faint pg-ago" dateTime={new Date(task.updated_ms).toISOString()}>
              {timeAgo(task.updated_ms, Date.now())}
            </time>
          </a>
          <Branches nodes={children} chosen={chosen} />
        </li>
      ))}
    </ul>
  );
}
