// The main line with OpenAI's package for Node.js: `node course.js URL KEY`.
// Knows nothing of the lab but its address, its key and its first model.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import OpenAI, { AzureOpenAI, BadRequestError, NotFoundError, toFile } from "openai";

const [url, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: "Name a colour." }];
const training = Array.from({ length: 10 }, (_, i) =>
  JSON.stringify({
    messages: [
      { role: "user", content: `Question ${i}?` },
      { role: "assistant", content: `Answer ${i}.` },
    ],
  }),
).join("\n");
const stars = {
  type: "object",
  properties: { stars: { type: "integer", enum: [1, 2, 3, 4, 5] } },
  required: ["stars"],
  additionalProperties: false,
};

async function all(pages) {
  const found = [];
  for await (const item of pages) found.push(item); // turns pages
  return found;
}

async function until(look, ...states) {
  for (let i = 0; i < 600; i++) {
    const seen = await look();
    if (states.includes(seen.status)) return seen;
    assert(!["succeeded", "failed", "cancelled", "completed"].includes(seen.status), seen.status);
    await pause(100);
  }
  assert.fail(`not ${states} within a minute`);
}

async function upload(purpose, name, text, by = client) {
  return by.files.create({ file: await toFile(Buffer.from(text), name), purpose });
}

async function files() {
  const made = [];
  for (const i of [0, 1, 2]) made.push(await upload("user_data", `${i}.txt`, "x"));
  const ids = (await all(client.files.list({ purpose: "user_data", limit: 2 }))).map((f) => f.id);
  for (const file of made) assert(ids.includes(file.id));
  assert.equal(await (await client.files.content(made[0].id)).text(), "x");
  for (const file of made) assert((await client.files.delete(file.id)).deleted);
  await assert.rejects(client.files.retrieve(made[0].id), NotFoundError);
}

async function jobs(model) {
  const { jobs } = client.fineTuning;
  const file = await upload("fine-tune", "train.jsonl", training);
  const settings = (n_epochs) => ({
    model,
    training_file: file.id,
    metadata: { run: "node" },
    method: { type: "supervised", supervised: { hyperparameters: { n_epochs } } },
  });
  let job = await jobs.create(settings(1));
  job = await until(() => jobs.retrieve(job.id), "succeeded");
  const events = await all(jobs.listEvents(job.id, { limit: 4 }));
  assert(events.length > 4 && events.some((event) => event.type === "metrics"));
  assert.equal((await all(jobs.checkpoints.list(job.id))).length, 1);
  assert((await (await client.files.content(job.result_files[0])).text()).length > 0);

  const other = await jobs.create(settings(50));
  await until(() => jobs.retrieve(other.id), "queued", "running");
  assert.equal((await jobs.pause(other.id)).status, "paused");
  assert.notEqual((await jobs.resume(other.id)).status, "paused");
  assert.equal((await jobs.cancel(other.id)).status, "cancelled");
  await assert.rejects(jobs.cancel(other.id), BadRequestError);
  const listed = (await all(jobs.list({ limit: 1 }))).map((found) => found.id);
  assert(listed.includes(job.id) && listed.includes(other.id));
  return job.fine_tuned_model;
}

async function chat(model) {
  const { completions } = client.chat;
  const short = { model, messages, max_tokens: 4, temperature: 0 };
  const answer = await completions.create({ ...short, logprobs: true, top_logprobs: 2 });
  assert.equal(answer.choices[0].logprobs.content[0].top_logprobs.length, 2);
  const stream = { ...short, stream: true, stream_options: { include_usage: true } };
  const chunks = await all(await completions.create(stream));
  const said = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
  assert.equal(said, answer.choices[0].message.content);
  assert.equal(chunks.at(-1).usage.total_tokens, answer.usage.total_tokens);

  const longer = { model, messages, max_tokens: 40, seed: 1 };
  const json_schema = { name: "rating", schema: stars, strict: true };
  const rated = await completions.parse({
    ...longer,
    response_format: { type: "json_schema", json_schema },
  });
  assert(JSON.parse(rated.choices[0].message.content).stars >= 1);
  const tools = [{ type: "function", function: { name: "rate", parameters: stars, strict: true } }];
  const called = await completions.create({ ...longer, tools, tool_choice: "required" });
  const [call] = called.choices[0].message.tool_calls;
  assert(call.function.name === "rate" && JSON.parse(call.function.arguments).stars <= 5);
  await assert.rejects(
    completions.create({ ...short, temperature: 9 }),
    (error) => error instanceof BadRequestError && error.param === "temperature",
  );
}

async function models(tuned) {
  assert((await all(client.models.list())).some((model) => model.id === tuned));
  assert.equal((await client.models.retrieve(tuned)).id, tuned);
  assert((await client.models.delete(tuned)).deleted);
  await assert.rejects(client.models.retrieve(tuned), NotFoundError);
}

async function completionsAndBatches(model) {
  const text = await client.completions.create({ model, prompt: "One, two,", max_tokens: 4 });
  assert.equal(typeof text.choices[0].text, "string");
  const endpoint = "/v1/chat/completions";
  const body = { model, messages, max_tokens: 2 };
  const request = JSON.stringify({ custom_id: "a", method: "POST", url: endpoint, body });
  const file = await upload("batch", "requests.jsonl", request);
  const asked = { input_file_id: file.id, endpoint, completion_window: "24h" };
  const { id } = await client.batches.create(asked);
  const done = await until(() => client.batches.retrieve(id), "completed");
  const answers = await (await client.files.content(done.output_file_id)).text();
  assert.equal(JSON.parse(answers).custom_id, "a");
}

async function azure(model) {
  const apiVersion = "2025-03-01-preview";
  for (const place of [{ baseURL: `${url}/openai/v1/` }, { endpoint: url }]) {
    const client = new AzureOpenAI({ ...place, apiKey, apiVersion });
    await upload("fine-tune", "bom.jsonl", `\ufeff${training}`, client);
    const answer = await client.chat.completions.create({ model, messages, max_tokens: 2 });
    assert.equal(answer.choices.length, 1);
  }
}

const model = (await client.models.list()).data[0].id;
await files();
await chat(model);
const tuned = await jobs(model);
await chat(tuned);
await models(tuned);
await completionsAndBatches(model);
await azure(model);
const many = Array.from({ length: 16 }, () =>
  client.chat.completions.create({ model, messages, max_tokens: 4 }),
);
assert.equal((await Promise.all(many)).length, 16);
console.log("openai for Node.js: everything passed");
