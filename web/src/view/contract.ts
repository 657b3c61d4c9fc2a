// Knows what whoever shows a story lets its reader do. What is missing is not offered.

import type { Content } from "../../client/src/protocol.js";

export interface Deeds {
  /** Answer questions by their ids: a decision, a list of them (one an action), or a plain value. Rejects if refused. */
  answer?: (answers: Record<string, unknown>) => Promise<void>;
  /** Go on after a breakpoint, a stop or an error. */
  goOn?: () => Promise<void>;
  /** Have a message of the assistant's made anew. */
  regenerate?: (messageId: string) => Promise<void>;
  /** Say something else in place of a message of the person's; what came after it is dropped. */
  edit?: (messageId: string, content: Content) => Promise<void>;
  /** Whether `edit` takes words alone: a message with files is not edited then. */
  wordsOnly?: boolean;
  /** Look at a delegated task. */
  openTask?: (taskId: string) => void;
  /** The address of a file that the thread refers to, or null for one that must not be fetched. */
  fileUrl?: (ref: string) => string | null;
}
