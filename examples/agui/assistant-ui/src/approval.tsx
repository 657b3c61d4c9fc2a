// Knows how a person is asked: with all that is to be done, before it is done.
import { useAgUiInterrupts, useAgUiSubmitInterruptResponses, type AgUiInterrupt } from "@assistant-ui/react-ag-ui";
import { useState } from "react";

type Action = { name: string; args: unknown };
type Answers = Record<string, "approve" | "reject">;

/** The open questions. The run goes on when each has its answer. */
export function Approvals() {
  const interrupts = useAgUiInterrupts();
  const submit = useAgUiSubmitInterruptResponses();
  const [answers, setAnswers] = useState<Answers>({});

  function answer(id: string, type: "approve" | "reject") {
    const given = { ...answers, [id]: type };
    setAnswers(given);
    if (interrupts.every((interrupt) => given[interrupt.id])) void submit(interrupts.map((one) => entry(one, given)));
  }

  return interrupts.map((interrupt) => (
    <section key={interrupt.id} className="approval">
      <h2>{interrupt.message ?? "May I?"}</h2>
      {actionsOf(interrupt).map(({ name, args }, at) => (
        <pre key={at}>
          {name} {JSON.stringify(args, null, 2)}
        </pre>
      ))}
      <button onClick={() => answer(interrupt.id, "approve")}>Approve</button>
      <button onClick={() => answer(interrupt.id, "reject")}>Reject</button>
    </section>
  ));
}

function actionsOf(interrupt: AgUiInterrupt): Action[] {
  const { actions = [] } = (interrupt.metadata?.langwire ?? {}) as { actions?: Action[] };
  return actions;
}

/** The answer to a question: one decision for each action, in their order. */
function entry(interrupt: AgUiInterrupt, answers: Answers) {
  const decisions = actionsOf(interrupt).map(() => ({ type: answers[interrupt.id] }));
  return { interruptId: interrupt.id, status: "resolved" as const, payload: { decisions } };
}
