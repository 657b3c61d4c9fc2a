// Knows how both scripts speak: one JSON object a line, and what the client warns of goes into an answer.
import { createInterface } from "node:readline";

/** What the client has warned of since the last `takeWarnings`. */
let warnings = [];
console.warn = (...words) => warnings.push(words.map(String).join(" "));
// The client prints each failed run here and throws it as well; what is thrown is told.
console.error = () => {};

export function takeWarnings() {
  const taken = warnings;
  warnings = [];
  return taken;
}

export function tell(object) {
  process.stdout.write(JSON.stringify(object) + "\n");
}

/** The objects that come in; the process is over when there are no more. */
export async function* orders() {
  for await (const line of createInterface({ input: process.stdin })) yield JSON.parse(line);
}

/** What there is to say of an agent after a run. */
export function view(agent) {
  return { messages: agent.messages, state: agent.state, pendingInterrupts: agent.pendingInterrupts };
}

/** An error as an object; of a refused request also the status and what the server said. */
export function reason(error) {
  return {
    name: error?.constructor?.name ?? "Error",
    message: String(error?.message ?? error),
    status: error?.status,
    payload: error?.payload,
  };
}
