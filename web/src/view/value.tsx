// Knows how any value is shown: text as text, tables as tables, what was cut in words, all else as JSON.

import { useState } from "preact/hooks";
import { isDigits, parse } from "../story/exact.js";
import { Clipped } from "./clipped.js";
import { cutWords, isRecord, markWords, truncated } from "./marks.js";
import { Media } from "./media.js";
import { tableOf, type Table } from "./table.js";
import { visible, visibleLine } from "./visible.js";

const FIRST_ROWS = 20;
const MOST_ROWS = 500;

interface Props {
  value: unknown;
  /** Whether all of it is shown from the start. */
  whole?: boolean;
}

export function Value({ value, whole = false }: Props) {
  const cut = truncated(value);
  if (cut) {
    return (
      <>
        <Clipped text={cut.preview} whole={whole} />
        <p class="lw-note">{cutWords(cut)}</p>
      </>
    );
  }
  const mark = markWords(value);
  if (mark !== null) return <p class="lw-note">{mark}</p>;
  if (typeof value === "string") return <Told text={value} whole={whole} />;
  if (isBlocks(value))
    return (
      <>
        {value.map((block, place) => (
          <Block key={place} block={block} whole={whole} />
        ))}
      </>
    );
  const table = whole ? null : tableOf(value);
  if (table) return <TableView table={table} />;
  return <Clipped text={written(value)} language="json" whole={whole} />;
}

/** A text, which may say something in JSON. */
function Told({ text, whole }: { text: string; whole: boolean }) {
  if (text === "") return <p class="lw-note">empty</p>;
  const value = whole ? undefined : parsed(text);
  return value === undefined ? <Clipped text={text} whole={whole} /> : <Value value={value} />;
}

const MOST_PARSED = 1_000_000;

/** The list or object that a text says in JSON. */
function parsed(text: string): unknown {
  if (text.length > MOST_PARSED || !/^\s*[[{]/.test(text)) return undefined;
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/** A value as JSON text, spread over lines where that helps. */
export function written(value: unknown): string {
  const short = JSON.stringify(value) ?? "null";
  return short.length <= 40 ? short : JSON.stringify(value, null, 2);
}

// ------------------------------------------------------------------ blocks of content

interface ContentBlock extends Record<string, unknown> {
  type: string;
}

function isBlocks(value: unknown): value is ContentBlock[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((block) => isRecord(block) && typeof block["type"] === "string")
  );
}

function Block({ block, whole }: { block: ContentBlock; whole: boolean }) {
  const { type, text, base64, data, url, mime_type: mime } = block;
  if (type === "text" && typeof text === "string") return <Told text={text} whole={whole} />;
  const [held, ref] = [base64 ?? data, url];
  if (["image", "audio", "video", "file"].includes(type) && (typeof held === "string" || typeof ref === "string")) {
    return (
      <Media
        kind={type}
        mime={typeof mime === "string" ? mime : null}
        data={typeof held === "string" ? held : null}
        address={typeof ref === "string" ? ref : null}
      />
    );
  }
  return <Clipped text={written(block)} language="json" whole={whole} />;
}

// ------------------------------------------------------------------ arguments and tables

/** Named values, one under the other. */
export function Named({ values, whole = false }: { values: Readonly<Record<string, unknown>>; whole?: boolean }) {
  return (
    <dl class="lw-named">
      {Object.entries(values).map(([name, value]) => (
        <div key={name}>
          <dt>{visibleLine(name)}</dt>
          <dd>{isShort(value) ? <bdi>{visible(shortly(value))}</bdi> : <Value value={value} whole={whole} />}</dd>
        </div>
      ))}
    </dl>
  );
}

function isShort(value: unknown): boolean {
  if (typeof value === "string") return value !== "" && value.length < 400 && !value.includes("\n");
  return typeof value !== "object" || value === null || isDigits(value);
}

/** A plain value as one would say it. */
export function shortly(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

export function TableView({ table }: { table: Table }) {
  const [all, show] = useState(false);
  const { columns, rows } = table;
  const shown = rows.slice(0, all ? MOST_ROWS : FIRST_ROWS);
  return (
    <>
      <div class="lw-wide" tabIndex={0} role="region" aria-label="Table">
        <table>
          {columns.some(Boolean) && (
            <thead>
              <tr>
                {columns.map((column, place) => (
                  <th key={place} scope="col">
                    {visibleLine(column)}
                  </th>
                ))}
              </tr>
            </thead>
          )}
          <tbody>
            {shown.map((row, place) => (
              <tr key={place}>{row.map(cell)}</tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > FIRST_ROWS && (
        <button type="button" class="lw-quiet" aria-expanded={all} onClick={() => show(!all)}>
          {all ? "Show less" : `Show all (${rows.length} rows)`}
        </button>
      )}
      {all && rows.length > MOST_ROWS && (
        <p class="lw-note">
          The first {MOST_ROWS} of {rows.length} rows are shown.
        </p>
      )}
    </>
  );
}

function cell(value: unknown, place: number) {
  const number = typeof value === "number" || isDigits(value);
  return (
    <td key={place} class={number ? "lw-right" : undefined} dir="auto">
      {value === null || value === undefined ? "" : visibleLine(shortly(value))}
    </td>
  );
}
