// Asks with one of the clients for Node what a line on stdin says, and writes a line of what the client showed its user; see
// ../driver.py, which does the same in Python.

import Anthropic from "@anthropic-ai/sdk";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import OpenAI from "openai";
import { createInterface } from "node:readline";

const MAX_TOKENS = 12;
const PROMPT = "Hello, who are you?";
const MESSAGES = [{ role: "user", content: PROMPT }];

const CLIENTS = {
  "openai-js": async (asked, shown) => {
    const client = new OpenAI({ baseURL: asked.base, apiKey: asked.key });
    const request = { model: asked.model, messages: MESSAGES, max_tokens: MAX_TOKENS, temperature: 0 };
    if (!asked.stream) {
      const completion = await client.chat.completions.create(request);
      const [choice] = completion.choices;
      Object.assign(shown, { text: choice.message.content, finish: choice.finish_reason, usage: ofChat(completion.usage) });
      return;
    }
    const options = asked.usage ? { stream_options: { include_usage: true } } : {};
    for await (const chunk of await client.chat.completions.create({ ...request, stream: true, ...options })) {
      if (chunk.usage) shown.usage = ofChat(chunk.usage);
      for (const choice of chunk.choices) {
        shown.text += choice.delta.content ?? "";
        shown.finish = choice.finish_reason ?? shown.finish;
      }
    }
  },

  "anthropic-js": async (asked, shown) => {
    const client = new Anthropic({ baseURL: asked.base, apiKey: asked.key });
    const request = { model: asked.model, messages: MESSAGES, max_tokens: MAX_TOKENS };
    let message;
    if (asked.stream) {
      const stream = client.messages.stream(request);
      stream.on("text", (text) => (shown.text += text));
      message = await stream.finalMessage();
    } else {
      message = await client.messages.create(request);
      shown.text = message.content.map((block) => block.text).join("");
    }
    shown.finish = message.stop_reason;
    shown.usage = [message.usage.input_tokens, message.usage.output_tokens];
  },

  "ai-sdk": async (asked, shown) => {
    const provider = createOpenAICompatible({
      name: "tollgate",
      baseURL: asked.base,
      apiKey: asked.key,
      includeUsage: asked.usage,
    });
    const request = { model: provider(asked.model), prompt: PROMPT, maxOutputTokens: MAX_TOKENS, temperature: 0 };
    if (!asked.stream) {
      const result = await generateText(request);
      Object.assign(shown, { text: result.text, finish: result.finishReason, usage: ofSdk(result.usage) });
      return;
    }
    // It does not throw; an error is a part of the stream.
    for await (const part of streamText({ ...request, onError: () => {} }).fullStream) {
      if (part.type === "text-delta") shown.text += part.text;
      if (part.type === "error") throw part.error;
      if (part.type === "finish") {
        shown.finish = part.finishReason;
        shown.usage = ofSdk(part.totalUsage);
      }
    }
  },
};

function ofChat(usage) {
  return usage ? [usage.prompt_tokens, usage.completion_tokens] : null;
}

function ofSdk(usage) {
  return usage?.inputTokens === undefined ? null : [usage.inputTokens, usage.outputTokens];
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const shown = { text: "", finish: null, usage: null, error: null };
  try {
    await CLIENTS[asked.client](asked, shown);
  } catch (error) {
    // What is retried is shown in a wrapping of its own.
    shown.error = {
      class: error.name === "Error" ? error.constructor.name : error.name,
      message: error.message,
      status: error.status ?? error.statusCode ?? error.lastError?.statusCode ?? null,
      code: error.code ?? null,
    };
  }
  console.log(JSON.stringify(shown));
}
