// Vercel's AI SDK by its defaults (Responses), and over chat: `node ai.js URL KEY`.
// Knows nothing of the lab but its address, its key and its first model.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany, generateText, jsonSchema, Output, streamText, tool } from "ai";

const [url, apiKey] = process.argv.slice(2);
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey });
const listed = await (
  await fetch(`${url}/v1/models`, { headers: { Authorization: `Bearer ${apiKey}` } })
).json();
const name = listed.data[0].id;
const few = { maxOutputTokens: 60, temperature: 0, maxRetries: 0 };
const stars = {
  type: "object",
  properties: { stars: { type: "integer", enum: [1, 2, 3, 4, 5] } },
  required: ["stars"],
  additionalProperties: false,
};
const rate = tool({ description: "Keep a rating", inputSchema: jsonSchema(stars) });

for (const model of [openai(name), openai.chat(name)]) {
  const asked = { model, ...few, prompt: "What is the capital of France?" };
  const { text } = await generateText(asked);
  assert(text.length > 0);
  let streamed = "";
  for await (const piece of streamText(asked).textStream) streamed += piece;
  assert.equal(streamed.length > 0, true);
  const filled = await generateText({
    ...asked,
    output: Output.object({ schema: jsonSchema(stars) }),
  });
  assert(filled.output.stars >= 1);
  const called = await generateText({ ...asked, tools: { rate }, toolChoice: "required" });
  assert(called.toolCalls[0].input.stars <= 5);
}
const { embeddings } = await embedMany({
  model: openai.textEmbeddingModel(name),
  values: ["a", "b"],
});
assert.equal(embeddings.length, 2);
console.log("the AI SDK: everything passed");
