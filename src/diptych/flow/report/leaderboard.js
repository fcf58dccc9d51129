"use strict";

// Sorts, narrows and draws the lines that stand in the page. Everything is set as text, never as HTML.

const { rows, lines } = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("narrow");
const percent = (value) => (100 * value).toFixed(1);
const both = (pair) => (pair ? pair.map(percent).join(" / ") : "–");
const boardOf = (line) => `${line.dataset} · ${line.protocol} · ${line.metric}`;
const meanOf = (line) => (line.i2t + line.t2i) / 2;

// name, figures?, what is shown, what is sorted by
const columns = [
  ["method", false, null, (line) => line.method],
  ["mean", true, (line) => percent(meanOf(line)), meanOf],
  ["i2t", true, (line) => percent(line.i2t), (line) => line.i2t],
  ["t2i", true, (line) => percent(line.t2i), (line) => line.t2i],
  ["±", true, (line) => both(line.half), (line) => (line.half ? Math.max(...line.half) : null)],
  ["seeds", true, (line) => line.seeds, (line) => line.seeds],
  ["untrained", true, (line) => both(line.untrained), (line) => line.untrained && (line.untrained[0] + line.untrained[1]) / 2],
  ["bits", true, (line) => line.bits ?? "–", (line) => line.bits],
  ["bytes", true, (line) => line.bytes_per_item ?? "–", (line) => line.bytes_per_item],
  ["codes", false, (line) => line.codes || "–", (line) => line.codes],
  ["seconds", true, (line) => line.seconds.toFixed(1), (line) => line.seconds],
  ["built", false, (line) => line.built || "–", (line) => line.built],
  ["family", false, (line) => line.family || "–", (line) => line.family],
];
let sorted = { by: 1, down: true };

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function choices(name, values, all) {
  const select = form.elements[name];
  if (all) select.append(element("option", all, { value: "" }));
  for (const value of values) select.append(element("option", value, { value }));
}

function seen() {
  const told = Object.fromEntries(new FormData(form));
  const words = told.words.toLowerCase().split(/[\s,]+/).filter(Boolean);
  return lines.filter((line) =>
    (!told.board || boardOf(line) === told.board) &&
    (!told.family || line.family === told.family) &&
    (!told.bits || String(line.bits) === told.bits) &&
    (!told.own || !line.codes || line.codes === "own") &&
    (!told.fair || !line.flatters) &&
    words.every((word) => `${line.method} ${line.settings} ${line.dataset} ${line.source}`.toLowerCase().includes(word)));
}

function inOrder(some) {
  const key = columns[sorted.by][3];
  const sign = sorted.down ? -1 : 1;
  const missing = (value) => value === null || value === undefined || value === "";
  return [...some].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (missing(x) || missing(y)) return missing(x) - missing(y); // what is not known stands last either way
    return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
  });
}

function row(line, many) {
  const made = element("tr");
  for (const [name, figures, shown] of columns) {
    const cell = element("td", shown ? shown(line) : undefined, figures ? { class: "figures" } : {});
    if (name === "method") cell.append(about(line, many));
    else if (figures && line.anchor && rows && ["mean", "i2t", "t2i"].includes(name)) {
      cell.replaceChildren(element("a", shown(line), { href: `${rows}#${line.anchor}` }));
    }
    made.append(cell);
  }
  return made;
}

function about(line, many) {
  const made = element("details");
  const summary = element("summary", line.method);
  if (line.settings) summary.append(" ", element("small", line.settings.replaceAll("--set ", "")));
  if (many) summary.append(" ", element("small", boardOf(line)));
  made.append(summary);
  const command = element("p");
  command.append(element("code", line.command));
  made.append(command);
  if (line.flatters) made.append(element("p", "Flatters: its settings were chosen on this very set."));
  if (line.why) made.append(element("p", line.why));
  if (line.source) made.append(element("p", `Read from ${line.source}.`));
  return made;
}

function head() {
  const made = columns.map(([name, figures], place) => {
    const cell = element("th", undefined, figures ? { class: "figures", scope: "col" } : { scope: "col" });
    if (place === sorted.by) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    const button = element("button", name, { type: "button" });
    button.addEventListener("click", () => {
      sorted = { by: place, down: place === sorted.by ? !sorted.down : figures };
      draw();
      document.querySelectorAll("thead button")[place].focus();
    });
    cell.append(button);
    return cell;
  });
  document.querySelector("thead tr").replaceChildren(...made);
}

