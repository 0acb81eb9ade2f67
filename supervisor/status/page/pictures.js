// Draws the pictures as SVG, without a library. Texts are inserted as text, never as markup.

import { duration, moment, words } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const STATES = [...document.querySelectorAll("#lifecycle .node")].map((node) => node.dataset.state);
const LANES = STATES.slice(0, -1);
const STARTING = LANES.filter((state) => !["live", "degraded"].includes(state)).reverse();
const LANE = 26;
const LEFT = 78;
const TOP = 6;
const MIN_SHARE = 1; // percent of the bar: one room among thousands stays visible
const MIN_WIDTH = 3; // pixels: a state that lasted milliseconds stays visible

function draw(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Mark the current state, and set the picture's label. */
export function markState(picture, state, label) {
  for (const node of picture.querySelectorAll(".node")) {
    node.classList.toggle("current", node.dataset.state === state);
  }
  picture.setAttribute("aria-label", label);
}

/** Periods in a state: each transition ends a stay in its `src`; the current stay ends now. */
export function stays(lifecycle, now) {
  const past = lifecycle.steps.filter((step) => step.outcome !== "denied").map((step) => {
    const end = Date.parse(step.at);
    return { state: step.src, from: end - step.dwell_ms, to: end, left: step };
  });
  if (lifecycle.state === "stopped") return past;
  return [...past, { state: lifecycle.state, from: Date.parse(lifecycle.since), to: now, left: null }];
}

/** Lanes of states over time. The picture is drawn at its real width, so that texts keep their size. */
export function drawTimeline(picture, lifecycle, spanS, now) {
  const width = Math.max(280, picture.clientWidth || 280);
  const height = TOP + LANES.length * LANE + 24;
  const from = now - spanS * 1000;
  const x = (time) => LEFT + ((Math.max(time, from) - from) / (now - from)) * (width - LEFT - 4);
  const shown = stays(lifecycle, now).filter((stay) => stay.to >= from);
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.setAttribute("height", height);
  picture.setAttribute("aria-label", sentence(shown, spanS));
  picture.replaceChildren(
    ...LANES.flatMap((state, lane) => drawLane(state, lane, width)),
    ...drawTimes(from, now, x, height, width),
    ...drawSteps(shown, x),
    ...shown.map((stay) => drawStay(stay, x)),
  );
}

const middle = (state) => TOP + LANES.indexOf(state) * LANE + LANE / 2;

function drawLane(state, lane, width) {
  const y = TOP + lane * LANE + LANE / 2;
  return [
    draw("line", { class: "lane", x1: LEFT, x2: width - 4, y1: y, y2: y }),
    draw("text", { class: "name", x: LEFT - 10, y: y + 4, "text-anchor": "end" }, state),
  ];
}

function drawTimes(from, now, x, height, width) {
  const ticks = width > 560 ? 4 : 2;
  return Array.from({ length: ticks + 1 }, (_, index) => {
    const time = from + ((now - from) * index) / ticks;
    const anchor = index === 0 ? "start" : index === ticks ? "end" : "middle";
    const text = index === ticks ? "now" : moment(time, now).replace(/:\d\d$/, "");
    return draw("text", { class: "time", x: x(time), y: height - 4, "text-anchor": anchor }, text);
  });
}

function drawStay(stay, x) {
  const start = x(stay.from);
  const length = Math.max(MIN_WIDTH, x(stay.to) - start);
  const title = draw("title", {}, `${stay.state}, ${moment(stay.from)}, for ${duration((stay.to - stay.from) / 1000)}`);
  return draw("rect", {
    class: "stay", "data-state": stay.state, x: start, y: middle(stay.state) - 7, width: length, height: 14, rx: Math.min(4, length / 2),
  }, title);
}

function drawSteps(shown, x) {
  return shown.filter((stay) => stay.left && LANES.includes(stay.left.dst)).map((stay) => {
    const at = x(stay.to);
    return draw("line", { class: "step", x1: at, x2: at, y1: middle(stay.state), y2: middle(stay.left.dst) });
  });
}

function sentence(shown, spanS) {
  const total = new Map();
  for (const { state, from, to } of shown) total.set(state, (total.get(state) ?? 0) + (to - from) / 1000);
  const parts = [...total].map(([state, seconds]) => `${state} ${duration(Math.min(seconds, spanS))}`);
  return `In the last ${duration(spanS)}: ${parts.join(", ") || "not running"}`;
}

/** The shares of the room states, as one bar. */
export function drawBar(picture, rooms) {
  const total = Object.values(rooms).reduce((sum, count) => sum + count, 0);
  const present = Object.entries(rooms).filter(([, count]) => count);
  let x = 0;
  picture.replaceChildren(
    ...present.map(([state, count]) => {
      const width = MIN_SHARE + (count / total) * (100 - MIN_SHARE * present.length);
      const part = draw("rect", { class: `room ${state}`, x, y: 0, width, height: 4 });
      x += width;
      return part;
    }),
  );
}

/** The picture as text, for screen readers. */
export function lifecycleLabel(lifecycle) {
  const cause = lifecycle.cause ? `, because of ${words(lifecycle.cause)}` : "";
  const path = [...STARTING, "live"].join(", then ");
  return `A start leads through ${path}. The bot is in state ${lifecycle.state}${cause}.`;
}
