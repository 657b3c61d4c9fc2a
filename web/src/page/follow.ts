// Knows how server-sent frames are read for as long as one wants them: after each break it begins again.

import { isFinal, LangwireError, parse, serverSent, type LangwireClient, type State } from "../../client/src/client.js";

const FIRST = 500;
const MOST = 15_000;
/** A line that is silent for so many milliseconds is given up: the server gives signs of life more often. */
const SILENCE = 45_000;

export interface Following {
  close(): void;
  /** Do not wait for the next attempt. */
  retry(): void;
}

export interface Followed<Frame> {
  /** Where to read now. */
  path: () => string;
  /** Takes each frame; true is the end of it all. */
  onFrame: (frame: Frame) => boolean;
  onState: (state: State, why: LangwireError | null) => void;
}

export function follow<Frame>(client: LangwireClient, { path, onFrame, onState }: Followed<Frame>): Following {
  const end = new AbortController();
  let attempts = 0;
  let wake = (): void => {};

  /** Read until it breaks; whether all has been read. */
  const read = async (): Promise<boolean> => {
    const line = new AbortController();
    const give = (): void => line.abort();
    end.signal.addEventListener("abort", give);
    let timer = setTimeout(give, SILENCE);
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(give, SILENCE);
    };
    try {
      const init = { headers: { accept: "text/event-stream" }, signal: line.signal, cache: "no-store" } as const;
      const { body } = await client.fetch(path(), init);
      if (body === null) throw new LangwireError("unreadable", "the answer is no stream of events");
      for await (const data of serverSent(body, heard)) {
        if (end.signal.aborted) return true;
        attempts = 0;
        if (onFrame(parse(data) as Frame)) return true;
      }
      return false;
    } finally {
      clearTimeout(timer);
      end.signal.removeEventListener("abort", give);
    }
  };

  const run = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const over = await read().catch((error: unknown) => (error instanceof LangwireError ? error : false));
      if (end.signal.aborted) return;
      if (over === true) return onState("closed", null);
      const why = over === false ? null : over;
      if (isFinal(why)) return onState("refused", why);
      onState("reconnecting", why);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(FIRST * 2 ** attempts++, MOST) * (0.5 + Math.random() / 2));
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  void run();
  return {
    close: () => {
      end.abort();
      wake();
    },
    retry: () => wake(),
  };
}