function drawn(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function plot(some) {
  const select = document.querySelector("#plot select");
  const across = select.value;
  const points = some.filter((line) => line[across] > 0);
  const figure = document.getElementById("plot");
  // Quality means nothing across boards, and one point is no picture.
  figure.hidden = !form.elements.board.value || some.length < 2;
  const svg = figure.querySelector("svg");
  const [left, right, top, bottom] = [46, 846, 12, 290];
  if (!points.length) {
    svg.replaceChildren(drawn("text", { x: 430, y: 150, class: "name", "text-anchor": "middle" }, "none of these lines says"));
    return;
  }
  const xs = points.map((line) => Math.log10(line[across]));
  const ys = points.map(meanOf);
  const [x0, x1] = [Math.floor(Math.min(...xs)), Math.max(Math.ceil(Math.max(...xs)), Math.floor(Math.min(...xs)) + 1)];
  const [y0, y1] = [Math.floor(Math.min(...ys) * 20) / 20, Math.max(Math.ceil(Math.max(...ys) * 20), Math.floor(Math.min(...ys) * 20) + 1) / 20];
  const x = (value) => left + ((Math.log10(value) - x0) / (x1 - x0)) * (right - left);
  const y = (value) => bottom - ((value - y0) / (y1 - y0)) * (bottom - top);
  const made = [];
  for (let power = x0; power <= x1; power += 1) {
    made.push(drawn("line", { x1: x(10 ** power), x2: x(10 ** power), y1: top, y2: bottom, class: "axis" }));
    made.push(drawn("text", { x: x(10 ** power), y: bottom + 17, class: "name", "text-anchor": "middle" }, String(Number((10 ** power).toPrecision(1)))));
  }
  const step = y1 - y0 > 0.3 ? 0.1 : 0.05;
  for (let value = y0; value <= y1 + 1e-9; value += step) {
    made.push(drawn("line", { x1: left, x2: right, y1: y(value), y2: y(value), class: "axis" }));
    made.push(drawn("text", { x: left - 6, y: y(value) + 4, class: "name", "text-anchor": "end" }, (100 * value).toFixed(0)));
  }
  made.push(drawn("text", { x: (left + right) / 2, y: 325, class: "name", "text-anchor": "middle" }, select.selectedOptions[0].text));
  // Names only of what nothing beats at its price.
  let best = -Infinity;
  const front = new Set();
  for (const line of [...points].sort((a, b) => a[across] - b[across] || meanOf(b) - meanOf(a))) {
    if (meanOf(line) > best) { best = meanOf(line); front.add(line); }
  }
  for (const line of points) {
    const dot = drawn("circle", { cx: x(line[across]), cy: y(meanOf(line)), r: 5, class: front.has(line) ? "dot" : "dot other" });
    dot.append(drawn("title", {}, `${line.method} ${line.settings} ${percent(meanOf(line))}, ${line[across]}`));
    made.push(dot);
    if (front.has(line)) {
      const end = x(line[across]) > right - 90;
      made.push(drawn("text", { x: x(line[across]) + (end ? -8 : 8), y: y(meanOf(line)) - 5, class: "said", "text-anchor": end ? "end" : "start" }, line.method));
    }
  }
  svg.replaceChildren(...made);
  svg.setAttribute("aria-label", `${points.length} methods; none beats, at their price, ${[...front].map((line) => line.method).join(", ")}`);
}

function draw() {
  const some = inOrder(seen());
  head();
  document.querySelector("tbody").replaceChildren(...some.map((line) => row(line, !form.elements.board.value)));
  document.getElementById("count").textContent = `${some.length} of ${lines.length} lines`;
  plot(some);
}

const boards = new Map();
for (const line of lines) boards.set(boardOf(line), (boards.get(boardOf(line)) ?? 0) + 1);
choices("board", boards.keys(), "all");
choices("family", [...new Set(lines.map((line) => line.family).filter(Boolean))].sort(), "all");
choices("bits", [...new Set(lines.map((line) => line.bits).filter(Boolean))].sort((a, b) => a - b), "all");
form.elements.board.value = [...boards].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
form.addEventListener("input", draw);
form.addEventListener("submit", (event) => event.preventDefault());
document.querySelector("#plot select").addEventListener("input", draw);
draw();
