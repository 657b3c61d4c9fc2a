// Runs whole streams through the client, as if a server had sent them: an order is one stream, its answer one line.
import { HttpAgent } from "@ag-ui/client";
import { orders, reason, takeWarnings, tell, view } from "./told.mjs";

/** The body of a response: `sse` is text, `proto` base64, `events` a list that is written as SSE here. */
function body({ events, sse, proto }) {
  if (proto !== undefined) return Buffer.from(proto, "base64");
  return sse ?? events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
}

async function check(stream) {
  const type = stream.proto === undefined ? "text/event-stream" : "application/vnd.ag-ui.event+proto";
  const agent = new HttpAgent({
    url: "http://a.stream.in.memory/",
    threadId: stream.threadId ?? "thread",
    initialMessages: stream.messages,
    initialState: stream.state,
    fetch: async () => new Response(body(stream), { headers: { "content-type": type } }),
  });
  const events = [];
  let error = null;
  try {
    await agent.runAgent({}, { onEvent: ({ event }) => void events.push(event) });
  } catch (thrown) {
    error = reason(thrown);
  }
  return { error, warnings: takeWarnings(), events, ...view(agent) };
}

for await (const stream of orders()) tell(await check(stream));
