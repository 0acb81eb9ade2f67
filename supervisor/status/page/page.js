// Keeps the page up to date. Names and reasons are inserted as text, never as markup.

import { drawBar, drawTimeline, lifecycleLabel, markState } from "./pictures.js";
import { compact, count, duration, harmless, isolated, moment, several, ticking, until, words } from "./words.js";

const SILENCE_MS = 35_000;
const RECONNECT_MS = 3_000;
const LISTED = 50;
const SHOWN_WHEN_ZERO = new Set(["joined_rooms", "already_right", "changes", "skipped_rooms", "conflicts"]);
const byId = (id) => document.getElementById(id);

let seen = null; // the newest snapshot
let ahead = 0; // milliseconds that the bot's clock is ahead of the browser's
let stream = null;
let heard = 0; // the browser's time of the last sign of life
let lost = false;

const now = () => Date.now() + ahead;
const seconds = (at) => (now() - Date.parse(at)) / 1000;

/** Write only a text that differs: screen readers announce every write, and a selection is lost. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function cell(content, { header = false, className = "" } = {}) {
  const element = document.createElement(header ? "th" : "td");
  if (header) element.scope = "row";
  element.setAttribute("role", header ? "rowheader" : "cell");
  if (className) element.className = className;
  element.append(content ?? "");
  return element;
}

function two(main, side) {
  const box = document.createElement("div");
  const small = document.createElement("small");
  small.textContent = side;
  small.dir = "auto";
  const first = document.createElement("bdi");
  first.textContent = main;
  box.append(first, small);
  return box;
}

function times(probes) {
  if (probes <= 0) return "not probed yet";
  return probes === 1 ? "probed once" : `probed ${count(probes)} times`;
}

/** A time element whose text `tick` updates: "3 min ago" (kind `ago`) or "in 3 min" (`until`). */
function clock(at, kind) {
  const element = document.createElement("time");
  element.dateTime = at;
  element.title = new Date(at).toLocaleString();
  element.dataset.kind = kind;
  return element;
}

const drawn = new WeakMap();

/** Fill a table's body, unless it has the same rows already: the reader keeps focus and position. */
function fill(body, rows, toCells) {
  const content = JSON.stringify(rows);
  if (drawn.get(body) === content) return;
  drawn.set(body, content);
  const table = body.closest("table");
  table.hidden = rows.length === 0; // a table without rows is none to a screen reader
  const labels = [...table.tHead.rows[0].cells].map((each) => each.textContent);
  body.replaceChildren(...rows.map((row) => {
    const element = document.createElement("tr");
    element.setAttribute("role", "row");
    const cells = toCells(row);
    cells.forEach((each, index) => { each.dataset.label = labels[index]; });
    element.append(...cells);
    return element;
  }));
}

function more(element, listed, total) {
  element.hidden = total <= listed;
  write(element, `and ${count(total - listed)} more, which are not listed`);
}

