// Questions to the service, and its errors in words.

import { askForKey, forgetKey, key } from "./keys.js";
import { query } from "./route.js";

const MOST_TRIES = 4;
const LONGEST_WAIT_SECONDS = 8;

/** What the service says is wrong, as RFC 9457 has it. */
export class Problem extends Error {
  constructor(status, told) {
    super(told.detail || told.title || "the service answered with an error");
    this.name = "Problem";
    this.status = status;
    this.reason = told.reason ?? "";
    this.kind = told.kind ?? "";
    this.requestId = told.request_id ?? "";
  }
}

/** GET as JSON; parameters as `route.href` takes them. */
export const get = (path, params = {}, options = {}) => json("GET", withQuery(path, params), undefined, options);

/** POST a message as JSON. */
export const post = (path, body, options = {}) => json("POST", path, JSON.stringify(body), options);

/** PUT a message as JSON. */
export const put = (path, body, options = {}) => json("PUT", path, JSON.stringify(body), options);

/** POST a file, with what there is to say of it beside. */
export function send(path, file, fields = {}, options = {}) {
  const form = new FormData();
  for (const [name, value] of query(fields)) form.append(name, value);
  form.append("file", file, file.name);
  return json("POST", path, form, options);
}

export const withQuery = (path, params) => {
  const text = query(params).toString();
  return text ? `${path}?${text}` : path;
};

async function json(method, path, body, options) {
  return (await ask(method, path, body, options)).json();
}

/** Ask, again where the service asks for that, with a key where it wants one. */
export async function ask(method, path, body, { signal, headers = {} } = {}) {
  for (let tries = 1; ; tries += 1) {
    const used = key();
    const response = await reached(path, {
      method, body, signal, cache: "no-cache",
      headers: {
        ...(typeof body === "string" ? { "Content-Type": "application/json" } : {}),
        ...(used ? { Authorization: `Bearer ${used}` } : {}),
        ...headers,
      },
    });
    if (response.ok) return response;
    const problem = new Problem(response.status, await told(response));
    if (response.status === 401) {
      if (key() === used) {
        forgetKey();
        await askForKey(used ? "The service does not know that key." : "This service answers those who have a key of it.");
      }
      tries = 0;
      continue;
    }
    const seconds = Number(response.headers.get("Retry-After"));
    const isPassing = [429, 503].includes(response.status) && seconds > 0;
    if (!isPassing || tries >= MOST_TRIES || seconds > LONGEST_WAIT_SECONDS) throw problem;
    await waited(seconds, signal);
  }
}

async function reached(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "The service cannot be reached. It may have been stopped, or the network is down.", reason: "UNREACHABLE" });
  }
}

async function told(response) {
  try {
    return await response.json();
  } catch {
    return { detail: `The service answered ${response.status} ${response.statusText}.` };
  }
}

function waited(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** Server-sent events, with a key too, which a browser's own EventSource cannot send. */
export async function* events(path, { signal } = {}) {
  const response = await ask("GET", path, undefined, { signal, headers: { Accept: "text/event-stream" } });
  if (response.status === 204 || !response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    left += value;
    const parts = left.split("\n\n");
    left = parts.pop();
    for (const part of parts) {
      const lines = part.split("\n");
      const field = (name) => lines.filter((line) => line.startsWith(`${name}: `))
        .map((line) => line.slice(name.length + 2)).join("\n");
      if (field("data")) yield { event: field("event"), data: JSON.parse(field("data")) };
    }
  }
}
