// Knows JSON without rounding, as the client does it. The renderer stands alone, so it has a copy of that of its own.

export { Digits, isDigits, isExact, parse } from "../../client/src/client.ts?copy";
