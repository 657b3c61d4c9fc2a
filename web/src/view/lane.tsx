// Knows how a row of items is shown: that of a turn, and those of subagents, each inside the other.

import { useCallback, useContext } from "preact/hooks";
import type { Item, Lane, Message } from "../story/model.js";
import { Chunks } from "./chunks.js";
import { Depth } from "./context.js";
import { DataView, DisplayView } from "./display.js";
import { Disclosure } from "./disclosure.js";
import { memo } from "./memo.js";
import { MessageView } from "./message.js";
import { QuestionView } from "./question/asked.js";
import { TaskView } from "./task.js";
import { Todos } from "./todos.js";
import { visibleLine } from "./visible.js";
import { laneWords, speaker } from "./words.js";

/** Deeper lanes are folded until somebody looks into them. */
const OPEN_LANES = 3;

export const LaneView = memo(function LaneView({ lane }: { lane: Lane; version: number }) {
  const depth = useContext(Depth);
  const { name } = lane;
  const draw = useCallback(
    (item: Item, _: boolean, place: number, items: readonly Item[]) => drawItem(item, false, place, items, name),
    [name],
  );
  return (
    <Disclosure
      kind="lw-lane"
      open={depth < OPEN_LANES}
      summary={
        <>
          <span class="lw-name">{visibleLine(lane.name) || "Subgraph"}</span>{" "}
          <span class="lw-state">{laneWords(lane)}</span>
        </>
      }
    >
      {() => (
        <Depth.Provider value={depth + 1}>
          <Todos lane={lane} version={lane.version} />
          <Chunks things={lane.items} draw={draw} mark={-1} />
          <Progress lane={lane} />
        </Depth.Provider>
      )}
    </Disclosure>
  );
});

/** Items in their order; that at `mark` is the last message of a finished turn. */
export function Items({ items, mark }: { items: readonly Item[]; mark: number }) {
  return <Chunks things={items} draw={drawItem} mark={mark} />;
}

function drawItem(item: Item, last: boolean, place: number, items: readonly Item[], lane = "") {
  const { key, version } = item;
  switch (item.kind) {
    case "message":
      return (
        <MessageView
          key={key}
          message={item}
          version={version}
          named={isNamed(item, before(items, place), lane)}
          last={last}
          newest={place === items.length - 1}
        />
      );
    case "lane":
      return <LaneView key={key} lane={item.lane} version={version} />;
    case "display":
      return <DisplayView key={key} item={item} version={version} />;
    case "data":
      return <DataView key={key} item={item} version={version} />;
    case "question":
      return <QuestionView key={key} item={item} version={version} />;
    case "task":
      return <TaskView key={key} task={item.task} version={version} />;
  }
}

/** A speaker is named where it is not plain who speaks: an agent with a name of its own, when it begins to speak. */
function isNamed(message: Message, before: Message | undefined, lane: string): boolean {
  if (message.role === "user" || message.agent === lane) return false;
  if (message.role === "assistant" && !message.agent) return false;
  return before === undefined || speaker(before) !== speaker(message);
}

/** The message before the item at a place. */
function before(items: readonly Item[], place: number): Message | undefined {
  for (let at = place - 1; at >= 0; at--) {
    const item = items[at];
    if (item?.kind === "message") return item;
  }
  return undefined;
}

/** How far some work has come, while it runs. */
export function Progress({ lane }: { lane: Lane }) {
  const { progress, running } = lane;
  if (!progress || !running) return null;
  const text = visibleLine(progress.text);
  return (
    <div class="lw-progress">
      <span>{text}</span>
      {progress.percent !== null && <progress max={100} value={progress.percent} aria-label={text || "Progress"} />}
    </div>
  );
}
