// Reads an AsyncAPI document from standard input and prints, as JSON, what the project's own parser has against it, and
// how much of it the parser has understood.

import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
console.log(
  JSON.stringify({
    problems: diagnostics.map(({ code, message, path, severity }) => ({
      code,
      message,
      path: path.join("."),
      severity,
    })),
    channels: document?.channels().all().map((channel) => channel.id()),
    operations: document?.operations().all().map((operation) => operation.id()),
    messages: document?.allMessages().all().map((message) => message.id()),
  }),
);
