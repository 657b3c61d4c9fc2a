// Knows which fields a form has: as a JSON schema says, or, where there is none, as the values themselves suggest.

import { isDigits } from "../../story/exact.js";
import { isRecord } from "../marks.js";

export type Kind = "line" | "lines" | "integer" | "number" | "boolean" | "choice" | "json";

export type Schema = Readonly<Record<string, unknown>>;

export interface Field {
  name: string;
  kind: Kind;
  /** Whether it must be filled in. */
  required: boolean;
  /** Whether nothing at all may stand there. */
  nullable: boolean;
  /** What may be chosen. */
  choices: readonly unknown[];
  hint: string | null;
  /** What stands there at first; undefined for nothing. */
  given: unknown;
}

/** The fields for an object: those of its schema, then whatever else it holds. */
export function fieldsOf(values: Readonly<Record<string, unknown>>, schema: Schema | null): Field[] {
  const properties = isRecord(schema?.["properties"]) ? schema["properties"] : {};
  const required = new Set(Array.isArray(schema?.["required"]) ? schema["required"] : []);
  const names = new Set([...Object.keys(values), ...Object.keys(properties)]);
  return [...names].map((name) => {
    const given = Object.hasOwn(values, name) ? values[name] : undefined;
    return fieldOf(name, given, properties[name], { root: schema ?? {}, required: required.has(name) });
  });
}

interface Place {
  /** What `$ref` begins at. */
  root: Schema;
  required: boolean;
}

/** One field. A default stands there at first where nothing else does. */
export function fieldOf(name: string, given: unknown, property: unknown, { root, required }: Place): Field {
  const resolution = resolved(property, root);
  const { schema } = resolution;
  const at = given === undefined ? schema["default"] : given;
  const nullable = resolution.nullable || at === null;
  const hint = typeof schema["description"] === "string" ? schema["description"] : null;
  const known = choicesOf(schema);
  const kind = kindOf(schema, known, at);
  // A box that is not ticked says no: where nothing may be said as well, there are three things to choose from.
  const three = kind === "boolean" && (nullable || (!required && at === undefined));
  return {
    name,
    kind: three ? "choice" : kind,
    required,
    nullable,
    choices: three ? [true, false] : known,
    hint,
    given: at,
  };
}

/** A schema without its references and without its word that the value may be null. */
export function resolved(property: unknown, root: Schema): { schema: Schema; nullable: boolean } {
  let schema = followed(property, root);
  let nullable = false;
  const union = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(union)) {
    const others = union.map((member) => followed(member, root)).filter((member) => member["type"] !== "null");
    nullable = others.length < union.length;
    if (others.length === 1) schema = { ...schema, anyOf: undefined, oneOf: undefined, ...others[0] };
  }
  if (Array.isArray(schema["type"])) {
    const types = schema["type"].filter((type) => type !== "null");
    nullable ||= types.length < schema["type"].length;
    schema = { ...schema, type: types.length === 1 ? types[0] : undefined };
  }
  return { schema, nullable };
}

/** References may lead in a circle. */
const MOST_STEPS = 20;

function followed(property: unknown, root: Schema): Schema {
  let schema = isRecord(property) ? property : {};
  for (let step = 0; step < MOST_STEPS && typeof schema["$ref"] === "string"; step++) {
    const { $ref: reference, ...rest } = schema as { $ref: string };
    const names = reference.startsWith("#/") ? reference.slice(2).split("/") : [];
    const found = names.reduce<unknown>((at, name) => (isRecord(at) ? at[name] : undefined), root);
    schema = { ...(isRecord(found) ? found : {}), ...rest };
  }
  return schema;
}

function choicesOf(schema: Schema): readonly unknown[] {
  if (Array.isArray(schema["enum"])) return schema["enum"];
  return "const" in schema ? [schema["const"]] : [];
}

function kindOf(schema: Schema, choices: readonly unknown[], given: unknown): Kind {
  if (choices.length) return "choice";
  switch (schema["type"]) {
    case "string":
      return given === undefined || given === null || typeof given === "string" ? textKind(given, schema) : "json";
    case "integer":
    case "number":
      // Something else may be there: then it is not lost.
      return given == null || isNumber(given) ? schema["type"] : "json";
    case "boolean":
      return given == null || typeof given === "boolean" ? "boolean" : "json";
    case undefined:
      return kindOfValue(given);
    default:
      return "json";
  }
}

function kindOfValue(given: unknown): Kind {
  if (typeof given === "string") return textKind(given, {});
  if (isNumber(given)) return "number";
  return typeof given === "boolean" ? "boolean" : "json";
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || isDigits(value);
}

const LONG = 80;

function textKind(given: unknown, schema: Schema): Kind {
  const long = typeof given === "string" && (given.includes("\n") || given.length > LONG);
  return long || schema["format"] === "multi-line" ? "lines" : "line";
}

/** The schema of the arguments of an action: beside the action, or in the schema of the whole answer. */
export function argumentsSchema(
  value: unknown,
  place: number,
  name: string,
  answer: Schema | null | undefined,
): Schema | null {
  const configs = isRecord(value) && Array.isArray(value["review_configs"]) ? value["review_configs"] : [];
  const fits = (config: unknown) => isRecord(config) && (config["action_name"] ?? name) === name;
  const config: unknown = fits(configs[place]) ? configs[place] : configs.find(fits);
  if (isRecord(config) && isRecord(config["args_schema"])) return config["args_schema"];
  return answer ? editedSchema(answer) : null;
}

function editedSchema(root: Schema): Schema | null {
  const union = root["oneOf"] ?? root["anyOf"];
  for (const member of [root, ...(Array.isArray(union) ? union : [])]) {
    const edited = inside(inside(followed(member, root), "edited_action", root), "args", root);
    if (edited) return { ...edited, $defs: root["$defs"] };
  }
  return null;
}

function inside(schema: Schema | null, name: string, root: Schema): Schema | null {
  const properties = schema?.["properties"];
  return isRecord(properties) && isRecord(properties[name]) ? followed(properties[name], root) : null;
}
