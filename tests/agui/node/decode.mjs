// Reads answers of a server as the client does: its own HTTP reader, decoders and schema enforcement.
//
// In: one answer a line, {"type": <content type>, "chunks": [<base64>, …]}.
// Out: one line each, {"events": [as decoded, …], "enforced": [after enforcement, …], "warnings": [text, …], "errors": [text, …]}.
import { enforceEvents, runHttpRequest, transformHttpEventStream } from "@ag-ui/client";
import { orders, takeWarnings } from "./told.mjs";

function respond({ type, chunks }) {
  const body = new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(Buffer.from(chunk, "base64"));
      controller.close();
    },
  });
  return runHttpRequest(async () => new Response(body, { headers: { "content-type": type } }));
}

// What was read of an observable, and what ended it before its time.
function collect(events$) {
  const seen = [];
  return new Promise((resolve) => {
    events$.subscribe({
      next: (event) => seen.push(event),
      error: (error) => resolve([seen, [String(error.message)]]),
      complete: () => resolve([seen, []]),
    });
  });
}

// JSON has no word for these numbers, but a client can have read them.
function exact(_, value) {
  return Object.is(value, -0) || value === Infinity || value === -Infinity ? { number: `${1 / value} ${value}` } : value;
}

for await (const answer of orders()) {
  const [events, failures] = await collect(transformHttpEventStream(respond(answer)));
  const [enforced, refusals] = await collect(transformHttpEventStream(respond(answer)).pipe(enforceEvents()));
  const errors = failures.length ? failures : refusals;
  process.stdout.write(JSON.stringify({ events, enforced, warnings: takeWarnings(), errors }, exact) + "\n");
}
