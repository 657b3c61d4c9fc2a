// Knows how newer engines read and write JSON, and has it so for a while: Node 20 says nothing of how a value was written.

type Revive = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;

const { parse, stringify } = JSON;
const MARK = "\u0000";
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Have `JSON` tell the source of each number, and write what `JSON.rawJSON` gives as it is; returns what ends it. */
export function knowSources(): () => void {
  const read = (text: string, revive?: Revive): unknown => {
    if (revive === undefined) return parse(text);
    const marked = text.replace(TOKEN, (token) => (token.startsWith('"') ? token : stringify(MARK + token)));
    return parse(marked, function (this: unknown, key: string, value: unknown) {
      const source = typeof value === "string" && value.startsWith(MARK) ? value.slice(1) : undefined;
      return source === undefined
        ? revive.call(this, key, value, {})
        : revive.call(this, key, Number(source), { source });
    });
  };
  const write = (...given: Parameters<typeof stringify>): string | undefined =>
    (stringify(...given) as string | undefined)?.replace(/"\\u0000(-?\d+)"/g, "$1");
  Object.assign(JSON, { parse: read, stringify: write, rawJSON: (text: string) => MARK + text });
  return () => {
    Object.assign(JSON, { parse, stringify });
    delete (JSON as { rawJSON?: unknown }).rawJSON;
  };
}
