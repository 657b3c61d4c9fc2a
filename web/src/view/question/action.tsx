// Knows how a person decides on one action: all its arguments in view, and only what is allowed to be done.

import { useId, useState } from "preact/hooks";
import type { Action } from "../../../client/src/events.js";
import { isCut, isRecord, isRounded } from "../marks.js";
import { visible, visibleLine } from "../visible.js";
import { allowed, type Decision, type Word } from "./answering.js";
import { Arguments } from "./asked.js";
import { Form } from "./form.js";
import { fieldOf, fieldsOf, type Schema } from "./schema.js";

interface Props {
  action: Action;
  /** Of the arguments, where it is known. */
  schema: Schema | null;
  decision: Decision | undefined;
  /** Takes a decision; missing where nothing can be decided. */
  decide: ((decision: Decision) => void) | null;
  busy: boolean;
}

const BUTTONS: Readonly<Record<Word, string>> = {
  approve: "Approve",
  edit: "Edit",
  reject: "Reject",
  respond: "Respond",
};

export function ActionView({ action, schema, decision, decide, busy }: Props) {
  const [doing, begin] = useState<Word | null>(null);
  const name = visibleLine(action.name);
  const take = (made: Decision) => {
    begin(null);
    decide?.(made);
  };
  const shown = decision?.type === "edit" ? decision.edited_action.args : action.args;
  return (
    <div class="lw-question" role="group" aria-label={`Question: ${name}`}>
      <p class="lw-asks">
        <span class="lw-soft">Allow</span> <span class="lw-name">{name}</span>
        <Decided decision={decision} />
      </p>
      {action.description && (
        <p class="lw-about" dir="auto">
          {visible(action.description)}
        </p>
      )}
      {doing !== "edit" && <Arguments args={shown} />}
      {isCut(action.args) && (
        <p class="lw-note">Not all of it was told. What is not shown cannot be allowed here, only rejected.</p>
      )}
      {isRounded(action.args) && (
        <p class="lw-note">This browser rounds numbers as large as those here: they cannot be edited in it.</p>
      )}
      {decide && doing === null && (
        <Choice
          action={action}
          decision={decision}
          busy={busy}
          choose={(word) => (word === "approve" ? take({ type: word }) : begin(word))}
        />
      )}
      {doing === "edit" && (
        <Edit action={action} args={shown} schema={schema} take={take} back={() => begin(null)} busy={busy} />
      )}
      {(doing === "reject" || doing === "respond") && (
        <Words word={doing} take={take} back={() => begin(null)} busy={busy} />
      )}
    </div>
  );
}

const DECIDED: Readonly<Record<Word, string>> = {
  approve: "approved",
  edit: "approved with changes",
  reject: "rejected",
  respond: "answered in its place",
};

function Decided({ decision }: { decision: Decision | undefined }) {
  if (!decision) return null;
  const said = "message" in decision && decision.message ? `: ${visibleLine(decision.message)}` : "";
  return (
    <span class={`lw-decided lw-decided-${decision.type}`} role="status">
      {DECIDED[decision.type]}
      {said}
    </span>
  );
}

interface Choosing {
  action: Action;
  decision: Decision | undefined;
  busy: boolean;
  choose: (word: Word) => void;
}

function Choice({ action, decision, busy, choose }: Choosing) {
  const words = allowed(action).filter((word) => isOffered(word, action.args));
  return (
    <div class="lw-buttons">
      {words.map((word) => (
        <button
          key={word}
          type="button"
          class={word === "approve" ? "lw-main" : ""}
          aria-pressed={decision ? decision.type === word : undefined}
          disabled={busy}
          onClick={() => choose(word)}
        >
          {BUTTONS[word]}
        </button>
      ))}
    </div>
  );
}

/** Nobody allows what is not shown, or sends back what was not told. */
function isOffered(word: Word, args: unknown): boolean {
  return word === "reject" || (!isCut(args) && (word !== "edit" || !isRounded(args)));
}

interface Deciding {
  take: (decision: Decision) => void;
  back: () => void;
  busy: boolean;
}

/** The fields of the arguments; of those that are no object, one for all of them. */
function Edit({
  action,
  args,
  schema,
  take,
  back,
  busy,
}: Deciding & { action: Action; args: unknown; schema: Schema | null }) {
  const one = !isRecord(args);
  const fields = one ? [fieldOf("arguments", args, {}, { root: {}, required: true })] : fieldsOf(args, schema);
  const send = (values: Record<string, unknown>) =>
    take({ type: "edit", edited_action: { name: action.name, args: one ? values["arguments"] : values } });
  return (
    <Form fields={fields} take={send} button="Approve with changes" disabled={busy}>
      <Back back={back} />
    </Form>
  );
}

/** Why not, or what is said in the tool's place. */
function Words({ word, take, back, busy }: Deciding & { word: "reject" | "respond" }) {
  const id = useId();
  const [text, write] = useState("");
  const send = (event: Event) => {
    event.preventDefault();
    if (word === "respond") take({ type: word, message: text });
    else take(text.trim() ? { type: word, message: text } : { type: word });
  };
  const focus = (element: HTMLTextAreaElement | null) => element?.focus();
  return (
    <form class="lw-form" onSubmit={send}>
      <div class="lw-field">
        <label for={id}>{word === "reject" ? "Reason" : "Answer"}</label>
        <textarea
          id={id}
          ref={focus}
          rows={2}
          dir="auto"
          value={text}
          onInput={(event) => write(event.currentTarget.value)}
        />
      </div>
      <div class="lw-buttons">
        <button type="submit" class="lw-main" disabled={busy || (word === "respond" && !text.trim())}>
          {BUTTONS[word]}
        </button>
        <Back back={back} />
      </div>
    </form>
  );
}

function Back({ back }: { back: () => void }) {
  return (
    <button type="button" onClick={back}>
      Back
    </button>
  );
}
