// Knows how a person is asked: with all that is to be done, before it is done.
import { useInterrupt, type Interrupt } from "@copilotkit/react-core/v2";
import { useState } from "react";

type Action = { name: string; args: unknown };
type Resolve = (payload: unknown, interruptId: string) => unknown;

/** Show the open questions in the chat. The run goes on when each has its answer. */
export function useApprovals() {
  useInterrupt({
    render: ({ interrupts, resolve }) => (
      <>
        {interrupts.map((interrupt) => (
          <Approval key={interrupt.id} interrupt={interrupt} resolve={resolve} />
        ))}
      </>
    ),
  });
}

function Approval({ interrupt, resolve }: { interrupt: Interrupt; resolve: Resolve }) {
  const [answered, setAnswered] = useState(false);
  const { actions = [] } = (interrupt.metadata?.langwire ?? {}) as { actions?: Action[] };

  /** Give one decision for each action, in their order. */
  function answer(type: "approve" | "reject") {
    setAnswered(true);
    void resolve({ decisions: actions.map(() => ({ type })) }, interrupt.id);
  }

  return (
    <section className="approval">
      <h2>{interrupt.message ?? "May I?"}</h2>
      {actions.map(({ name, args }, at) => (
        <pre key={at}>
          {name} {JSON.stringify(args, null, 2)}
        </pre>
      ))}
      <button disabled={answered} onClick={() => answer("approve")}>
        Approve
      </button>
      <button disabled={answered} onClick={() => answer("reject")}>
        Reject
      </button>
    </section>
  );
}
