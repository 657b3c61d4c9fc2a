// Knows how a turn is shown: what was said and done in it, and how it ended.

import { useContext } from "preact/hooks";
import type { Item, Turn } from "../story/model.js";
import { Doing } from "./context.js";
import { Items, Progress } from "./lane.js";
import { memo } from "./memo.js";
import { useAttempt } from "./question/questions.js";
import { Todos } from "./todos.js";
import { counted, endWords, took, usageWords } from "./words.js";

interface Props {
  turn: Turn;
  version: number;
  /** Whether it is the newest. */
  last: boolean;
}

export const TurnView = memo(function TurnView({ turn, last }: Props) {
  const { lane } = turn;
  const own = lane.items.findIndex((item) => !isOwn(item));
  // What is to be done stands where it does not move: before the answer. Of a past it is the end that counts.
  const asked = turn.past ? lane.items.length : own < 0 ? lane.items.length : own;
  const answer = turn.outcome === null ? -1 : lastAnswer(lane.items);
  return (
    <div class="lw-turn">
      <Items
        items={asked === lane.items.length ? lane.items : lane.items.slice(0, asked)}
        mark={answer < asked ? answer : -1}
      />
      <Todos lane={lane} version={lane.version} />
      {asked < lane.items.length && <Items items={lane.items.slice(asked)} mark={answer - asked} />}
      <Progress lane={lane} />
      {turn.outcome === null && <Working turn={turn} />}
      <End turn={turn} last={last} />
    </div>
  );
});

function isOwn(item: Item): boolean {
  return item.kind === "message" && item.role === "user";
}

/** Where the last answer stands, which is near the end; -1 where there is none. */
function lastAnswer(items: readonly Item[]): number {
  let place = items.length - 1;
  while (place >= 0 && !isAnswer(items[place])) place--;
  return place;
}

function isAnswer(item: Item | undefined): boolean {
  return item?.kind === "message" && item.role === "assistant" && item.gone === null;
}

/** A sign that something goes on where nothing else shows it. */
function Working({ turn }: { turn: Turn }) {
  const newest = turn.lane.items.at(-1);
  const shown = newest?.kind === "message" && newest.parts.some((part) => "open" in part && part.open);
  if (shown || turn.past) return null;
  return (
    <p class="lw-working">
      <span>Working</span>
    </p>
  );
}

function End({ turn, last }: { turn: Turn; last: boolean }) {
  const { goOn } = useContext(Doing);
  const { busy, trouble, attempt } = useAttempt();
  const end = endWords(turn);
  const nothing = turn.outcome === "complete" && !turn.past && !turn.lane.items.some((item) => !isOwn(item));
  const facts = [
    usageWords(turn.usage),
    took(turn),
    turn.redactions > 0 && `${counted(turn.redactions, "passage")} taken out`,
  ].filter(Boolean);
  return (
    <>
      {nothing && <p class="lw-note">Nothing was said.</p>}
      {end && (
        <div class={`lw-end lw-end-${turn.outcome}`}>
          <p>{end.said}</p>
          {last && goOn && (
            <button type="button" disabled={busy} onClick={() => attempt(goOn)}>
              {end.button}
            </button>
          )}
          {trouble && (
            <p class="lw-error" role="alert">
              {trouble}
            </p>
          )}
        </div>
      )}
      {turn.outcome !== null && facts.length > 0 && <p class="lw-facts">{facts.join(" · ")}</p>}
    </>
  );
}
