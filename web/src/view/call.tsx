// Knows how a tool call is shown: a card with its state, its arguments, what the tool said, and the work inside it.

import type { CallPart } from "../story/model.js";
import { Clipped } from "./clipped.js";
import { CopyButton } from "./copy.js";
import { DataView, DisplayView, preview } from "./display.js";
import { Disclosure } from "./disclosure.js";
import { LaneView } from "./lane.js";
import { isRecord } from "./marks.js";
import { memo } from "./memo.js";
import { Named, shortly, Value, written } from "./value.js";
import { visibleLine } from "./visible.js";
import { callWords } from "./words.js";

export const CallView = memo(function CallView({ call }: { call: CallPart; version: number }) {
  return (
    <div class={`lw-call lw-call-${call.state}`}>
      <Disclosure kind="lw-card" open={false} summary={<Head call={call} />}>
        {() => <Inside call={call} />}
      </Disclosure>
      {call.state === "error" && <p class="lw-failure">{preview(wordsOf(call.result?.content))}</p>}
      {call.shown.map((item) =>
        item.kind === "display" ? (
          <DisplayView key={item.key} item={item} version={item.version} />
        ) : (
          <DataView key={item.key} item={item} version={item.version} />
        ),
      )}
      {call.lanes.map((lane) => (
        <LaneView key={lane.key} lane={lane} version={lane.version} />
      ))}
    </div>
  );
});

/** The words of a result that is a list of blocks. */
function wordsOf(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  const texts = content.flatMap((block: unknown) =>
    isRecord(block) && typeof block["text"] === "string" ? [block["text"]] : [],
  );
  return texts.length ? texts.join(" ") : content;
}

function Head({ call }: { call: CallPart }) {
  return (
    <>
      <span class="lw-sign" aria-hidden="true" />
      <span class="lw-name">{visibleLine(call.name)}</span> <span class="lw-preview">{gist(call)}</span>{" "}
      <span class="lw-state">{callWords(call)}</span>
    </>
  );
}

/** The first arguments, in a few words. */
function gist(call: CallPart): string {
  if (!isRecord(call.args)) return call.state === "writing" ? "" : preview(call.invalid ?? call.args ?? "");
  const said = Object.entries(call.args).map(([name, value]) => `${name}: ${shortly(value)}`);
  return preview(said.join(", "));
}

function Inside({ call }: { call: CallPart }) {
  const { output, result } = call;
  return (
    <>
      <section>
        <Heading
          words="Arguments"
          text={() => call.invalid ?? (call.state === "writing" ? call.argsText : written(call.args))}
        />
        <Arguments call={call} />
      </section>
      {output.length > 0 && (
        <section>
          <h4>While it ran</h4>
          <Value value={output.every((piece) => typeof piece === "string") ? output.join("") : output} />
        </section>
      )}
      {result && (
        <section>
          <Heading
            words="Result"
            text={() => (typeof result.content === "string" ? result.content : written(result.content))}
          />
          {result.removed && <p class="lw-note">Removed from the conversation later.</p>}
          {result.replaced && <p class="lw-note">Changed by the agent afterwards.</p>}
          <Value value={result.content} />
        </section>
      )}
      {result?.artifact != null && (
        <section>
          <h4>Kept for the application</h4>
          <Value value={result.artifact} />
        </section>
      )}
      {call.provider && <p class="lw-note">Run by the model's provider.</p>}
    </>
  );
}

function Heading({ words, text }: { words: string; text: () => string }) {
  return (
    <div class="lw-heading">
      <h4>{words}</h4>
      <CopyButton text={text} label={`Copy ${words.toLowerCase()}`} />
    </div>
  );
}

const LAST_CHARACTERS = 2_000;

function Arguments({ call }: { call: CallPart }) {
  const { args, invalid, state } = call;
  if (invalid !== null) {
    return (
      <>
        <p class="lw-note">{call.partial ? "Cut off while it was being written." : "This is no valid JSON."}</p>
        <Clipped text={invalid} />
      </>
    );
  }
  if (state === "writing") return <Clipped text={call.argsText.slice(-LAST_CHARACTERS)} whole />;
  if (!isRecord(args) || Object.keys(args).some((name) => name.startsWith("$"))) return <Value value={args} />;
  return Object.keys(args).length ? <Named values={args} /> : <p class="lw-note">none</p>;
}
