// Knows how a person answers a question that asks for a value: in words, or by a form where its answer has a schema.

import { useId, useMemo, useState } from "preact/hooks";
import type { Question } from "../../story/model.js";
import { Asked } from "./asked.js";
import { Form } from "./form.js";
import { fieldOf, fieldsOf, resolved } from "./schema.js";

interface Props {
  question: Question;
  /** Takes an answer, undefined for none yet; missing where nothing can be answered. */
  answer: ((value: unknown) => void) | null;
  /** Whether it is the only one: then it is sent by its own button. */
  alone: boolean;
  given: unknown;
  send: () => void;
  busy: boolean;
}

export function ValueView(props: Props) {
  const { question, answer } = props;
  const schema = question.interrupt.response_schema;
  return (
    <div class="lw-question" role="group" aria-label="Question: an answer">
      <Asked value={question.interrupt.value} />
      {answer && (schema ? <Filled {...props} answer={answer} schema={schema} /> : <Said {...props} answer={answer} />)}
    </div>
  );
}

type Answerable = Props & { answer: (value: unknown) => void };

function Said({ answer, alone, given, send, busy }: Answerable) {
  const id = useId();
  const [text, write] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (given !== undefined) send();
  };
  return (
    <form class="lw-form" onSubmit={submit}>
      <div class="lw-field">
        <label for={id}>Answer</label>
        <textarea
          id={id}
          rows={2}
          dir="auto"
          value={text}
          onInput={({ currentTarget: { value } }) => {
            write(value);
            answer(value.trim() ? value : undefined);
          }}
        />
      </div>
      {alone && (
        <div class="lw-buttons">
          <button type="submit" class="lw-main" disabled={busy || given === undefined}>
            Send answer
          </button>
        </div>
      )}
    </form>
  );
}

/** An object has a field for each of its values; any other value has one. */
function Filled({
  answer,
  alone,
  given,
  send,
  busy,
  schema,
}: Answerable & { schema: Readonly<Record<string, unknown>> }) {
  const { whole, fields } = useMemo(() => {
    const { schema: plain } = resolved(schema, schema);
    if (plain["type"] !== "object")
      return { whole: true, fields: [fieldOf("Answer", undefined, schema, { root: schema, required: true })] };
    return { whole: false, fields: fieldsOf({}, { ...plain, $defs: schema["$defs"] }) };
  }, [schema]);
  const take = (values: Record<string, unknown>) => {
    answer(whole ? values["Answer"] : values);
    if (alone) send();
  };
  return (
    <Form fields={fields} take={take} button={alone ? "Send answer" : "Take this answer"} disabled={busy}>
      {!alone && given !== undefined && (
        <span class="lw-decided" role="status">
          taken
        </span>
      )}
    </Form>
  );
}
