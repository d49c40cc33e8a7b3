// Prints the problems that AsyncAPI's own parser finds in a document, as JSON.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
const messages = document ? document.allMessages().all() : [];
console.log(
  JSON.stringify({
    diagnostics: diagnostics.map(({ severity, code, message, path }) => ({ severity, code, message, path })),
    messages: messages.map((message) => message.name()),
  }),
);
