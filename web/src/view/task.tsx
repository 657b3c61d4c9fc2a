// Knows how a delegated task is shown, and opened.

import { useContext } from "preact/hooks";
import type { Task } from "../story/model.js";
import { Doing } from "./context.js";
import { memo } from "./memo.js";
import { visibleLine } from "./visible.js";

const STATES: Readonly<Record<string, string>> = {
  queued: "waits its turn",
  ongoing: "at work",
  review_needed: "waits for you",
  done: "done",
  failed: "failed",
  cancelled: "cancelled",
};

export const TaskView = memo(function TaskView({ task }: { task: Task; version: number }) {
  const { openTask } = useContext(Doing);
  const { task_id: id, title, state, attempt = 0 } = task.update;
  const name = visibleLine(title || id);
  const again = attempt > 1 ? `, attempt ${attempt}` : "";
  return (
    <div class={`lw-task lw-task-${/^\w+$/.test(state) ? state : "other"}`}>
      <span class="lw-sign" aria-hidden="true" />
      <span class="lw-soft">Task</span>{" "}
      {openTask ? (
        <button type="button" class="lw-link" onClick={() => openTask(id)}>
          {name}
        </button>
      ) : (
        <span class="lw-name">{name}</span>
      )}{" "}
      <span class="lw-state">
        {STATES[state] ?? visibleLine(state)}
        {again}
      </span>
    </div>
  );
});
