// Knows which data reads best as a table.

import { isDigits } from "../story/exact.js";
import { isRecord } from "./marks.js";

export interface Table {
  columns: readonly string[];
  rows: readonly (readonly unknown[])[];
}

const MOST_COLUMNS = 12;

/** Data as a table: `{columns, rows}`, or a list of flat objects with the same few names. Null for all else. */
export function tableOf(value: unknown): Table | null {
  if (isRecord(value)) return declared(value);
  if (!Array.isArray(value) || value.length < 2 || !value.every(isFlat)) return null;
  const records = value as readonly Record<string, unknown>[];
  const columns = [...new Set(records.flatMap(Object.keys))];
  if (columns.length === 0 || columns.length > MOST_COLUMNS) return null;
  // What would be mostly holes is no table.
  const filled = records.reduce((sum, record) => sum + Object.keys(record).length, 0);
  if (2 * filled < columns.length * records.length) return null;
  return { columns, rows: records.map((record) => columns.map((column) => record[column])) };
}

function declared(value: Record<string, unknown>): Table | null {
  const { columns, rows, ...rest } = value;
  if (!Array.isArray(columns) || !Array.isArray(rows) || Object.keys(rest).length > 0) return null;
  if (!columns.every((column) => typeof column === "string") || !rows.every(Array.isArray)) return null;
  return { columns, rows };
}

function isFlat(value: unknown): boolean {
  return isRecord(value) && Object.values(value).every((cell) => typeof cell !== "object" || cell === null || isDigits(cell));
}
