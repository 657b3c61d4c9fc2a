// Knows which place of the page an address names: `#<thread>`, `#tasks`, `#tasks/<task>`; and which agent: `?agent=<name>`.

export type Place =
  | { readonly kind: "conversation"; readonly id: string | null }
  | { readonly kind: "tasks"; readonly id: string | null };

const TASKS = "tasks";

/** The place that a hash names; a new conversation where it names nothing. */
export function placeOf(hash: string): Place {
  const [first = "", ...rest] = hash.replace(/^#/, "").split("/");
  // Told before it is decoded: a thread that is called `tasks` has another address.
  if (first === TASKS) return { kind: "tasks", id: decoded(rest.join("/")) };
  return { kind: "conversation", id: decoded(first) };
}

export function addressOf({ kind, id }: Place): string {
  if (kind === "tasks") return id === null ? `#${TASKS}` : `#${TASKS}/${encodeURIComponent(id)}`;
  if (id === null) return "#";
  return id === TASKS ? "#%74asks" : `#${encodeURIComponent(id)}`;
}

/** The agent that a query names, or null for the first one. */
export function agentIn(search: string): string | null {
  return new URLSearchParams(search).get("agent") || null;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text) || null;
  } catch {
    return null;
  }
}