function showNow() {
  const { lifecycle } = seen;
  document.body.dataset.state = lifecycle.state;
  document.title = `${lifecycle.state} · ${seen.user_id}`;
  write(byId("user-id"), seen.user_id);
  write(byId("homeserver"), seen.homeserver.replace(/^https?:\/\//, ""));
  write(byId("state"), lifecycle.state);
  const why = lifecycle.cause ? `${words(lifecycle.cause)}: ${lifecycle.reason}` : lifecycle.reason;
  write(byId("reason"), seen.reading_paused ?? why);
  const second = byId("second-instance");
  second.hidden = seen.second_instance === null;
  write(second, second.hidden ? "" : `Another process uses this account, ${isolated(seen.second_instance)}. Stop one of the two.`);
  byId("leading").hidden = seen.leading === null;
  write(byId("leading"), leadingText(seen.leading));
  const blocked = byId("creates-no-rooms");
  blocked.hidden = seen.creates_no_rooms === null;
  write(blocked, blocked.hidden ? "" : `No Space and no chat is created: ${seen.creates_no_rooms}.`);
  markState(byId("lifecycle"), lifecycle.state, lifecycleLabel(lifecycle));
}

function leadingText(leading) {
  if (!leading) return "";
  const name = leading.leader === null ? null : isolated(leading.leader);
  if (leading.role === "leader") return `Leader: this process leads${name ? ` as ${name}` : ""}, epoch ${count(leading.epoch)}.`;
  return `Standby: ${name ?? "no process"} leads, epoch ${count(leading.epoch)}.`;
}

function showFigures() {
  const total = Object.values(seen.rooms).reduce((sum, each) => sum + each, 0);
  const figures = [
    ["Owners", seen.owners_total],
    ["Rooms", total],
    ["Quarantined", seen.rooms.quarantined],
    ["To handle", seen.inbox_waiting],
    ["To send", seen.outbox_unsent],
    ["Upkeep due", seen.upkeep_due],
  ];
  fillFigures(byId("figures"), figures.map(([name, value]) => [name, value === null ? null : count(value)]));
  byId("figures").querySelector("[data-name=Quarantined]").classList.toggle("attention", seen.rooms.quarantined > 0);
}

/** Fill a list of figures from pairs of a name and a text; null is unknown. */
function fillFigures(list, figures) {
  const content = JSON.stringify(figures);
  if (drawn.get(list) === content) return;
  drawn.set(list, content);
  list.replaceChildren(...figures.map(([name, text]) => {
    const box = document.createElement("div");
    const term = document.createElement("dt");
    const figure = document.createElement("dd");
    box.dataset.name = name;
    term.textContent = name;
    figure.textContent = text ?? count(null);
    box.classList.toggle("unknown", text === null);
    box.append(term, figure);
    return box;
  }));
}

function showPlatform() {
  const platform = seen.platform;
  byId("platform").hidden = platform === null;
  const troubled = platform !== null && platform.state !== "well";
  const banner = byId("platform-trouble");
  // Without a worker the platform does not answer: this is told once.
  banner.hidden = !troubled || platform.state === "busy" || Boolean(seen.workers?.trouble);
  if (!platform) return;
  const why = platform.reason ? `: ${platform.reason}` : "";
  write(byId("platform-what"), banner.hidden ? "" : `The platform ${platform.name} is ${platform.state}${why}`);
  write(byId("platform-remedy"), banner.hidden ? "" : platform.remedy);
  byId("platform").dataset.platform = platform.state;
  write(byId("platform-title"), `Platform ${platform.name}`);
  write(byId("platform-reason"), platform.state === "busy" ? [platform.reason, platform.remedy].filter(Boolean).join(". ") : "");
  const { done, ...others } = platform.replies;
  fillFigures(byId("platform-figures"), [
    ["Replies in work", count(platform.running)],
    ["Waiting", count(platform.waiting)],
    ["Done", count(done)],
    ["First word, median", platform.first_token_s === null ? "–" : duration(platform.first_token_s)],
    ["Whole reply, median", platform.reply_s === null ? "–" : duration(platform.reply_s)],
    ["Tokens read", compact(platform.tokens.prompt)],
    ["Tokens written", compact(platform.tokens.completion)],
  ]);
  const rest = Object.entries(others).filter(([, value]) => value).map(([name, value]) => `${count(value)} ${name}`);
  write(byId("platform-ended"), rest.length ? `Besides, ${rest.join(", ")}.` : "");
}

function showWork() {
  const work = seen.at_work;
  byId("work").hidden = work === null;
  if (!work) return;
  const total = Object.values(work.counts).reduce((sum, each) => sum + each, 0);
  write(byId("work-total"), total ? several(total, "conversation") : "none");
  const named = Object.entries(work.counts).map(([state, number]) => [`${state[0].toUpperCase()}${state.slice(1)}`, count(number)]);
  fillFigures(byId("work-figures"), named);
  byId("working").hidden = work.listed.length === 0;
  fill(byId("conversations"), work.listed, (chat) => [
    cell(two(chat.name ?? "not known", `${chat.chat_id ? `${chat.chat_id} · ` : ""}${chat.room_id}`), { header: true }),
    cell(chat.owner ?? "not known", { className: "id" }),
    cell(two(chat.state, chat.behind ? `${several(chat.behind, "message")} behind it` : "")),
    cell(chat.since === null ? "not known" : clock(chat.since, "ago")),
    cell(two(shownOf(chat), chat.said_chars ? `${several(chat.said_chars, "character")} said` : "")),
  ]);
  more(byId("work-more"), work.listed.length, total);
  write(byId("pace"), paceText(seen.streaming));
}

function shownOf(chat) {
  if (!chat.shown_parts) return "nothing yet";
  return `${several(chat.shown_chars, "character")} in ${several(chat.shown_parts, "message")}`;
}

/** How many live edits the account may send, and what became of them. */
function paceText(streaming) {
  if (!streaming) return "";
  const { sent, ...leftOut } = streaming.live_edits;
  const state = streaming.off ? `Growing answers are not shown: ${streaming.off}` : `Growing answers are shown with at most ${Number(streaming.per_s.toPrecision(2))} live edits a second`;
  const rest = Object.entries(leftOut).filter(([, value]) => value).map(([name, value]) => `${count(value)} ${words(name)}`);
  const parts = [state, `${count(sent)} sent`, ...(rest.length ? [`left out: ${rest.join(", ")}`] : [])];
  return `${parts.join("; ")}.`;
}

function showWorkers() {
  const workers = seen.workers;
  byId("workers").hidden = workers === null;
  const trouble = workers?.trouble ?? "";
  byId("workers-trouble").hidden = !trouble;
  write(byId("workers-what"), trouble && `${trouble[0].toUpperCase()}${trouble.slice(1)}.`);
  write(byId("workers-remedy"), workers?.remedy ?? "");
  if (!workers) return;
  const known = (value) => value === null ? null : count(value);
  const oldest = workers.oldest_waiting_s;
  fillFigures(byId("workers-figures"), [
    ["Running", known(workers.alive)],
    ["Questions in work", known(workers.in_work)],
    ["Waiting", known(workers.waiting)],
    ["Oldest waiting", oldest === null ? known(workers.waiting) && "–" : duration(oldest)],
  ]);
  byId("workers-figures").querySelector("[data-name=Running]").classList.toggle("attention", workers.alive === 0);
}

function showTimeline() {
  const span = Number(document.querySelector("input[name=span]:checked").value);
  drawTimeline(byId("timeline"), seen.lifecycle, span, now());
  const steps = seen.lifecycle.steps.toReversed();
  byId("steps").closest("details").hidden = steps.length === 0;
  fill(byId("steps"), steps.slice(0, LISTED), (step) => [
    cell(moment(step.at), { header: true, className: "time" }),
    cell(step.src),
    cell(step.outcome === "denied" ? "denied" : step.dst),
    cell(two(words(step.trigger), step.reason)),
    cell(duration(step.dwell_ms / 1000), { className: "number" }),
  ]);
  more(byId("steps-more"), LISTED, steps.length);
}

/** Rooms by state. Unchecked rooms that need no check are counted as `unchanged`. */
function roomsByState() {
  const { unchecked, ...others } = seen.rooms;
  return { unchecked: unchecked - seen.unchanged, ...others, unchanged: seen.unchanged };
}

function showRooms() {
  const states = roomsByState();
  drawBar(byId("rooms-bar"), states);
  fill(byId("rooms"), Object.entries(states), ([state, number]) => {
    const swatch = document.createElement("span");
    swatch.className = `swatch ${state}`;
    const name = document.createDocumentFragment();
    name.append(swatch, state);
    return [cell(name, { header: true }), cell(count(number), { className: "number" })];
  });
  const rooms = seen.quarantined;
  byId("quarantine").hidden = rooms.length === 0;
  byId("no-quarantine").hidden = rooms.length > 0;
  fill(byId("quarantined"), rooms, (room) => [
    cell(two(room.name ?? "not known", `${room.chat_id ? `${room.chat_id} · ` : ""}${room.room_id}`), { header: true }),
    cell(room.owner ?? "not known", { className: "id" }),
    cell(two(room.reason, times(room.probes - 1))),
    cell(clock(room.since, "ago")),
    cell(clock(room.next_probe_at, "until")),
  ]);
  more(byId("quarantine-more"), rooms.length, seen.rooms.quarantined);
}

function reconciledAt(report) {
  if (!report) return "No reconciliation yet.";
  const when = report.at ? ` at ${moment(report.at)}` : "";
  if (!report.partly) return `The bot checked all rooms${when}.`;
  if (report.counts.joined_rooms) return `The bot checked the changed rooms${when}.`;
  return `The bot found no changed rooms${when}.`;
}

function whyNoConflicts(report) {
  if (!report) return "Conflicts are known after the first reconciliation.";
  if (report.partly) return "The last reconciliation found no conflicts in the changed rooms. It did not check the others.";
  return "The last reconciliation found no conflicts.";
}

function showReconciled() {
  const report = seen.reconciled;
  const counts = report && !(report.partly && !report.counts.joined_rooms) ? Object.entries({ ...report.counts, skipped_rooms: report.skipped, conflicts: report.conflicts_total }) : [];
  fill(byId("reconciled"), counts.filter(([name, value]) => value || SHOWN_WHEN_ZERO.has(name)), ([name, value]) => [
    cell(report.partly && name === "joined_rooms" ? "changed rooms" : words(name), { header: true }), cell(count(value), { className: "number" }),
  ]);
  write(byId("reconciled-at"), reconciledAt(report));
  const conflicts = report ? report.conflicts : [];
  byId("conflicts").hidden = conflicts.length === 0;
  byId("no-conflicts").hidden = conflicts.length > 0;
  write(byId("no-conflicts"), whyNoConflicts(report));
  fill(byId("conflicting"), conflicts, (note) => [
    cell(note.room_id, { header: true, className: "id" }), cell(words(note.reason)), cell(two(note.detail, "")),
  ]);
  more(byId("conflicts-more"), conflicts.length, report ? report.conflicts_total : 0);
}

function showOwners() {
  const total = seen.owners_total;
  const line = total === null ? "The database cannot be read now." : total === 0 ? "No owner has a Space yet."
    : `${count(total)} ${total === 1 ? "owner has" : "owners have"} a Space.`;
  const cut = total > seen.owners.length ? ` The first ${count(seen.owners.length)} are listed.` : "";
  write(byId("owners-line"), line + cut);
  byId("owners-details").hidden = seen.owners.length === 0;
  fill(byId("owners"), seen.owners, (owner) => [
    cell(owner.user_id, { header: true, className: "id" }),
    cell(count(owner.chats), { className: "number" }),
    cell(owner.space_id, { className: "id" }),
  ]);
}

/** Update every text that changes with time alone. */
function tick() {
  if (!seen) return;
  const { lifecycle } = seen;
  write(byId("since"), `since ${moment(lifecycle.since, now())}, for ${ticking(seconds(lifecycle.since))}`);
  const next = byId("next");
  next.hidden = lifecycle.next_attempt_at === null;
  if (!next.hidden) {
    const when = until(lifecycle.next_attempt_at, now());
    write(next, `Recovery attempt ${count(lifecycle.failures)}: ${when}.`);
  }
  if (seen.platform) write(byId("platform-state"), `${seen.platform.state} for ${ticking(seconds(seen.platform.since))}`);
  for (const element of document.querySelectorAll("time[data-kind]")) {
    const at = element.dateTime;
    write(element, element.dataset.kind === "ago" ? `${ticking(seconds(at))} ago` : until(at, now()));
  }
  write(byId("process"), `version ${seen.version} · process ${seen.pid} · boot ${seen.boot || "…"} · up ${ticking(seconds(seen.started_at))}`);
}

function show(snapshot) {
  seen = snapshot;
  ahead = Date.parse(seen.taken_at) - Date.now();
  showNow();
  showFigures();
  showPlatform();
  showWork();
  showWorkers();
  showTimeline();
  showRooms();
  showReconciled();
  showOwners();
  tick();
}

function connectionText() {
  if (!seen) return "The bot does not answer. The page tries again.";
  if (seen.lifecycle.state === "stopped") return "The bot has stopped. The page shows its last status and continues when the bot starts again.";
  return `The bot has not answered since ${moment(heard)}. The page may show old data; it tries again.`;
}

function setLost(isLost) {
  if (lost === isLost && !byId("connection").hidden === isLost) return;
  lost = isLost;
  const line = byId("connection");
  document.body.classList.toggle("lost", lost);
  line.hidden = !lost;
  write(line, lost ? connectionText() : "");
}

function listen() {
  stream?.close();
  stream = new EventSource("events");
  const alive = () => { heard = Date.now(); setLost(false); };
  stream.onopen = alive;
  stream.addEventListener("alive", alive);
  stream.onmessage = (event) => { alive(); show(JSON.parse(event.data, (_, value) => typeof value === "string" ? harmless(value) : value)); };
  stream.onerror = () => {
    setLost(true);
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, RECONNECT_MS);
  };
}

for (const radio of document.querySelectorAll("input[name=span]")) {
  radio.addEventListener("change", () => seen && showTimeline());
}
new ResizeObserver(() => seen && showTimeline()).observe(byId("timeline").parentElement);
setInterval(tick, 1000);
setInterval(() => seen && !lost && showTimeline(), 10_000);
setInterval(() => { if (!lost && heard && Date.now() - heard > SILENCE_MS) { setLost(true); listen(); } }, 5_000);
listen();
