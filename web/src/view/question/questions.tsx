// Knows how the questions that wait are answered: one action at once, several when each has its decision.

import { useContext, useReducer, useState } from "preact/hooks";
import type { Question } from "../../story/model.js";
import { Doing } from "../context.js";
import { memo } from "../memo.js";
import { ActionView } from "./action.js";
import { Answering, places, type Decision } from "./answering.js";
import { stoppedBefore } from "./asked.js";
import { argumentsSchema } from "./schema.js";
import { ValueView } from "./value.js";

/** All questions that wait; what was decided is forgotten when others wait. */
export const Questions = memo(function Questions({ questions }: { questions: readonly Question[]; version: number }) {
  if (questions.length === 0) return null;
  const key = questions.map((question) => `${question.key}/${question.asked}`).join();
  return <Waiting key={key} questions={questions} />;
});

function Waiting({ questions }: { questions: readonly Question[] }) {
  const deeds = useContext(Doing);
  const [answering] = useState(() => new Answering(questions));
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const { busy: works, trouble, attempt } = useAttempt();
  const [done, finish] = useState(false);
  const busy = works || done; // what was taken is not sent again
  const several = answering.all > 1;
  const once = (deed: () => Promise<void> | undefined) =>
    attempt(async () => {
      await deed();
      finish(true);
    });
  const send = () => once(() => deeds.answer?.(answering.answers));
  const give = (question: Question, place: number, answer: unknown) => {
    answering.give(question, place, answer);
    redraw(0);
    if (!several && question.actions.length) send();
  };
  const goOn = deeds.goOn;
  const stopped = questions.filter((question) => places(question) === 0);
  return (
    <div class="lw-questions">
      {questions.map((question) => (
        <QuestionForm
          key={question.key}
          question={question}
          answering={answering}
          give={deeds.answer ? give : null}
          send={send}
          busy={busy}
        />
      ))}
      {several && deeds.answer && (
        <div class="lw-buttons">
          <button type="button" class="lw-main" disabled={busy || !answering.ready} onClick={send}>
            Send answers
          </button>
        </div>
      )}
      {stopped.length > 0 && answering.all === 0 && goOn && (
        <div class="lw-buttons">
          <button type="button" class="lw-main" disabled={busy} onClick={() => once(goOn)}>
            Go on
          </button>
        </div>
      )}
      {trouble && (
        <p class="lw-error" role="alert">
          {trouble}
        </p>
      )}
    </div>
  );
}

interface Asking {
  question: Question;
  answering: Answering;
  give: ((question: Question, place: number, answer: unknown) => void) | null;
  send: () => void;
  busy: boolean;
}

function QuestionForm({ question, answering, give, send, busy }: Asking) {
  const { interrupt, actions } = question;
  if (interrupt.kind === "breakpoint") return <p class="lw-question">{stoppedBefore(interrupt)}</p>;
  if (actions.length === 0) {
    return (
      <ValueView
        question={question}
        answer={give && ((value) => give(question, 0, value))}
        alone={answering.all === 1}
        given={answering.at(question, 0)}
        send={send}
        busy={busy}
      />
    );
  }
  return (
    <>
      {actions.map((action, place) => (
        <ActionView
          key={place}
          action={action}
          schema={argumentsSchema(interrupt.value, place, action.name, interrupt.response_schema)}
          decision={answering.at(question, place) as Decision | undefined}
          decide={give && ((decision) => give(question, place, decision))}
          busy={busy}
        />
      ))}
    </>
  );
}

/** Something is done; what it failed of is said. */
export function useAttempt() {
  const [busy, work] = useState(false);
  const [trouble, complain] = useState<string | null>(null);
  const attempt = async (deed: () => Promise<void> | undefined) => {
    work(true);
    complain(null);
    try {
      await deed();
    } catch (error) {
      complain(error instanceof Error ? error.message : String(error));
    } finally {
      work(false);
    }
  };
  return { busy, trouble, attempt };
}
