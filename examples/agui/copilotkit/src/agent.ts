// Knows the agent at /agui, and how the conversation is found again when the page is loaded anew.
import { HttpAgent, runHttpRequest, transformHttpEventStream, type RunAgentInput } from "@ag-ui/client";
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

/** The thread that this browser was last at. The chat connects to it. */
export const threadId: string = (localStorage.thread ??= crypto.randomUUID());

export const agent = new ThreadAgent({ url: "/agui", threadId });

/** Begin a new conversation. */
export function forget() {
  delete localStorage.thread;
  location.reload();
}
