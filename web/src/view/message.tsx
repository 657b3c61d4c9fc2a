// Knows how a message is shown: its parts in their order, and what its reader can do with it.

import { useContext, useState } from "preact/hooks";
import type { FileBlock, TextBlock } from "../../client/src/protocol.js";
import type { Message, Part, ReasoningPart, TextPart } from "../story/model.js";
import { CallView } from "./call.js";
import type { Deeds } from "./contract.js";
import { Doing } from "./context.js";
import { CopyButton } from "./copy.js";
import { Disclosure } from "./disclosure.js";
import { Markdown } from "./markdown/markdown.js";
import { Media } from "./media.js";
import { memo } from "./memo.js";
import { useAttempt } from "./question/questions.js";
import { Rewrite } from "./rewrite.js";
import { Sources } from "./sources.js";
import { Value } from "./value.js";
import { reasoningWords, speaker } from "./words.js";

interface Props {
  message: Message;
  version: number;
  /** Whether its speaker is named: another one spoke before. */
  named: boolean;
  /** Whether it can be made anew: it is the last of a finished turn. */
  last: boolean;
  /** Whether nothing came after it yet: what was just read does not fold away before something takes its place. */
  newest: boolean;
}

const KINDS: Readonly<Record<string, string>> = { user: "lw-user", assistant: "lw-assistant" };

export const MessageView = memo(function MessageView({ message, named, last, newest }: Props) {
  const name = speaker(message);
  const kind = KINDS[message.role] ?? "lw-other";
  return (
    <article class={`lw-message ${kind}${last ? " lw-last" : ""}`} aria-label={name}>
      {named && <p class="lw-speaker">{name}</p>}
      {message.gone || kind === "lw-other" ? (
        <Disclosure kind="lw-gone" open={newest && message.gone !== null} summary={<span class="lw-preview">{goneWords(message)}</span>}>
          {() => <Parts message={message} />}
        </Disclosure>
      ) : (
        <Told message={message} last={last} />
      )}
    </article>
  );
});

function goneWords({ gone, role }: Message): string {
  if (gone === "removed") return "Removed from the conversation later";
  return gone === "discarded" ? "Not kept in the conversation" : role === "system" ? "Instructions" : "Message";
}

function Told({ message, last }: { message: Message; last: boolean }) {
  const deeds = useContext(Doing);
  const { busy, trouble, attempt } = useAttempt();
  const [rewriting, rewrite] = useState(false);
  const text = textOf(message);
  const { edit, regenerate } = deeds;
  const own = message.role === "user";
  if (rewriting && edit) {
    const send = (said: string) =>
      attempt(() => edit(message.messageId, contentOf(message, said)).then(() => rewrite(false)));
    return <Rewrite text={text} send={send} back={() => rewrite(false)} busy={busy} trouble={trouble} />;
  }
  const told = text !== "" && !message.parts.some((part) => "open" in part && part.open);
  return (
    <>
      <Parts message={message} />
      {(told || last) && (
        <div class="lw-deeds">
          {told && <CopyButton text={() => text} />}
          {own && edit && isKept(message, deeds) && (
            <button type="button" class="lw-quiet lw-when-idle" onClick={() => rewrite(true)}>
              Edit
            </button>
          )}
          {last && regenerate && (
            <button
              type="button"
              class="lw-quiet lw-when-idle"
              disabled={busy}
              onClick={() => attempt(() => regenerate(message.messageId))}
            >
              Regenerate
            </button>
          )}
        </div>
      )}
      {trouble && (
        <p class="lw-error" role="alert">
          {trouble}
        </p>
      )}
    </>
  );
}

/** What a message says, as the graph has it. */
function textOf(message: Message): string {
  if (message.replacement !== null) return message.replacement;
  const texts = message.parts.flatMap((part) => (part.kind === "text" && !part.refusal ? [part.text] : []));
  return texts.join("\n\n");
}

/** Whether what came with the words of a message goes with other words, too. */
function isKept(message: Message, { wordsOnly = false }: Deeds): boolean {
  const media = message.parts.filter((part) => part.kind === "media");
  return wordsOnly ? media.length === 0 : media.length === filesOf(message).length;
}

/** Other words with the same files. */
function contentOf(message: Message, text: string): string | (TextBlock | FileBlock)[] {
  const files = filesOf(message);
  return files.length ? [{ type: "text", text }, ...files] : text;
}

/** The files of the thread in a message. */
function filesOf(message: Message): FileBlock[] {
  return message.parts.flatMap((part) => {
    const file = part.kind === "media" ? /^files\/(.+)$/.exec(part.ref ?? "")?.[1] : undefined;
    return file === undefined ? [] : [{ type: "file", file_id: decodeURIComponent(file) } as const];
  });
}

// ------------------------------------------------------------------ parts

function Parts({ message }: { message: Message }) {
  const { parts, replacement } = message;
  const first = parts.find((part) => part.kind === "text");
  const own = message.role === "user";
  return (
    <>
      {replacement !== null && first === undefined && <Replaced text={replacement} />}
      {parts.map((part) => {
        if (part.kind !== "text" || replacement === null)
          return <PartView key={part.key} part={part} version={part.version} own={own} />;
        return part === first ? <Replaced key={part.key} text={replacement} /> : null;
      })}
    </>
  );
}

function Replaced({ text }: { text: string }) {
  return (
    <div class="lw-text">
      <Markdown text={text} open={false} />
      <p class="lw-note">Changed by the agent afterwards.</p>
    </div>
  );
}

const PartView = memo(function PartView({ part, version, own }: { part: Part; version: number; own: boolean }) {
  switch (part.kind) {
    case "text":
      return <TextView part={part} own={own} />;
    case "reasoning":
      return <ReasoningView part={part} />;
    case "call":
      return <CallView call={part} version={version} />;
    case "media":
      if (part.data === null && part.ref === null) return <Value value={part.block} />;
      return <Media kind={part.media} mime={part.mime} data={part.data} address={part.ref} />;
  }
});

function TextView({ part, own }: { part: TextPart; own: boolean }) {
  if (part.text === "" && !part.open) return null;
  return (
    <div class={`lw-text${part.refusal ? " lw-refusal" : ""}`}>
      {/* What a person typed is shown as typed. */}
      {own ? (
        <p class="lw-typed" dir="auto">
          {part.text}
        </p>
      ) : (
        <Markdown text={part.text} open={part.open} />
      )}
      {part.refusal && <p class="lw-note">The model's provider refused.</p>}
      {part.partial && <p class="lw-note">Cut off here.</p>}
      <Sources citations={part.citations} />
    </div>
  );
}

function ReasoningView({ part }: { part: ReasoningPart }) {
  if (part.text === "" && !part.open) return null;
  return (
    <Disclosure kind="lw-thinking" open={part.open} summary={<span class="lw-preview">{reasoningWords(part)}</span>}>
      {() => (
        <>
          <Markdown text={part.text} open={part.open} />
          {part.partial && <p class="lw-note">Cut off here.</p>}
        </>
      )}
    </Disclosure>
  );
}
