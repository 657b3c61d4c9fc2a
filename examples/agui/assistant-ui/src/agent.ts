// Knows the agent at /agui, and how the conversation is found again when the page is loaded anew.
import { HttpAgent, runHttpRequest, transformHttpEventStream, type RunAgentInput } from "@ag-ui/client";
import { ExportedMessageRepository, type ThreadHistoryAdapter } from "@assistant-ui/react";
import { fromAgUiMessages } from "@assistant-ui/react-ag-ui";
import { catchError, EMPTY } from "rxjs";

/** An agent that is asked for what its thread holds, and for the run that goes on there, at `…/connect`. */
class ThreadAgent extends HttpAgent {
  protected override connect(input: RunAgentInput) {
    const response = runHttpRequest(() => this.fetch(`${this.url}/connect`, this.requestInit(input)));
    return transformHttpEventStream(response).pipe(
      catchError((error) => {
        if (error.status === 404) return EMPTY; // nothing was said yet
        throw error;
      }),
    );
  }
}

/** The agent, at the thread that this browser was last at. */
export const agent = new ThreadAgent({
  url: "/agui",
  threadId: (localStorage.thread ??= crypto.randomUUID()),
});

/** Begin a new conversation. */
export function forget() {
  delete localStorage.thread;
  location.reload();
}

/** What the thread holds. Nothing is stored here: the server keeps the thread. */
export const history: ThreadHistoryAdapter = {
  async load() {
    await agent.connectAgent();
    const asking = agent.messages.findLast(({ role }) => role === "assistant");
    const interrupts = agent.pendingInterrupts;
    const messages = agent.messages.map((message) =>
      message === asking && interrupts.length ? { ...message, metadata: { custom: { agui: { interrupts } } } } : message,
    );
    return ExportedMessageRepository.fromArray(fromAgUiMessages(messages));
  },
  async append() {},
};
