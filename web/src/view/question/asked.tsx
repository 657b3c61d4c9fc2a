// Knows what a question asks: the words, and whatever else came with them, in full.

import type { Interrupt } from "../../../client/src/events.js";
import type { Question, QuestionItem } from "../../story/model.js";
import { Disclosure } from "../disclosure.js";
import { Markdown } from "../markdown/markdown.js";
import { isRecord } from "../marks.js";
import { memo } from "../memo.js";
import { Named, Value } from "../value.js";
import { visible, visibleLine } from "../visible.js";

const WORDS = ["question", "message", "prompt", "text", "description", "title"];

/** A question for a value, as it was put. */
export function Asked({ value }: { value: unknown }) {
  if (typeof value === "string") return <Markdown text={visible(value)} open={false} />;
  if (!isRecord(value)) return value == null ? null : <Value value={value} whole />;
  const key = WORDS.find((name) => typeof value[name] === "string" && value[name]);
  if (key === undefined) return <Named values={value} whole />;
  const { [key]: words, ...rest } = value;
  return (
    <>
      <Markdown text={visible(String(words))} open={false} />
      {Object.keys(rest).length > 0 && <Named values={rest} whole />}
    </>
  );
}

/** The arguments of an action, each in full. */
export function Arguments({ args }: { args: unknown }) {
  if (!isRecord(args)) return args === undefined ? null : <Value value={args} whole />;
  return Object.keys(args).length ? <Named values={args} whole /> : <p class="lw-note">No arguments.</p>;
}

/** What a question is called. */
export function nameOf({ interrupt, actions }: Question): string {
  if (actions.length) return actions.map((action) => visibleLine(action.name)).join(", ");
  return interrupt.kind === "breakpoint" ? "breakpoint" : "an answer";
}

/** Where a graph stopped. */
export function stoppedBefore({ value }: Interrupt): string {
  const next = isRecord(value) && Array.isArray(value["next"]) ? value["next"] : [];
  return next.length ? `Stopped before ${next.map((node) => visibleLine(String(node))).join(", ")}.` : "Stopped.";
}

/** Where a question was asked. One that waits is answered at the end of the story, where the reader is. */
export const QuestionView = memo(function QuestionView({ item }: { item: QuestionItem; version: number }) {
  const { question } = item;
  const { interrupt, actions } = question;
  if (question.open) return null;
  return (
    <Disclosure
      kind="lw-asked"
      open={false}
      summary={
        <>
          <span class="lw-name">Asked</span> <span class="lw-preview">{nameOf(question)}</span>
        </>
      }
    >
      {() =>
        actions.length ? (
          actions.map((action, place) => (
            <section key={place}>
              <h4>{visibleLine(action.name)}</h4>
              <Arguments args={action.args} />
            </section>
          ))
        ) : interrupt.kind === "breakpoint" ? (
          <p class="lw-note">{stoppedBefore(interrupt)}</p>
        ) : (
          <Asked value={interrupt.value} />
        )
      }
    </Disclosure>
  );
});
