// Long work on the server: how far it is, what it did, what it left out.

import { events, get, post } from "../api.js";
import { disarmed, fill, h, said, tell } from "../dom.js";
import { button, duration, empty, failed, facts, into, note, number, table, when } from "../parts.js";
import { curl, pythonOf, snippetPart } from "../snippets.js";

export const title = "Jobs";

const ENDED = new Set(["JOB_STATE_DONE", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"]);
const WORDS = {
  JOB_STATE_WAITING: "waiting", JOB_STATE_RUNNING: "running", JOB_STATE_DONE: "done",
  JOB_STATE_FAILED: "failed", JOB_STATE_CANCELLED: "cancelled",
};
const LOOK_MILLISECONDS = 5000;
const MOST_WATCHED = 4; // a browser keeps six connections to one place

export async function show(root, state) {
  const list = h("div", { id: "jobs" });
  root.append(
    h("h1", {}, "Jobs"),
    h("p", { class: "lead" }, "Long work on the server, one at a time. It goes on when nobody looks."),
    list,
    snippetPart({
      python: pythonOf(() => ["for job in client.jobs():", "    print(job.id, job.kind, job.state, job.stage)"]),
      curl: curl("v1/jobs"),
    }));
  const cards = new Map();
  const watched = new Set();
  const update = (jobs) => {
    for (const job of jobs) {
      if (!cards.has(job.job_id)) cards.set(job.job_id, new JobCard(job, state));
      else cards.get(job.job_id).show(job);
      if (job.state === "JOB_STATE_RUNNING" && !watched.has(job.job_id) && watched.size < MOST_WATCHED) {
        watched.add(job.job_id);
        watch(cards.get(job.job_id), job.job_id, state.signal).finally(() => { watched.delete(job.job_id); });
      }
    }
    const elements = jobs.map((job) => cards.get(job.job_id).element);
    const shown = list.firstElementChild;
    if (elements.length && (shown?.tagName !== "OL" || shown.children.length !== elements.length)) {
      fill(list, h("ol", { class: "jobs", "aria-label": "Jobs, the newest first" }, elements));
    }
  };
  await into(list, () => get("v1/jobs", {}, { signal: state.signal }), ({ jobs }) => {
    if (!jobs.length) return empty("No job was ever started.", "skylike jobs, or POST v1/jobs, starts one: index, fit, reindex, compact, snapshot.");
    update(jobs);
    return [...list.children];
  }, { signal: state.signal });
  const timer = setInterval(async () => {
    try {
      const { jobs } = await get("v1/jobs", {}, { signal: state.signal });
      if (jobs.length) update(jobs);
    } catch {
      // The next look may reach it.
    }
  }, LOOK_MILLISECONDS);
  state.signal.addEventListener("abort", () => clearInterval(timer));
}

async function watch(card, id, signal) {
  try {
    for await (const { event, data } of events(`v1/jobs/${encodeURIComponent(id)}/events`, { signal })) {
      if (event === "job") card.show(data);
    }
  } catch {
    // The list is looked at again anyway.
  }
}

class JobCard {
  constructor(job, state) {
    this.signal = state.signal;
    this.element = h("li", { class: "card job", data: { job: job.job_id } });
    this.head = h("div", { class: "spread" });
    this.progress = h("div", { class: "job-progress" });
    this.body = h("div", {});
    this.rejects = null;
    this.element.append(this.head, this.progress, this.body);
    this.show(job);
  }

  show(job) {
    const isNew = this.state !== job.state;
    if (this.state && isNew) tell(`Job ${job.kind} is ${WORDS[job.state]}`);
    this.state = job.state;
    if (isNew) this.drawHead(job);
    this.drawProgress(job);
    if (isNew) this.drawBody(job);
  }

  drawHead(job) {
    fill(this.head,
      h("h2", {}, job.kind, job.collection ? [" · ", said(job.collection, 60)] : null,
        h("span", { class: `job-state ${WORDS[job.state]}` }, WORDS[job.state] ?? job.state)),
      ENDED.has(job.state) ? null : button("Cancel", (event) => this.cancel(job, event.target), { class: "plain small", "aria-label": `Cancel this ${job.kind} job` }));
  }

  drawProgress(job) {
    if (ENDED.has(job.state)) {
      this.progress.replaceChildren();
      return;
    }
    const [done, total] = [Number(job.done), Number(job.total)];
    fill(this.progress,
      job.state === "JOB_STATE_WAITING" ? null : h("progress", { "aria-label": `Progress of this ${job.kind} job`, max: total || 1, ...(total ? { value: done } : {}) }),
      h("p", { class: "fine" }, said([job.stage || "in line", total ? `${number(done)} of ${number(total)}` : "",
        job.rate ? `${number(job.rate, 2)}/s` : "", job.seconds_left !== undefined ? `${duration(job.seconds_left)} left` : ""].filter(Boolean).join(" · "))));
  }

  drawBody(job) {
    const rejects = Number(job.num_rejects);
    fill(this.body,
      job.message ? note(said(job.message, 1000), job.reason ? h("span", { class: "fine" }, ` ${disarmed(job.reason, 60)}`) : null) : null,
      facts([
        job.start_time ? ["Began", when(job.start_time)] : ["Put in line", when(job.create_time)],
        ["Took", ENDED.has(job.state) ? duration(job.seconds) : ""],
        ...results(job.result_json),
        ["Job", h("code", {}, said(job.job_id, 80))],
      ]),
      rejects ? this.rejectsPart(job, rejects) : null);
  }

  rejectsPart(job, count) {
    const place = h("div", {});
    const details = h("details", { class: "rejects" }, h("summary", {}, `${number(count)} left out`), place);
    const page = (token) => into(place, () => get(`v1/jobs/${encodeURIComponent(job.job_id)}/rejects`, { page_size: 200, page_token: token }, { signal: this.signal }), (told) => [
      table("Images that were left out", [
        { label: "Image", of: (one) => one.image },
        { label: "Reason", of: (one) => h("code", {}, said(one.reason, 40)) },
        { label: "In words", of: (one) => one.message },
      ], told.rejects),
      told.next_page_token ? button("Next page", () => page(told.next_page_token), { class: "plain small" }) : null,
    ], { signal: this.signal });
    details.addEventListener("toggle", () => { if (details.open && !place.children.length) page(""); });
    return details;
  }

  async cancel(job, pressed) {
    pressed.disabled = true;
    try {
      const told = await post(`v1/jobs/${encodeURIComponent(job.job_id)}/cancel`, undefined, { signal: this.signal });
      this.show(told.job);
    } catch (error) {
      if (error.name !== "AbortError") this.body.append(failed(error));
      pressed.disabled = false;
    }
  }
}

/** What a job tells of its result, as far as it is plain. */
function results(text) {
  try {
    return Object.entries(JSON.parse(text || "{}")).filter(([, value]) => value !== null && typeof value !== "object")
      .map(([name, value]) => [name.replaceAll("_", " "), typeof value === "number" ? number(value) : String(value)]);
  } catch {
    return [];
  }
}
