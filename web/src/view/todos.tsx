// Knows how a list of things to do is shown.

import type { Lane, Todo } from "../story/model.js";
import { Disclosure } from "./disclosure.js";
import { memo } from "./memo.js";
import { visibleLine } from "./visible.js";

const WORDS: Readonly<Record<Todo["status"], string>> = {
  pending: "to do",
  in_progress: "in progress",
  completed: "done",
};

export const Todos = memo(function Todos({ lane }: { lane: Lane; version: number }) {
  const todos = lane.todos ?? [];
  if (todos.length === 0) return null;
  const done = todos.filter(({ status }) => status === "completed").length;
  return (
    <Disclosure
      kind="lw-todos"
      open
      summary={
        <>
          <span class="lw-name">To do</span>{" "}
          <span class="lw-state">
            {done} of {todos.length} done
          </span>
        </>
      }
    >
      {() => (
        <ul aria-label="To do">
          {todos.map(({ text, status }, place) => (
            <li key={place} class={`lw-todo lw-todo-${status}`}>
              <span class={`lw-box lw-box-${status}`} role="img" aria-label={WORDS[status] ?? WORDS.pending} />
              <bdi>{visibleLine(text)}</bdi>
            </li>
          ))}
        </ul>
      )}
    </Disclosure>
  );
});
