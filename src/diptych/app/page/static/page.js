// The page: one state, drawn by small functions, and spoken of with the server through its public API alone.
// Whatever people wrote - captions, tags, names of files - becomes text by way of `el`, and never HTML.

const PAGE = 60; // answers asked for at a time
const AHEAD = 900; // pixels below the window from which the next page is asked for
const PAUSE = 140; // milliseconds without a key before a question is asked
const PATIENCE = 30_000; // milliseconds that an answer is waited for
const KEPT = 12; // questions that this browser remembers
const ABOVE = 100; // answers above one that is opened of which the server is told that they were passed over
const PAST = 50; // questions that undo still goes back to after the page is loaded anew
const LONGEST = 4000; // letters of a question that the server keeps anything of
const PARCEL = 10_000_000; // bytes of files that are sent in one request, if they are several
const MARKED = 1000; // marks of one question that the server takes

/** What is asked: everything that back, forward and undo bring back. */
const NOTHING_ASKED = { collection: "", words: "", filters: [], picture: "", yes: [], no: [], variety: 0, view: "" };

const state = {
  asked: { ...NOTHING_ASKED },
  past: [], // questions that undo goes back to
  collections: null,
  answer: null, // of the server, with `results` that grow page by page
  answered: "", // what the answer is to
  months: [],
  loading: false,
  ended: false,
  problem: null,
  offline: false,
  current: "", // the picture that the keyboard is at
  chosen: new Set(),
  open: "", // the picture that is looked at
  job: null,
  groups: null, // of duplicates
  silent: false, // whether the server would keep no more of what is done here
};

const $ = (id) => document.getElementById(id);
const wideEnough = matchMedia("(min-width: 720px)");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// ------------------------------------------------------------------------------------------------------------ elements

/** An element. Strings among the children become text, and `on…` listeners. */
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return made;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

function button(label, attributes, ...children) {
  return el("button", { type: "button", "aria-label": label, title: label, ...attributes }, ...children);
}

/** Let the arrow keys walk through some controls, of which one can be tabbed to. */
function walkable(box, selector) {
  const all = () => [...box.querySelectorAll(selector)];
  const at = (one) => all().forEach((other) => (other.tabIndex = other === one ? 0 : -1));
  if (all().length) at(box.querySelector(`${selector}[aria-pressed=true]`) ?? all()[0]);
  box.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const here = all().indexOf(document.activeElement);
    if (!step || here < 0) return;
    const next = all()[here + step];
    if (next) at(next), next.focus();
    event.preventDefault();
  };
}

const plural = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

// ----------------------------------------------------------------------------------------------------------------- API

class Problem extends Error {
  constructor(status, detail, seconds = 0) {
    super(detail);
    this.status = status;
    this.seconds = seconds; // after which the server wants to be asked again
  }
}

const writes = $("add-files") !== null; // the server gives it to who may add pictures
const token = document.querySelector("meta[name=csrf-token]")?.content;
const at = (path) => `/v1/collections/${encodeURIComponent(state.asked.collection)}${path}`;
const thumbnail = (id, size) => at(`/items/${id}/thumbnails/${size}`);

/** Call the server. Raises Problem with the one line that it says; status 0 where it does not answer. */
async function call(method, path, { body, signal, keepalive } = {}) {
  const headers = token ? { "X-CSRF-Token": token } : {};
  if (body && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, { method, body, headers, signal, keepalive, credentials: "same-origin" });
  } catch (error) {
    if (aborted(error)) throw error;
    throw new Problem(0, "The server does not answer. What you see stays; this page tries again by itself.");
  }
  if (response.ok) return response;
  if (response.status === 401) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  const said = await response.json().catch(() => ({}));
  const seconds = Number(response.headers.get("Retry-After")) || 0;
  throw new Problem(response.status, said.detail ?? `The server answers with ${response.status}.`, seconds);
}

const get = async (path, options) => (await call("GET", path, options)).json();
const post = async (path, body, options) => (await call("POST", path, { body, ...options })).json();
const aborted = (error) => error.name === "AbortError";

// ------------------------------------------------------------------------------------------------- the written question
// The query language is the one truth; chips are parts of it that are known by their looks.

const quoted = (text) => `"${text.replace(/[\\"]/g, "\\$&")}"`;
const unquoted = (text) => (text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text);

const VALUE = String.raw`("(?:[^"\\]|\\.)*"|[^\s"()]+)`;
const FILTER = new RegExp(
  String.raw`(?:NOT )?(?:(?:taken|year|month|camera|folder|tag|name|caption)(?: ?(?:=|!=|>=|<=|>|<|~) ?|:)${VALUE}|near\([^()]*\)|has\(\w+\))`,
);
const TOKEN = new RegExp(
  String.raw`(?<space>\s+)|(?<without>NOT "(?:[^"\\]|\\.)*")(?=\s|$)|(?<filter>${FILTER.source})(?=\s|$)|(?<other>"(?:[^"\\]|\\.)*"|\S+)`,
  "y",
);

/** A question as it is written: words, and what became a chip. Whoever joins filters by hand keeps them as words. */
function split(written) {
  const words = [];
  const filters = [];
  TOKEN.lastIndex = 0;
  for (let found; (found = TOKEN.exec(written)); ) {
    const { space, without, filter, other } = found.groups;
    if (other && /^(AND|OR|NOT|[+-])$|^\(/.test(other)) return { words: written.trim(), filters: [] };
    if (without || filter) filters.push((without ?? filter).trim());
    else words.push(space ? " " : other);
  }
  return { words: words.join("").trim().replace(/\s+/g, " "), filters };
}

const written = (asked) => [asked.words.trim(), ...asked.filters].filter(Boolean).join(" ");

/** Of the chips those that decide by what is known of a picture: what the API calls `where`. */
const where = (asked, but = () => false) =>
  asked.filters.filter((one) => !/^NOT "/.test(one) && !but(one)).join(" AND ");

const isTime = (filter) => /^(taken|year|month)\b/.test(filter);
const isAbout = (field) => (filter) => filter.replace(/^NOT /, "").startsWith(field);

function monthName(text) {
  const [year, month, day] = text.split("-").map(Number);
  const shape = { year: "numeric", ...(month && { month: "long" }), ...(day && { day: "numeric" }) };
  return new Date(year, (month || 1) - 1, day || 1).toLocaleDateString(undefined, shape);
}

/** A filter in plain words, with its picture. */
function described(filter) {
  const [, not, field, sign, raw] =
    /^(NOT )?(\w+)(?: ?(=|!=|>=|<=|>|<|~) ?|:)(.*)$/.exec(filter) ?? [, /^NOT /.test(filter), "", "", ""];
  const value = unquoted(raw ?? "");
  const no = not ? "not " : "";
  if (/^NOT "/.test(filter)) return ["without", `without ${unquoted(filter.slice(4))}`];
  if (/near\(/.test(filter)) return ["place", `${no}near ${filter.replace(/^.*\(|\)$/g, "")}`];
  if (/has\(/.test(filter)) return ["tag", `${no}with a ${filter.replace(/^.*\(|\)$/g, "")}`];
  if (field === "folder") return ["folder", `${no}in ${value || "the topmost folder"}`];
  if (isTime(field)) {
    const often = { "=": "", ">=": "from ", "<=": "until ", ">": "after ", "<": "before ", "!=": "not " }[sign] ?? "";
    const day = field === "month" ? monthName(`2000-${value}`).replace(/\s*2000\s*/, "") : monthName(value);
    return ["time", no + often + (/^\d{4}(-\d\d){0,2}$/.test(value) || field === "month" ? day : value)];
  }
  if (field === "tag") return ["tag", `${no}${value}`];
  return [field === "camera" ? "camera" : "tag", field === "camera" && sign === "=" ? no + value : filter];
}

// --------------------------------------------------------------------------------------------------- changing the state

function addressed(asked) {
  const about = new URLSearchParams();
  if (asked.collection) about.set("in", asked.collection);
  if (written(asked)) about.set("q", written(asked));
  if (asked.picture) about.set("picture", asked.picture);
  if (asked.variety) about.set("variety", asked.variety);
  if (asked.view) about.set("view", asked.view);
  return `/?${about}`;
}

function fromAddress() {
  const about = new URLSearchParams(location.search);
  return {
    ...NOTHING_ASKED,
    collection: about.get("in") ?? "",
    ...split(about.get("q") ?? ""),
    picture: about.get("picture") ?? "",
    variety: Number(about.get("variety")) || 0,
    view: about.get("view") ?? "",
  };
}

// Steps of the browser's history say how often marks had been forgotten by then: older ones bring no marks back.
const timesForgotten = () => Number(localStorage.forgotten) || 0;
const step = (more) => ({ asked: state.asked, past: state.past.slice(-PAST), forgotten: timesForgotten(), ...more });

function recalled(step) {
  const asked = step?.asked ?? fromAddress();
  return (step?.forgotten ?? 0) === timesForgotten() ? asked : { ...asked, yes: [], no: [] };
}

const pastOf = (step) => (step?.forgotten === timesForgotten() ? step.past ?? [] : []);

/** Ask something else. Of a burst of letters only the first is a step to go back to. */
function change(what, { burst = false, wait = 0, undone = false } = {}) {
  const asked = { ...state.asked, ...what };
  if (asked.words.trim() !== state.asked.words.trim() || asked.picture !== state.asked.picture) {
    if (!("yes" in what)) Object.assign(asked, { yes: [], no: [] }); // marks were about another question
  }
  if (JSON.stringify(asked) === JSON.stringify(state.asked)) return;
  const goesOn = burst && change.burst;
  change.burst = burst;
  if (!goesOn && !undone) state.past.push(state.asked);
  const moved = asked.collection !== state.asked.collection;
  keepMarks(state.asked, asked);
  state.asked = asked;
  if (moved) entered();
  history[goesOn ? "replaceState" : "pushState"](step(), "", addressed(asked));
  renderQuestion();
  ask(wait);
}

/** Another collection: nothing of the one before is shown on. */
function entered() {
  follow.events?.close();
  Object.assign(state, { answer: null, months: [], groups: null, job: null });
  state.chosen.clear();
  render();
  renderJob();
  lookForJobs();
}

function undo() {
  const before = state.past.pop();
  if (before) change(before, { undone: true });
}

addEventListener("popstate", (event) => {
  change.burst = false;
  const before = state.asked;
  const { collection } = before;
  state.asked = recalled(event.state);
  state.asked.collection ||= state.collections?.[0]?.name ?? "";
  keepMarks(before, state.asked);
  if (state.asked.collection !== collection) entered();
  const open = new URLSearchParams(location.search).get("at") ?? "";
  if (open !== state.open) show(open, { push: false });
  renderQuestion();
  if (JSON.stringify(state.asked) !== state.answered) ask();
});

// --------------------------------------------------------------------------------------------------------------- asking

let asking = null; // aborts the question that is under way
let waiting = 0;

/** Ask what the state says after a pause; what was asked before is not waited for. The old answer stays until then. */
function ask(pause = 0) {
  clearTimeout(waiting);
  asking?.abort();
  busy(true);
  waiting = setTimeout(askNow, pause);
}

function question(asked, offset, k = PAGE) {
  const parts = asked.picture ? [{ picture: asked.picture }] : [];
  const marks = { yes: asked.yes, no: asked.no };
  const query = written(asked);
  const language = query ? "query" : "plain"; // in which nothing is asked for, and everything listed
  return { query, language, parts, marks, k, offset, diverse: asked.variety };
}

async function askNow() {
  let { asked } = state;
  if (asked.view === "duplicates") return showDuplicates().then(() => busy(false));
  asking = new AbortController();
  const { signal } = asking;
  const patience = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  const search = (offset = 0) => post(at("/search"), question(asked, offset), { signal: patience });
  try {
    let [answer, marks] = await Promise.all([search(), standingMarks(asked, signal)]);
    if (marks) {
      asked = state.asked = { ...asked, ...marks };
      history.replaceState({ ...history.state, ...step() }, "");
      answer = await search();
    }
    const same = state.answer && written(asked) === state.answer.query;
    let ended = answer.results.length >= answer.total || answer.results.length < PAGE;
    const shown = same ? state.answer.results.length : 0; // so that nobody loses the place
    while (!ended && answer.results.length < shown) ended = goesOn(answer, await search(answer.results.length));
    Object.assign(state, { answer, answered: JSON.stringify(asked), problem: null, ended });
    reached();
    if (!same) scrollTo({ top: 0 });
    remember(asked);
  } catch (error) {
    if (aborted(error) || letGoOfGone(error)) return;
    failed(error);
  }
  busy(false);
  render();
  countMonths(asked, signal);
}

/** An answer with its next page behind it. Gives whether that was the last. */
function goesOn(answer, next) {
  const known = new Set(answer.results.map((hit) => hit.id));
  answer.answer = next.answer; // which knows of the earlier pages, too
  const fresh = next.results.filter((hit) => !known.has(hit.id));
  answer.results.push(...fresh);
  return !fresh.length || next.results.length < PAGE;
}

/** The next page, behind what is there. */
async function askMore() {
  if (state.loading || state.ended || !state.answer || state.asked.view) return;
  state.loading = true;
  const { asked, answer } = state;
  const { signal } = asking;
  renderMore();
  try {
    state.ended = goesOn(answer, await post(at("/search"), question(asked, answer.offset + answer.results.length), { signal }));
    reached();
  } catch (error) {
    if (!aborted(error) && !letGoOfGone(error)) failed(error, true);
    if (error.status === 422) state.ended = true; // as far as the server pages
  }
  state.loading = false;
  render();
  if (!state.offline && $("more").offsetParent && $("more").getBoundingClientRect().top < innerHeight + AHEAD) askMore();
}

const busy = (is) => document.body.classList.toggle("asking", is);

function failed(error, aside = false) {
  if (!(error instanceof Problem)) throw error;
  if (error.status === 0) return lost();
  if (aside) toast(error.message);
  else state.problem = error;
}

/** The server does not answer: say so, keep what is shown, and try until it does. */
function lost() {
  state.offline = true;
  renderProblem();
  clearTimeout(lost.again);
  lost.again = setTimeout(async () => {
    try {
      await fetch("/healthz", { cache: "no-store" });
      reached();
      ask();
    } catch {
      lost();
    }
  }, 2000);
}

function reached() {
  if (!state.offline) return;
  state.offline = false;
  clearTimeout(lost.again);
  toast("The server answers again.");
  renderProblem();
  sendMarks();
}
addEventListener("online", () => state.offline && ask());

async function countMonths(asked, signal) {
  try {
    const about = new URLSearchParams({ field: "taken", bins: "month" });
    const condition = where(asked, isTime);
    if (condition) about.set("where", condition);
    state.months = (await get(at(`/histogram?${about}`), { signal })).bins;
    renderTimeline();
  } catch (error) {
    if (!aborted(error)) state.months = [];
  }
}

// ------------------------------------------------------------------------------------------------------------- question

const blobs = new Map(); // uploaded pictures that this page has seen: name -> address of a small copy

/** What is in the field and beside it. */
function renderQuestion() {
  const { asked } = state;
  if ($("words").value.trim() !== asked.words.trim()) $("words").value = asked.words;
  if (document.activeElement !== $("written")) $("written").value = written(asked);
  $("clear").hidden = !(asked.words || asked.filters.length || asked.picture || asked.yes.length || asked.no.length);
  $("undo").disabled = !state.past.length;
  $("collection").value = asked.collection;
  renderMarked();
  document.title = written(asked) ? `${written(asked)} · Diptych` : "Diptych";
  document.body.classList.toggle("view-duplicates", asked.view === "duplicates");
  renderLikes();
  renderFilters();
}

function renderLikes() {
  const { asked } = state;
  const like = /^#([\w-]{22})(?=\s|$)/.exec(asked.words);
  const pills = [];
  if (asked.picture) {
    const blob = blobs.get(asked.picture);
    pills.push(likePill(blob, "your picture", () => change({ picture: "" })));
  }
  if (like && asked.collection) {
    const rest = asked.words.slice(like[0].length).trim();
    pills.push(likePill(thumbnail(like[1], "small"), "this picture", () => change({ words: rest })));
  }
  $("likes").replaceChildren(...pills);
}

function likePill(src, what, remove) {
  const look = src ? el("img", { src, alt: "" }) : icon("camera");
  return button(`Like ${what}. Take it out of the question`, { class: "like-pill", onclick: remove }, look, icon("close"));
}

const MENUS = [
  { name: "Time", icon: "time", open: timeMenu, has: isTime },
  { name: "Camera", icon: "camera", open: (box) => valueMenu(box, "camera"), has: isAbout("camera") },
  { name: "Place", icon: "place", open: placeMenu, has: (one) => isAbout("folder")(one) || isAbout("near")(one) },
  { name: "Tag", icon: "tag", open: (box) => valueMenu(box, "tag"), has: isAbout("tag") },
  { name: "Without", icon: "without", open: withoutMenu, has: (one) => /^NOT "/.test(one) },
];

function renderFilters() {
  const focused = document.activeElement?.dataset?.menu;
  const menus = MENUS.map((menu) =>
    button(menu.name === "Without" ? "Without …" : menu.name, {
      class: `chip menu${state.asked.filters.some(menu.has) ? " used" : ""}`, "data-menu": menu.name,
      "aria-haspopup": "dialog", title: null, "aria-label": null,
      onclick: (event) => popover(event.currentTarget, menu.name, menu.open),
    }, icon(menu.icon), menu.name === "Without" ? "Without …" : menu.name));
  const pills = state.asked.filters.map((filter) => {
    const [kind, words] = described(filter);
    const remove = () => change({ filters: state.asked.filters.filter((one) => one !== filter) });
    return button(`${words}: take it away`, { class: "chip on", onclick: remove }, icon(kind), words, icon("close"));
  });
  $("filters").replaceChildren(...pills, ...menus);
  if (focused) $("filters").querySelector(`[data-menu="${focused}"]`)?.focus();
}

function narrow(filter, { but = () => false } = {}) {
  const others = state.asked.filters.filter((one) => one !== filter && !but(one));
  change({ filters: [...others, filter] });
}

// -------------------------------------------------------------------------------------------------------------- popover

/** A small menu below a button. `fill` gets the box, and may take its time. */
async function popover(opener, title, fill) {
  const box = $("popover");
  const again = box.matches(":popover-open") && box.opener === opener;
  box.hidePopover();
  if (again) return;
  box.opener = opener;
  box.replaceChildren(el("h2", {}, title));
  box.setAttribute("aria-label", title);
  box.setAttribute("role", "dialog");
  box.showPopover();
  opener.setAttribute("aria-expanded", "true");
  const place = () => {
    const edge = opener.getBoundingClientRect();
    box.style.left = `${Math.max(8, Math.min(edge.left, document.body.clientWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${edge.bottom + 6}px`;
    box.style.maxHeight = `${innerHeight - edge.bottom - 18}px`;
  };
  place();
  try {
    await fill(box);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    box.append(el("p", { class: "soft" }, error.message));
  }
  place();
  (box.querySelector("[autofocus]") ?? box.querySelector("button, input, a"))?.focus();
}

$("popover").addEventListener("toggle", (event) => {
  if (event.newState !== "closed") return;
  const { opener } = $("popover");
  opener?.setAttribute("aria-expanded", "false");
  if (!document.activeElement || document.activeElement === document.body) opener?.focus();
});

function done(action) {
  return () => {
    $("popover").hidePopover();
    action();
  };
}

const counted = (label, count, pressed, action, shown = label) =>
  el("button", { type: "button", class: "option", "aria-pressed": String(pressed), onclick: done(action), title: shown },
    el("span", { class: "label" }, shown), el("span", { class: "n" }, count.toLocaleString()));

async function facet(field, but) {
  const about = new URLSearchParams({ field });
  const condition = where(state.asked, but);
  if (condition) about.set("where", condition);
  return (await get(at(`/facets?${about}`))).fields[field];
}

/** Values of a field with how many pictures have each; many of them can be looked through. */
async function valueMenu(box, field, shown = (value) => value) {
  const about = isAbout(field);
  const values = await facet(field, field === "tag" ? undefined : about);
  const names = { camera: "No picture here says with which camera it was taken.", tag: "No picture here has a tag yet.",
    folder: "All pictures lie in one folder." };
  if (!values.length || (field === "folder" && values.length < 2)) {
    box.append(el("p", { class: "soft" }, names[field]));
    return;
  }
  const list = el("div", { class: "options" });
  const draw = (letters = "") => {
    const some = values.filter(({ value }) => String(value).toLowerCase().includes(letters.toLowerCase())).slice(0, 100);
    list.replaceChildren(...some.map(({ value, count }) => {
      const filter = field === "tag" ? `tag = ${quoted(String(value))}` : `${field} = ${quoted(String(value))}`;
      const on = state.asked.filters.includes(filter);
      const pick = () => on
        ? change({ filters: state.asked.filters.filter((one) => one !== filter) })
        : narrow(filter, { but: field === "tag" ? undefined : about });
      return counted(value, count, on, pick, shown(String(value)));
    }));
    walkable(list, "button");
  };
  if (values.length > 8) {
    const find = el("input", { type: "search", placeholder: "Find one", "aria-label": `Find a ${field}`, autofocus: true,
      oninput: () => draw(find.value),
      onkeydown: (event) => {
        const first = list.querySelector("button");
        if (!first || !["ArrowDown", "Enter"].includes(event.key)) return;
        event.preventDefault();
        if (event.key === "Enter") first.click();
        else first.focus();
      } });
    box.append(find);
  }
  box.append(list);
  draw();
}

async function placeMenu(box) {
  await valueMenu(box, "folder", (value) => value || "(the topmost folder)");
  box.append(el("p", { class: "soft" }, "To find pictures taken near one of them, open it and choose “Taken near here”."));
}

async function timeMenu(box) {
  const years = (await facet("year", isTime)).sort((a, b) => b.value - a.value);
  if (!years.length) {
    box.append(el("p", { class: "soft" }, "No picture here says when it was taken."));
    return;
  }
  const list = el("div", { class: "options" });
  for (const { value, count } of years) {
    const filter = `year = ${value}`;
    const on = state.asked.filters.includes(filter);
    list.append(counted(value, count, on, () => on
      ? change({ filters: state.asked.filters.filter((one) => one !== filter) })
      : narrow(filter, { but: isTime }), String(value)));
  }
  walkable(list, "button");
  const known = (sign) => state.asked.filters.map((one) => new RegExp(`^taken ${sign} (.*)$`).exec(one)?.[1]).find(Boolean) ?? "";
  const from = el("input", { type: "date", value: known(">=") });
  const until = el("input", { type: "date", value: known("<=") });
  const between = done(() => {
    const kept = state.asked.filters.filter((one) => !isTime(one));
    change({ filters: [...kept, from.value && `taken >= ${from.value}`, until.value && `taken <= ${until.value}`].filter(Boolean) });
  });
  box.append(list, el("form", { class: "between", onsubmit: (event) => (event.preventDefault(), between()) },
    el("label", {}, "From ", from), el("label", {}, "until ", until), el("button", { class: "small" }, "Show")));
}

function withoutMenu(box) {
  const word = el("input", { type: "text", placeholder: "people, text, snow …", "aria-label": "What must not be seen", autofocus: true, maxlength: 200 });
  const add = done(() => word.value.trim() && narrow(`NOT ${quoted(word.value.trim())}`));
  box.append(
    el("p", { class: "soft" }, "Pictures that show this are left out altogether."),
    el("form", { class: "between", onsubmit: (event) => (event.preventDefault(), add()) }, word, el("button", { class: "small" }, "Leave out")));
}

function mainMenu(box) {
  const { asked } = state;
  const lately = remembered();
  box.append(el("div", { class: "options" },
    option("Fewer look-alikes", asked.variety > 0, () => change({ variety: asked.variety ? 0 : 0.4 })),
    option("Larger pictures", scale() > 1, () => scaled(scale() > 1 ? 1 : 1.5)),
    option("Smaller pictures", scale() < 1, () => scaled(scale() < 1 ? 1 : 0.65)),
    (writes || state.groups) && option("Look for duplicates", asked.view === "duplicates", () => change({ view: asked.view ? "" : "duplicates" })),
    writes && option("Look for new pictures", false, () => startJob("index")),
    writes && option("Add pictures …", false, () => $("add-files").click()),
    keeps() && option("Forget my marks …", false, showForgetting),
    collection()?.failed > 0 && option(`${plural(collection().failed, "file")} could not be read …`, false, showFailures),
    option("Keys", false, showKeys),
    document.getElementById("reports-link") && el("a", { class: "option", href: "/reports" }, "Reports"),
    collection()?.experiment && el("p", { class: "soft" }, "An experiment compares two orders here."),
    token && el("form", { method: "post", action: "/sign-out", onsubmit: forgetHere }, el("input", { type: "hidden", name: "csrf", value: token }),
      el("button", { class: "option" }, "Sign out"))),
    el("h2", {}, "Light"), el("div", { class: "options in-line" },
      ["auto", "light", "dark"].map((name) => option(name, (localStorage.theme ?? "auto") === name, () => themed(name)))),
    ...(lately.length ? [el("h2", {}, "Asked lately"), el("div", { class: "options" },
      lately.map((one) => option(one, false, () => change({ ...split(one), picture: "", view: "" }))),
      option("Forget these", false, () => localStorage.removeItem("asked")))] : []));
}

const option = (label, pressed, action) =>
  el("button", { type: "button", class: "option", "aria-pressed": String(pressed), onclick: done(action) }, el("span", { class: "label" }, label));

// ----------------------------------------------------------------------------------- what this browser alone remembers

function remembered() {
  try {
    return JSON.parse(localStorage.asked ?? "[]").filter((one) => typeof one === "string");
  } catch {
    return [];
  }
}

function remember(asked) {
  clearTimeout(remember.later);
  const text = written(asked);
  if (text.length < 3) return;
  remember.later = setTimeout(() => {
    const kept = remembered().filter((one) => one !== text && !text.startsWith(one));
    localStorage.asked = JSON.stringify([text, ...kept].slice(0, KEPT));
  }, 2000);
}

/** Who signs out leaves nothing of what they did in this browser. */
function forgetHere() {
  localStorage.removeItem("asked");
  sessionStorage.removeItem(UNSENT);
}

const scale = () => Number(localStorage.scale) || 1;

function scaled(to) {
  localStorage.scale = to;
  renderGrid();
}

function themed(name) {
  localStorage.theme = name;
  document.documentElement.dataset.theme = name;
}

// --------------------------------------------------------------------------------------------------------------- answer

function render() {
  renderQuestion();
  renderProblem();
  renderVerdict();
  renderTimeline();
  renderGrid();
  renderMore();
  renderSelection();
}

function renderProblem() {
  const box = $("problem");
  const away = state.offline && "The server does not answer. What you see stays; this page tries again by itself.";
  const said = [away || state.problem?.message, waitingMarks()].filter(Boolean).join(" ");
  box.hidden = !said;
  box.classList.toggle("offline", !state.problem || state.offline);
  if (!said) return;
  const plain = !state.offline && state.problem?.status === 400 && state.asked.words
    ? el("button", { type: "button", class: "small", onclick: () => change({ words: `1:${quoted(state.asked.words)}` }) }, "Take it as plain words")
    : null;
  box.replaceChildren(said, plain ?? "");
}

const hasMarks = ({ yes, no }) => yes.length + no.length > 0;

/** Whether what is shown answers an earlier question, since this one got no answer: then it is judged by nothing. */
const isEarlier = () => Boolean(state.problem || state.offline) && state.answered !== JSON.stringify(state.asked);

/** The verdict in plain words. */
function verdictSaid({ verdict, total }) {
  const { asked } = state;
  const ranked = asked.words || asked.picture || asked.yes.length;
  if (!total && hasMarks(asked)) return asked.filters.length ? "Nothing else passes these filters" : "All of them are marked";
  if (!total) return asked.filters.length ? "Nothing passes these filters" : "";
  if (!ranked) return asked.filters.length ? "All that pass, latest first" : "All pictures, latest first";
  const none = asked.yes.length ? "No other good match" : "No good match";
  return { match: "Good matches", weak: "Perhaps one of these", none, unrated: "Most alike first" }[verdict];
}

function renderVerdict() {
  const { answer, asked } = state;
  if (!answer) return;
  const earlier = isEarlier();
  $("verdict").textContent = earlier ? "Still from the question before" : verdictSaid(answer);
  $("verdict").dataset.verdict = earlier ? "" : answer.verdict;
  const told = [plural(state.ended ? answer.results.length : answer.total, "picture"), `${Math.max(1, Math.round(1000 * answer.seconds))} ms`];
  told.push(rankedBy(answer, asked));
  $("count").textContent = answer.total ? told.filter(Boolean).join(" · ") : "";
  $("advice").replaceChildren(...(earlier ? [] : advice()));
  renderNothing();
}

/** What ordered the answer, where it is more than the question. */
function rankedBy({ ranked_by: by }, { yes, no }) {
  const marks = yes.length + no.length;
  if (/^marks\b/.test(by)) return `ranked with ${plural(marks, "mark")}${by.slice("marks".length)}`;
  if (marks) return plural(marks, "mark");
  return ["query", "date taken"].includes(by) ? "" : `ranked by ${by}`;
}

/** What to try where the answer is none. */
function advice() {
  const { answer, asked } = state;
  const tries = answer.hints.map((hint) => el("p", {}, hint));
  const dropped = (filter) =>
    el("button", { type: "button", class: "small", onclick: () => change({ filters: asked.filters.filter((one) => one !== filter) }) },
      `Drop “${described(filter)[1]}”`);
  const asksWords = asked.words && answer.total;
  if (answer.verdict === "none" && asksWords) {
    const nothing = asked.yes.length ? "Nothing else here" : "Nothing here";
    tries.unshift(el("p", {}, `${nothing} looks like that. Below are the nearest; other or fewer words may help, or a picture of it.`));
  } else if (answer.verdict === "weak" && asksWords) {
    tries.unshift(el("p", {}, "Nothing fits for certain. Mark what is right and what is wrong: the order follows at once."));
  }
  if (!answer.total || (answer.verdict === "none" && asksWords)) tries.push(...asked.filters.map(dropped));
  return tries;
}

function renderNothing() {
  const { answer, asked } = state;
  const box = $("nothing");
  box.hidden = !answer || answer.total > 0 || asked.view !== "";
  if (box.hidden) return;
  if (hasMarks(asked)) {
    box.replaceChildren(
      el("h2", {}, asked.filters.length ? "Nothing else passes" : "There is no other picture"),
      el("p", {}, asked.filters.length ? "What is marked is left out. Take one of the filters away, or the marks back." : "What is marked is left out."),
      el("button", { type: "button", onclick: () => change({ yes: [], no: [] }) }, "Take the marks back"));
    return;
  }
  const empty = !asked.filters.length;
  box.replaceChildren(
    el("h2", {}, empty ? (state.job ? "The pictures are being looked at" : "There is no picture here yet") : "Nothing passes"),
    el("p", {}, empty
      ? (state.job ? "They appear here as they come."
        : writes ? "Add some, or put them into the folder and look for new ones." : "They appear here once somebody adds them.")
      : "Take one of the filters away."),
    empty && !state.job && writes ? el("p", {},
      el("button", { type: "button", onclick: () => $("add-files").click() }, "Add pictures …"), " ",
      el("button", { type: "button", onclick: () => startJob("index") }, "Look for new ones")) : "",
    empty && collection()?.failed ? el("button", { type: "button", class: "small", onclick: showFailures },
      `${plural(collection().failed, "file")} could not be read …`) : "");
}

// ------------------------------------------------------------------------------------------------------------- timeline

/** Every month from one to another, both as `2024-05`. */
function monthsBetween(first, last) {
  const months = [];
  const at = new Date(`${first}-01T00:00`);
  for (const end = new Date(`${last}-01T00:00`); at <= end && months.length < 3000; at.setMonth(at.getMonth() + 1)) {
    months.push({ low: `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}` });
  }
  return months;
}

/** How many pictures pass in each month, and how many of the answers seen so far lie there. */
function renderTimeline() {
  const { months, answer, asked } = state;
  const box = $("timeline");
  box.hidden = months.length < 2 || asked.view !== "";
  if (box.hidden) return;
  const perYear = monthsBetween(months[0].low, months.at(-1).low).length > 96;
  const key = (text) => text.slice(0, perYear ? 4 : 7);
  const all = new Map();
  for (const { low } of monthsBetween(months[0].low, months.at(-1).low)) all.set(key(low), 0); // those without a picture, too
  for (const { low, count } of months) all.set(key(low), (all.get(key(low)) ?? 0) + count);
  const ranked = asked.words || asked.picture || asked.yes.length;
  const good = (answer?.results ?? []).filter((hit) => hit.taken && (!ranked || hit.verdict !== "none"));
  const found = new Map();
  if (ranked) for (const { taken } of good) found.set(key(taken), (found.get(key(taken)) ?? 0) + 1);
  const most = Math.max(...all.values());
  let year = "";
  const bars = [...all].map(([when, count]) => {
    const label = when.slice(0, 4) !== year ? el("span", { class: "year" }, (year = when.slice(0, 4))) : null;
    if (!count) return el("span", { class: "month" }, label);
    const here = found.get(when) ?? 0;
    const filter = perYear ? `year = ${when}` : `taken = ${when}`;
    const on = asked.filters.includes(filter);
    const pick = () => on ? change({ filters: asked.filters.filter((one) => one !== filter) }) : narrow(filter, { but: isTime });
    const bar = el("span", { class: "bar" }, el("span", { class: "found" }));
    bar.style.height = `${Math.max(6, 100 * Math.sqrt(count / most))}%`;
    bar.firstChild.style.height = `${here ? Math.max(20, (100 * here) / count) : 0}%`;
    const told = `${monthName(when)}: ${plural(count, "picture")}${ranked ? `, ${here} found` : ""}`;
    return el("button", { type: "button", class: "month", "aria-label": told, title: told, "aria-pressed": String(on), onclick: pick },
      el("span", { class: "rail" }, bar), label);
  });
  box.replaceChildren(...bars);
  walkable(box, "button");
}

// ----------------------------------------------------------------------------------------------------------------- grid

const tiles = new Map(); // id -> element; a picture keeps its element while it moves

/** Rows of equal height from edge to edge, known from widths and heights alone. `breaks`: place -> a line of text. */
function justified(shapes, width, height, gap, breaks) {
  const boxes = [];
  const lines = [];
  let top = 0;
  let row = [];
  const close = (whole) => {
    const sum = row.reduce((total, ratio) => total + ratio, 0);
    const free = width - gap * (row.length - 1);
    const high = whole ? free / sum : Math.min(height * 1.15, free / sum);
    let left = 0;
    for (const ratio of row) {
      boxes.push({ left, top, width: ratio * high, height: high });
      left += ratio * high + gap;
    }
    top += high + gap;
    row = [];
  };
  shapes.forEach((ratio, place) => {
    if (breaks.has(place)) {
      if (row.length) close(false);
      lines.push({ top, text: breaks.get(place) });
      top += 44;
    }
    row.push(ratio);
    if (row.reduce((total, one) => total + one, 0) * height + gap * (row.length - 1) >= width) close(true);
  });
  if (row.length) close(false);
  return { boxes, lines, height: Math.max(0, top - gap) };
}

const ratio = (hit) => Math.min(3.2, Math.max(0.45, hit.width && hit.height ? hit.width / hit.height : 1));

/** A line at the place behind which nothing is called a match any more, not even a weak one. */
function breaks(hits) {
  const asks = state.asked.words || state.asked.picture;
  const good = asks ? hits.findLastIndex((hit) => hit.verdict !== "none") + 1 : 0;
  return new Map(good && good < hits.length ? [[good, "Probably not what you mean"]] : []);
}

function renderGrid() {
  const grid = $("grid");
  const hits = state.asked.view ? [] : (state.answer?.results ?? []);
  const width = grid.clientWidth;
  const gap = wideEnough.matches ? 8 : 4;
  const target = scale() * (wideEnough.matches ? Math.min(240, 130 + width / 14) : Math.max(104, width / 3.2));
  const laid = justified(hits.map(ratio), width, target, gap, breaks(hits));
  const focused = document.activeElement?.closest?.(".tile")?.dataset.id;
  const stood = [...grid.children].indexOf(tiles.get(focused));
  const wanted = new Set(hits.map((hit) => hit.id));
  for (const [id, tile] of tiles) {
    if (wanted.has(id)) continue;
    tile.querySelector("img")?.removeAttribute("src"); // what is not needed any more is not waited for
    tile.remove();
    tiles.delete(id);
  }
  if (!wanted.has(state.current)) state.current = hits[0]?.id ?? "";
  hits.forEach((hit, place) => {
    const tile = tiles.get(hit.id) ?? newTile(hit);
    placed(tile, laid.boxes[place]);
    renderTile(tile, hit);
    if (grid.children[place] !== tile) grid.insertBefore(tile, grid.children[place] ?? null);
  });
  grid.querySelectorAll(".line").forEach((line) => line.remove());
  for (const { top, text } of laid.lines) {
    const line = el("li", { class: "line" }, text);
    line.style.top = `${top}px`;
    grid.append(line);
  }
  grid.style.height = `${laid.height}px`;
  const next = tiles.has(focused) ? focused : hits[Math.min(stood, hits.length - 1)]?.id; // what is not meant is gone
  if (focused && next) tiles.get(next).querySelector("a").focus({ preventScroll: true });
}

function placed(tile, { left, top, width, height }) {
  tile.style.width = `${width}px`;
  tile.style.height = `${height}px`;
  tile.style.transform = `translate(${left}px, ${top}px)`;
  const img = tile.querySelector("img");
  const need = Math.max(width, height) * Math.min(devicePixelRatio, 2);
  const src = thumbnail(tile.dataset.id, need > 420 ? "medium" : "small");
  if (img && img.getAttribute("src") !== src) img.src = src;
}

function newTile(hit) {
  const { id } = hit;
  const img = el("img", { alt: hit.captions[0] ?? hit.name, loading: "lazy", decoding: "async", draggable: "true",
    onload: (event) => event.target.classList.add("here"),
    onerror: (event) => missed(event.target) });
  const link = el("a", { class: "look", href: `${addressed(state.asked)}&at=${id}`, onclick: (event) => {
    if (event.metaKey || event.ctrlKey || event.button) return;
    event.preventDefault();
    if (state.chosen.size || event.shiftKey) choose(id, event.shiftKey);
    else show(id);
  } }, img, el("span", { class: "name" }, hit.name));
  const tile = el("li", { class: "tile fresh", "data-id": id }, link,
    button("Choose", { class: "pick", onclick: (event) => choose(id, event.shiftKey) }, icon("pick"), icon("picked")),
    el("div", { class: "marks" },
      button("This is it", { class: "mark yes", onclick: () => mark(id, "yes") }, icon("yes")),
      button("Not this", { class: "mark no", onclick: () => mark(id, "no") }, icon("no"))));
  tile.addEventListener("focusin", () => current(id));
  longPress(tile, () => choose(id));
  if (hit.colour) tile.style.backgroundColor = hit.colour;
  tiles.set(id, tile);
  requestAnimationFrame(() => tile.classList.remove("fresh"));
  return tile;
}

/** A thumbnail did not come: the server may be busy, so it is asked again, and then again. */
function missed(img, patience = [1500, 6000]) {
  const tries = Number(img.dataset.tries ?? 0);
  const src = img.getAttribute("src");
  if (!src) return;
  img.dataset.tries = tries + 1;
  if (tries >= patience.length) img.closest(".tile")?.classList.add("gone");
  else setTimeout(() => img.isConnected && img.getAttribute("src") === src && (img.src = src), patience[tries]);
}

function renderTile(tile, hit) {
  const { id } = hit;
  const pressed = (selector, is) => tile.querySelector(selector).setAttribute("aria-pressed", String(is));
  pressed(".pick", state.chosen.has(id));
  pressed(".yes", state.asked.yes.includes(id));
  pressed(".no", state.asked.no.includes(id));
  tile.dataset.verdict = hit.verdict;
  tile.querySelector(".name").textContent = hit.name;
  tile.classList.toggle("is-chosen", state.chosen.has(id));
  const here = id === state.current ? 0 : -1;
  tile.querySelectorAll("a, button").forEach((one) => (one.tabIndex = here));
}

function longPress(tile, action) {
  let timer = 0;
  let fired = false;
  let from = null;
  tile.addEventListener("pointerdown", (event) => {
    fired = false;
    from = event;
    if (event.pointerType === "touch") timer = setTimeout(() => ((fired = true), action()), 450);
  });
  tile.addEventListener("pointermove", ({ clientX, clientY }) => {
    if (from && Math.hypot(clientX - from.clientX, clientY - from.clientY) > 8) clearTimeout(timer);
  });
  for (const end of ["pointerup", "pointercancel"]) tile.addEventListener(end, () => clearTimeout(timer));
  tile.addEventListener("contextmenu", (event) => fired && event.preventDefault());
  tile.addEventListener("click", (event) => fired && ((fired = false), event.preventDefault(), event.stopPropagation()), true);
}

function current(id) {
  if (id === state.current) return;
  for (const one of [state.current, id]) {
    tiles.get(one)?.querySelectorAll("a, button").forEach((control) => (control.tabIndex = one === id ? 0 : -1));
  }
  state.current = id;
}

function focusTile(id) {
  const tile = tiles.get(id);
  if (!tile) return;
  current(id);
  tile.querySelector("a").focus({ preventScroll: true });
  tile.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
}

/** The picture a step away: beside it in the order, or above and below it on the page. */
function stepped(id, key) {
  const hits = state.answer.results;
  const place = hits.findIndex((hit) => hit.id === id);
  if (key === "ArrowRight") return hits[place + 1]?.id;
  if (key === "ArrowLeft") return hits[place - 1]?.id;
  if (key === "Home") return hits[0]?.id;
  if (key === "End") return hits.at(-1)?.id;
  const box = (one) => tiles.get(one.id).getBoundingClientRect();
  const here = box(hits[place]);
  const middle = here.left + here.width / 2;
  const down = key === "ArrowDown";
  const beyond = (down ? hits.slice(place + 1) : hits.slice(0, place).reverse())
    .map((hit) => ({ id: hit.id, edge: box(hit) }))
    .filter(({ edge }) => (down ? edge.top > here.top + 1 : edge.top < here.top - 1));
  if (!beyond.length) return undefined;
  const row = beyond.filter(({ edge }) => Math.abs(edge.top - beyond[0].edge.top) < 1);
  const away = ({ edge }) => Math.abs(edge.left + edge.width / 2 - middle);
  return row.reduce((best, one) => (away(one) < away(best) ? one : best)).id;
}

function renderMore() {
  $("more").hidden = !state.answer || state.ended || !state.answer.results.length || state.asked.view !== "";
  $("more").textContent = state.loading ? "More are coming …" : "Show more";
}

// ---------------------------------------------------------------------------------------------------------------- marks

/** Say of a picture that it is what is meant, or not; saying it again takes it back. The order follows at once. */
function mark(id, which) {
  const taken = state.asked[which].includes(id);
  markAll([id], taken ? null : which);
  const told = taken ? "Taken back." : which === "yes" ? "More like this." : "Less like this.";
  toast(told, { label: "Undo", action: undo });
}

/** Mark pictures so; null takes their marks back. They leave the answers before the next ones are there. */
function markAll(ids, which) {
  const marks = withMarks(state.asked, ids, which);
  while (marks.yes.length + marks.no.length > MARKED) (marks.yes.length > marks.no.length ? marks.yes : marks.no).shift();
  change(marks);
  if (!which || !state.answer) return;
  const stood = state.answer.results.findIndex((hit) => hit.id === state.current);
  const left = (state.answer.results = state.answer.results.filter((hit) => !ids.includes(hit.id)));
  if (ids.includes(state.current)) current(left[Math.min(stood, left.length - 1)]?.id ?? "");
  renderGrid();
}

/** Marks and those of some pictures; null takes theirs back. */
function withMarks({ yes, no }, ids, which) {
  const isOther = (id) => !ids.includes(id);
  const marks = { yes: yes.filter(isOther), no: no.filter(isOther) };
  marks[which]?.push(...ids);
  return marks;
}

/** What was marked is seen already: it stands apart from the answers, where it is looked at and taken back. */
function renderMarked() {
  const { yes, no, view } = state.asked;
  const shelf = $("marked");
  const stood = [...shelf.children].findIndex((one) => one.contains(document.activeElement));
  const marked = [...yes, ...no];
  shelf.hidden = !marked.length || view !== "";
  const known = new Map([...shelf.children].map((one) => [one.dataset.id, one])); // the focus stays on what stays
  for (const [id, one] of known) if (!marked.includes(id)) one.remove();
  marked.forEach((id, place) => {
    const one = known.get(id) ?? newMarked(id);
    labelMarked(one, yes.includes(id) ? "yes" : "no");
    if (shelf.children[place] !== one) shelf.insertBefore(one, shelf.children[place] ?? null);
  });
  if (stood < 0 || shelf.contains(document.activeElement)) return;
  (shelf.children[Math.min(stood, marked.length - 1)]?.querySelector(".mark") ?? $("words")).focus();
}

/** What it is called is known of an answer; of others it is asked for when they come into view. */
function newMarked(id) {
  const named = ({ name }) => {
    one.dataset.name = name;
    labelMarked(one, one.className);
  };
  const one = el("li", { "data-id": id, "data-name": state.answer?.results.find((hit) => hit.id === id)?.name },
    el("button", { type: "button", class: "look", onclick: () => show(id) },
      el("img", { src: thumbnail(id, "small"), alt: "", loading: "lazy", decoding: "async",
        onload: () => one.dataset.name ?? get(at(`/items/${id}`)).then(named, () => {}) })),
    el("button", { type: "button", "aria-pressed": "true", onclick: () => mark(id, one.className) }));
  return one;
}

function labelMarked(one, which) {
  const [look, taken] = one.children;
  const said = `${one.dataset.name ?? "A picture"}, marked ${which === "yes" ? "right" : "wrong"}`;
  one.className = which;
  taken.className = `mark ${which}`;
  taken.replaceChildren(icon(which));
  for (const [control, label] of [[look, said], [taken, `${said}; take it back`]]) {
    control.title = label;
    control.setAttribute("aria-label", label);
  }
}

// What is done with answers is kept by the server, for who did it: marks, so that they are there when the same is asked
// again, and what was opened and for how long, so that an order can be learned.

const keeps = () => Boolean(collection()?.feedback) && !state.silent;

/** What marks are about: the words, whatever chips narrow them; nothing where a picture is asked with, which the server forgets. */
const lasting = (asked) => (asked.picture ? "" : asked.words.trim());

/** Have it kept that an answer was opened or looked at. What is done while the server is away is not. */
async function feedback(query, item, did, { path = at("/feedback"), keepalive = false } = {}) {
  if (!query || !keeps()) return;
  try {
    await call("POST", path, { body: { query, item, ...did }, keepalive });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 409) fallSilent(error);
  }
}

function fallSilent(error) {
  state.silent = true;
  toast(error.message);
}

// Marks until the server has them, in their order: none overtakes another of the same picture. This tab keeps them for who
// made them, so that they are there when the page is loaded anew, and after signing in again.
const UNSENT = `unsent of ${document.querySelector("meta[name=user]").content}`;
const LATER = [429, 502, 503, 504]; // the server is busy, or what stands before it says that it is away
const STAYS = [0, 401, 403, ...LATER];
let unsent = JSON.parse(sessionStorage[UNSENT] ?? "[]");

function unsentAre(marks) {
  unsent = marks;
  if (unsent.length) sessionStorage[UNSENT] = JSON.stringify(unsent);
  else sessionStorage.removeItem(UNSENT);
}

async function sendMarks() {
  if (sendMarks.runs) return;
  sendMarks.runs = true;
  clearTimeout(sendMarks.later);
  let problem;
  while (unsent.length && !problem) {
    const [one] = unsent;
    problem = await notTaken(one);
    if (!problem) unsentAre(unsent.filter((other) => other !== one));
  }
  sendMarks.runs = false;
  if (!problem && sendMarks.waits) toast(`${plural(sendMarks.waits, "mark was", "marks were")} sent.`);
  sendMarks.waits = problem ? unsent.length : 0;
  sendMarks.isBusy = LATER.includes(problem?.status);
  if (problem?.status === 0) return lost(); // they are sent when it answers again
  if (sendMarks.isBusy) sendMarks.later = setTimeout(sendMarks, 1000 * (problem.seconds || 3));
  renderProblem();
}

/** Why a mark has to be sent again; nothing where the server has it, or will never take it. */
async function notTaken({ path, ...body }) {
  try {
    await call("POST", path, { body });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (STAYS.includes(error.status)) return error;
    if (error.status === 409) fallSilent(error);
  }
}

/** What is said of marks that are not sent yet. */
function waitingMarks() {
  if (!sendMarks.waits || !unsent.length) return "";
  const why = sendMarks.isBusy && !state.offline ? " The server is busy; this page tries again by itself." : "";
  return `${plural(unsent.length, "mark waits", "marks wait")} to be sent.${why}`;
}

/** By which word the server knows the answer that is shown, if it was asked for with these words, whatever narrows them. */
const answered = (words) => (state.answer && split(state.answer.query).words === words ? state.answer.answer : "");

/** Marks that were given, taken back or undone between two states of one question. */
function keepMarks(before, after) {
  const query = lasting(after);
  if (!query || !keeps() || before.collection !== after.collection || lasting(before) !== query) return;
  const said = ({ yes, no }, item) => (yes.includes(item) ? "yes" : no.includes(item) ? "no" : null);
  const fresh = [...new Set([before, after].flatMap(({ yes, no }) => [...yes, ...no]))]
    .filter((item) => said(before, item) !== said(after, item))
    .map((item) => ({ path: at("/feedback"), query, item, mark: said(after, item), answer: answered(query) }));
  if (!fresh.length) return;
  unsentAre([...unsent, ...fresh]);
  sendMarks();
}

/** The marks of this question that the server keeps; null where there are none, or where they are known. */
async function standingMarks(asked, signal) {
  const query = lasting(asked);
  const of = `${asked.collection}/${query}`;
  if (of === standingMarks.of) return null;
  let marks = { yes: [], no: [] };
  if (query && query.length <= LONGEST && keeps() && !asked.yes.length && !asked.no.length) {
    const path = at("/feedback");
    const late = unsent.filter((one) => one.path === path && one.query === query);
    marks = await get(`${path}?${new URLSearchParams({ query })}`, { signal });
    for (const { item, mark } of late) marks = withMarks(marks, [item], mark);
  }
  standingMarks.of = of;
  return marks.yes.length || marks.no.length ? marks : null;
}

/** Marks of pictures that are gone are marks of nothing: where the server names some, they are dropped, and it is asked again. */
function letGoOfGone(error) {
  const { yes, no } = state.asked;
  const gone = error.status === 404 ? [...yes, ...no].filter((id) => error.message.includes(id)) : [];
  if (!gone.length) return false;
  const isThere = (id) => !gone.includes(id);
  state.asked = { ...state.asked, yes: yes.filter(isThere), no: no.filter(isThere) };
  history.replaceState({ ...history.state, ...step() }, "");
  toast(`${plural(gone.length, "picture that was marked is", "pictures that were marked are")} gone.`);
  ask();
  return true;
}

let stay = null; // the answer that is looked at, to which question, and since when

/** An answer is opened: from the grid, or by turning to it. */
function opens(id, isClick) {
  const place = state.answer.results.findIndex((hit) => hit.id === id);
  const query = state.asked.picture ? "" : state.answer.query;
  const above = state.answer.results.slice(Math.max(0, place - ABOVE), place).map((hit) => hit.id);
  if (isClick) feedback(query, id, { kind: "click", rank: place + 1, shown: above, answer: state.answer.answer });
  stay = { query, id, path: at("/feedback"), since: performance.now() };
}

/** It is looked at no longer. */
function leaves() {
  if (!stay) return;
  const { query, id, path, since } = stay;
  stay = null;
  const seconds = Math.min(86_400, (performance.now() - since) / 1000);
  feedback(query, id, { kind: "dwell", seconds }, { path, keepalive: true });
}
addEventListener("pagehide", leaves);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) leaves();
  else if (state.open && state.answer?.results.some((hit) => hit.id === state.open)) opens(state.open, false);
});

function showForgetting() {
  const forget = async () => {
    $("sheet").close();
    unsentAre(unsent.filter((one) => one.path !== at("/feedback")));
    try {
      const { events } = await (await call("DELETE", at("/feedback"))).json();
      state.past = [];
      state.asked = { ...state.asked, yes: [], no: [] };
      localStorage.forgotten = timesForgotten() + 1;
      history.replaceState({ ...history.state, ...step() }, "");
      renderQuestion();
      ask();
      toast(events ? `${plural(events, "mark or click", "marks and clicks")} forgotten.` : "There was nothing to forget.");
    } catch (error) {
      failed(error, true);
    }
  };
  sheet("Forget my marks",
    el("p", {}, `All that is kept of what you marked, opened and looked at in ${state.asked.collection} is deleted, and what was learned from it. Pictures and words stay.`),
    el("p", { class: "row" }, el("button", { type: "button", class: "small", onclick: forget }, "Forget them")));
}

/** Search for what is like a picture, besides the words or in their place. */
function moreLike(id) {
  shut();
  const words = state.asked.words.replace(/^#[\w-]{22}(?=\s|$)/, "").trim();
  change({ words: `#${id}`, filters: state.asked.filters, picture: "" });
  if (words) toast(`Like this picture.`, { label: `And “${words}”`, action: () => change({ words: `#${id} ${words}` }) });
}

// ------------------------------------------------------------------------------------------------------------ selection

/** Choose a picture or let go of it; `through` takes all between it and the last one. */
function choose(id, through = false) {
  const { chosen } = state;
  const order = state.answer?.results.map((hit) => hit.id) ?? [];
  const from = order.indexOf(choose.last);
  const to = order.indexOf(id);
  if (through && from >= 0) order.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((one) => chosen.add(one));
  else if (chosen.has(id)) chosen.delete(id);
  else chosen.add(id);
  choose.last = id;
  renderChosen();
}

function renderChosen() {
  for (const hit of state.answer?.results ?? []) if (tiles.has(hit.id)) renderTile(tiles.get(hit.id), hit);
  for (const box of document.querySelectorAll(".twin")) {
    box.querySelector(".pick").setAttribute("aria-pressed", String(state.chosen.has(box.dataset.id)));
  }
  renderSelection();
}

function renderSelection() {
  const n = state.chosen.size;
  $("selection").hidden = !n;
  document.body.classList.toggle("choosing", n > 0);
  if (!n) return;
  const ids = [...state.chosen];
  const marked = (which) => () => {
    markAll(ids, which);
    letGo();
  };
  const small = (label, action, ...more) => el("button", { type: "button", onclick: action }, ...more, label);
  $("selection").replaceChildren(
    el("strong", {}, `${n.toLocaleString()} chosen`),
    small("Save as ZIP", () => take("zip"), icon("save")), small("List", () => take("list")),
    ...(state.asked.view ? [] : [small("Right", marked("yes"), icon("yes")), small("Wrong", marked("no"), icon("no"))]),
    small("Tag …", (event) => popover(event.currentTarget, "Tag these", tagMenu)),
    button("Let go of them (Esc)", { class: "bare", onclick: letGo }, icon("close")));
}

function letGo() {
  state.chosen.clear();
  renderChosen();
}

/** Take the chosen pictures along. */
async function take(format) {
  const over = toast(format === "zip" ? "The ZIP is being made …" : "The list is being made …", { stays: true });
  try {
    const response = await call("POST", at("/export"), { body: { ids: [...state.chosen], format } });
    const blob = URL.createObjectURL(await response.blob());
    const name = `${state.asked.collection}.${format === "zip" ? "zip" : "txt"}`;
    el("a", { href: blob, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(blob), 60_000);
    toast(`${name} is saved.`);
  } catch (error) {
    failed(error, true);
  }
  over();
}

function tagMenu(box) {
  const word = el("input", { type: "text", placeholder: "holiday", "aria-label": "A tag for all of them", autofocus: true, maxlength: 200 });
  const add = done(async () => {
    const tag = word.value.trim();
    if (!tag) return;
    const ids = [...state.chosen];
    try {
      for (const id of ids) told(await patched(id, { tags: [tag], merge: true }));
      toast(`${plural(ids.length, "picture")} tagged “${tag}”.`);
    } catch (error) {
      failed(error, true);
    }
    letGo();
  });
  box.append(el("form", { class: "between", onsubmit: (event) => (event.preventDefault(), add()) }, word, el("button", { class: "small" }, "Tag")));
}

const patched = async (id, words) => (await call("PATCH", at(`/items/${id}`), { body: words })).json();

/** What the server says of a picture takes the place of what was known. */
function told(item) {
  const hit = state.answer?.results.find((one) => one.id === item.id);
  if (hit) Object.assign(hit, item);
  return item;
}

// --------------------------------------------------------------------------------------------------------------- viewer

let looking = null; // aborts what is fetched of the picture that is looked at

/** Look at a picture; "" closes. Its address is its own, so that it can be sent, and back closes it. */
async function show(id, { push = true } = {}) {
  looking?.abort();
  const was = state.open;
  if (!id && push && history.state?.looking) return history.back(); // which comes here again
  leaves();
  state.open = id;
  if (push) {
    const turns = Boolean(was) || !id;
    const looking = id ? !turns || history.state?.looking : false;
    history[turns ? "replaceState" : "pushState"](step({ looking }), "", addressed(state.asked) + (id ? `&at=${id}` : ""));
  }
  if (!id) return shut(was);
  looking = new AbortController();
  const { signal } = looking;
  const hit = state.answer?.results.find((one) => one.id === id);
  let item = hit;
  try {
    item ??= await get(at(`/items/${id}`), { signal });
    renderViewer(item, hit);
    if (!$("viewer").open) $("viewer").showModal();
    if (hit) current(id), opens(id, push && !was);
    await Promise.all([foundIn(item, hit, signal), captionsOf(item, signal), neighboursOf(item, signal)]);
  } catch (error) {
    if (aborted(error)) return;
    failed(error, true);
    if (!item) close(); // there is nothing to look at
  }
}

const close = () => state.open && show("");

/** Take the picture away, and leave the way back to it where something else is asked next. */
function shut(was = state.open) {
  if (!was) return;
  leaves();
  state.open = "";
  document.body.append($("toasts"));
  $("viewer").close(); // the focus goes back to where it was opened, where that is still there
  if (tiles.has(was)) focusTile(was);
  else if (document.activeElement.matches("body, #viewer *")) focusTile(state.current);
}

function renderViewer(item, hit) {
  const { asked } = state;
  let stood = -1;
  const beside = (step) => {
    const order = state.answer?.results.map((one) => one.id) ?? []; // as it is then: marks change it, and take some out
    const place = order.indexOf(item.id);
    if (place < 0) return order[step < 0 ? stood - 1 : stood + step - 1];
    return order[(stood = place) + step];
  };
  const goTo = (step) => beside(step) && show(beside(step));
  if (hit && !beside(6)) askMore();
  const img = el("img", { src: thumbnail(item.id, "small"), alt: item.captions[0] ?? item.name, class: "large" });
  const sharp = new Image();
  sharp.onload = () => state.open === item.id && (img.src = sharp.src);
  sharp.src = thumbnail(item.id, "large");
  const stage = el("div", { class: "frame" }, img, el("div", { class: "region", id: "region", hidden: true }));
  const toggle = (which, label) =>
    el("button", { type: "button", class: `mark ${which}`, "aria-pressed": String(asked[which].includes(item.id)),
      onclick: (event) => { mark(item.id, which); pressAgain(event.currentTarget.closest(".acts"), item.id); } }, icon(which), label);
  const figure = el("figure", { class: "stage" }, stage,
    button("Previous picture (←)", { class: "step back", disabled: !beside(-1), onclick: () => goTo(-1) }, icon("back")),
    button("Next picture (→)", { class: "step next", disabled: !beside(1), onclick: () => goTo(1) }, icon("next")));
  shaped(figure, stage, item);
  swipe(figure, goTo);
  const original = at(`/items/${item.id}/original`);
  const acts = el("div", { class: "acts" },
    ...(hit || [...asked.yes, ...asked.no].includes(item.id) ? [toggle("yes", "This is it"), toggle("no", "Not this")] : []),
    el("button", { type: "button", onclick: () => moreLike(item.id) }, icon("like"), "More like this"),
    el("a", { class: "button", href: original, download: item.name }, icon("save"), "Save"));
  const aside = el("div", { class: "about", tabindex: 0, role: "region", "aria-label": "About this picture" },
    el("header", {}, el("h2", { id: "viewer-title" }, item.name),
      button("Close (Esc)", { class: "bare", autofocus: true, onclick: close }, icon("close"))),
    acts, whySection(item, hit), wordsSection(item), factsSection(item),
    el("section", { id: "captions-found", hidden: true }), el("section", { id: "neighbours", hidden: true }));
  const focus = $("viewer").contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  $("viewer").setAttribute("aria-labelledby", "viewer-title");
  $("viewer").replaceChildren(figure, aside, ...($("viewer").contains($("toasts")) ? [$("toasts")] : []));
  const again = focus && [...$("viewer").querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === focus && !one.disabled);
  if ($("viewer").open) (again || aside.querySelector("header button")).focus();
}

/** The frame has the picture's own shape, so that a region lies where it belongs; a small one is not blown up. */
function shaped(figure, frame, { width, height }) {
  frame.style.aspectRatio = `${width || 1} / ${height || 1}`;
  figure.style.setProperty("--ratio", (width || 1) / (height || 1));
  frame.style.maxWidth = width ? `${2 * width}px` : "";
}

function pressAgain(acts, id) {
  for (const which of ["yes", "no"]) acts.querySelector(`.${which}`)?.setAttribute("aria-pressed", String(state.asked[which].includes(id)));
}

function swipe(figure, goTo) {
  let from = null;
  figure.addEventListener("touchstart", (event) => (from = event.touches.length === 1 ? event.touches[0] : null), { passive: true });
  figure.addEventListener("touchend", (event) => {
    const to = event.changedTouches[0];
    if (from && Math.abs(to.clientX - from.clientX) > 60 && Math.abs(to.clientY - from.clientY) < 50) goTo(to.clientX < from.clientX ? 1 : -1);
  });
}

/** Why it was found, as the server says it, in plain words. */
function whySection(item, hit) {
  const asksSomething = state.asked.words || state.asked.picture;
  if (!hit || !asksSomething || isEarlier()) return el("section", { id: "why", hidden: true });
  const fit = { match: "It fits well.", weak: "It may fit.", none: "It hardly fits; it is among the nearest.", unrated: "It is among the most alike." };
  const reasons = hit.why.filter((why) => !why.startsWith("region:")).map((why) => {
    const [kind, ...rest] = why.split(": ");
    const text = rest.join(": ");
    if (kind === "said of it") return el("li", {}, "The words ", el("q", {}, text), " stand in its name, tags or captions.");
    if (kind === "caption") return el("li", {}, "Of its captions the nearest is ", el("q", {}, text));
    return el("li", {}, "It passes: ", el("code", {}, why));
  });
  return el("section", { id: "why" }, el("h3", {}, "Why it was found"),
    el("p", {}, fit[hit.verdict], " ", el("span", { class: "soft" }, `Likeness ${hit.score.toFixed(3)}`)),
    el("ul", {}, reasons, el("li", { id: "where", hidden: true })));
}

/** Ask where in the picture the answer lies: the same question, at the place of this one answer. */
async function foundIn(item, hit, signal) {
  const { asked } = state;
  const offset = state.answer?.results.indexOf(hit) ?? -1;
  if (!hit || offset < 0 || !(asked.words || asked.picture)) return;
  const again = await post(at("/search"), { ...question(asked, offset, 1), regions: true }, { signal });
  const found = again.results[0];
  if (found?.id !== item.id || !found.region) return;
  const { name, left, top, right, bottom } = found.region;
  const region = $("region");
  Object.assign(region.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%` });
  region.hidden = false;
  $("where").hidden = false;
  $("where").replaceChildren("It shows most clearly here: ",
    el("button", { type: "button", class: "small", "aria-pressed": "true", onclick: (event) => {
      region.hidden = !region.hidden;
      event.currentTarget.setAttribute("aria-pressed", String(!region.hidden));
    } }, icon("frame"), name));
}

function factsSection(item) {
  const facts = [
    ["Taken", item.taken && whenTaken(item.taken)], ["Camera", item.camera],
    ["Size", item.width && `${item.width} × ${item.height}`], ["File", item.bytes && bytes(item.bytes)],
    ["Place", item.lat != null && `${item.lat.toFixed(4)}, ${item.lon.toFixed(4)}`],
    ...Object.entries(item.metadata).map(([key, value]) => [key, [value].flat().join(", ")]), ["Path", item.path],
  ].filter(([, value]) => value);
  const near = item.lat != null && el("button", { type: "button", class: "small", onclick: () => {
    shut();
    narrow(`near(${item.lat.toFixed(5)}, ${item.lon.toFixed(5)}, 1km)`, { but: isAbout("near") });
  } }, icon("place"), "Taken near here");
  const day = item.taken?.length >= 10 && el("button", { type: "button", class: "small", onclick: () => {
    shut();
    narrow(`taken = ${item.taken.slice(0, 10)}`, { but: isTime });
  } }, icon("time"), "Taken that day");
  return el("section", {}, el("h3", {}, "Facts"),
    el("dl", {}, facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))])), el("p", { class: "row" }, near, day));
}

function whenTaken(taken) {
  const clock = taken.length > 10 ? `, ${taken.slice(11, 16)}` : "";
  return monthName(taken.slice(0, 10)) + clock;
}

function bytes(n) {
  const units = ["bytes", "kB", "MB", "GB"];
  const step = Math.min(3, Math.floor(Math.log10(Math.max(1, n)) / 3));
  return `${(n / 1000 ** step).toFixed(step > 1 ? 1 : 0)} ${units[step]}`;
}

/** Tags and captions, which can be changed where they stand. */
function wordsSection(item) {
  const section = el("section", { id: "words-of-it" });
  const save = async (words, before) => {
    try {
      const now = told(await patched(item.id, words));
      if (state.open === item.id) $("words-of-it").replaceWith(wordsSection(now));
      const stays = [...now.tags, ...now.captions].find((text) => ![...(words.tags ?? now.tags), ...(words.captions ?? now.captions)].includes(text));
      if (stays) toast(`“${stays}” stands in the file or beside it, and stays.`);
      else if (before) toast("Saved.", { label: "Undo", action: () => save(before) });
    } catch (error) {
      failed(error, true);
    }
  };
  const tags = item.tags.map((tag) => {
    const rest = item.tags.filter((one) => one !== tag);
    return el("li", { class: "tag" },
      el("button", { type: "button", title: "Show all with this tag", onclick: () => { shut(); narrow(`tag = ${quoted(tag)}`); } }, tag),
      writes && button(`Take the tag ${tag} away`, { class: "bare", onclick: () => save({ tags: rest }, { tags: item.tags }) }, icon("close")));
  });
  const add = el("input", { type: "text", placeholder: "Add a tag", "aria-label": "Add a tag", maxlength: 200 });
  const adding = (event) => {
    event.preventDefault();
    if (add.value.trim()) save({ tags: [...item.tags, add.value.trim()] }, { tags: item.tags });
  };
  const captions = [...item.captions, ...(writes ? [""] : [])].map((caption, place) => {
    const box = el("textarea", { rows: 1, readonly: !writes, placeholder: "Say what it shows", "aria-label": caption ? `Caption ${place + 1}` : "A new caption", maxlength: 4000 });
    box.value = caption;
    const grow = () => ((box.style.height = "auto"), (box.style.height = `${box.scrollHeight + 2}px`));
    box.addEventListener("input", grow);
    requestAnimationFrame(grow);
    box.addEventListener("keydown", (event) => event.key === "Enter" && !event.shiftKey && (event.preventDefault(), box.blur()));
    box.addEventListener("change", () => {
      const all = [...item.captions];
      all[place] = box.value.trim();
      save({ captions: all.filter(Boolean) }, { captions: item.captions });
    });
    return box;
  });
  section.append(el("h3", {}, "Captions"), ...captions, el("h3", {}, "Tags"),
    el("ul", { class: "tags" }, tags, writes && el("li", {}, el("form", { onsubmit: adding }, add))));
  return section;
}

async function captionsOf(item, signal) {
  const { captions } = await get(at(`/items/${item.id}/captions?k=6`), { signal });
  const others = captions.filter(({ text }) => !item.captions.includes(text)).slice(0, 4);
  const box = $("captions-found");
  if (!others.length || state.open !== item.id) return;
  box.hidden = false;
  box.replaceChildren(el("h3", {}, "Words of other pictures that fit it"),
    el("ul", { class: "found-words" }, others.map(({ text }) => el("li", {},
      el("button", { type: "button", class: "as-link", title: "Search for this", onclick: () => { shut(); change({ words: `1:${quoted(text)}`, filters: [], picture: "" }); } }, text)))));
}

async function neighboursOf(item, signal) {
  const { results } = await get(at(`/items/${item.id}/similar?k=9`), { signal });
  const box = $("neighbours");
  if (!results.length || state.open !== item.id) return;
  box.hidden = false;
  box.replaceChildren(el("h3", {}, "Most like it"), el("div", { class: "neighbours" }, results.map((hit) =>
    button(`Look at ${hit.name}`, { onclick: () => show(hit.id) }, el("img", { src: thumbnail(hit.id, "small"), alt: "", loading: "lazy" })))));
}

// ----------------------------------------------------------------------------------------------------------- a picture

/** Search with a picture file: it is made small here first, which saves the way, and where it was taken. */
async function askWith(file) {
  if (!file) return;
  if (file.type && !file.type.startsWith("image/")) return toast("This is no picture.");
  busy(true);
  try {
    const form = new FormData();
    form.append("file", await reduced(file), file.name || "picture");
    const { picture } = await (await call("POST", at("/pictures"), { body: form })).json();
    blobs.set(picture, URL.createObjectURL(file));
    shut();
    change({ picture, words: state.asked.words.replace(/^#[\w-]{22}\s*/, ""), view: "" });
  } catch (error) {
    busy(false);
    failed(error, true);
  }
}

async function reduced(file, side = 1600) {
  if (file.size < 2_000_000) return file;
  try {
    const whole = await createImageBitmap(file);
    const by = Math.min(1, side / Math.max(whole.width, whole.height));
    const canvas = el("canvas");
    canvas.width = Math.round(whole.width * by);
    canvas.height = Math.round(whole.height * by);
    canvas.getContext("2d").drawImage(whole, 0, 0, canvas.width, canvas.height);
    return (await new Promise((made) => canvas.toBlob(made, "image/jpeg", 0.92))) ?? file;
  } catch {
    return file; // a kind that the browser does not know, and the server may
  }
}

function takesPictures() {
  let depth = 0;
  let own = "";
  const hover = (is) => document.body.classList.toggle("dropping", is);
  addEventListener("dragstart", (event) => (own = event.target.closest?.(".tile")?.dataset.id ?? "own"));
  addEventListener("dragend", () => ((own = ""), (depth = 0), hover(false)));
  addEventListener("dragenter", () => hover(++depth > 0 && own !== "own"));
  addEventListener("dragleave", () => --depth <= 0 && hover(false));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    hover(false);
    if (own && own !== "own") moreLike(own);
    else if (!own) askWith(event.dataTransfer.files[0]);
    own = "";
  });
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    askWith(file);
  });
  $("picture").addEventListener("click", () => $("picture-file").click());
  $("picture-file").addEventListener("change", (event) => {
    askWith(event.target.files[0]);
    event.target.value = "";
  });
}

/** Files in parcels: all of a camera roll at once are more than a server takes. */
function parcels(files) {
  const made = [];
  let bytes = Infinity;
  for (const file of files) {
    bytes += file.size;
    if (bytes > PARCEL) made.push([]), (bytes = file.size);
    made.at(-1).push(file);
  }
  return made;
}

/** Put picture files into the collection. */
async function addPictures(files) {
  if (!files.length) return;
  const over = toast(`${plural(files.length, "picture")} on the way …`, { stays: true });
  let added = 0;
  const refused = [];
  try {
    for (const parcel of parcels(files)) {
      const form = new FormData();
      for (const file of parcel) form.append("files", file, file.name);
      try {
        const told = await (await call("POST", at("/items"), { body: form })).json();
        added += told.items.length;
        refused.push(...told.refused);
      } catch (error) {
        if (![413, 415].includes(error.status)) throw error; // the others may be taken
        refused.push({ name: parcel[0].name, why: error.message });
      }
    }
    toast(`${plural(added, "picture")} added.${refused.length ? ` ${refused[0].name}: ${refused[0].why}` : ""}`);
  } catch (error) {
    failed(error, true);
  }
  if (added) ask();
  over();
}

// ----------------------------------------------------------------------------------------------------------------- jobs

async function startJob(kind) {
  try {
    follow(await post(at("/jobs"), { kind }));
  } catch (error) {
    failed(error, true);
  }
}

/** Show how far a job is until it ends, and what came of it. */
function follow(job) {
  follow.events?.close();
  state.job = job;
  renderJob();
  const events = (follow.events = new EventSource(at(`/jobs/${job.id}/events`)));
  events.onmessage = ({ data }) => {
    state.job = JSON.parse(data);
    if (["done", "failed", "stopped"].includes(state.job.state)) {
      events.close();
      finished(state.job);
    } else if (state.job.kind === "index" && !state.asked.words && !state.asked.view) refreshSoon();
    renderJob();
  };
  events.onerror = () => {
    events.close();
    setTimeout(lookForJobs, 3000);
  };
}

/** While pictures come in, the start of the list follows now and then. */
function refreshSoon() {
  if (refreshSoon.waits || scrollY > 200 || state.open) return;
  refreshSoon.waits = true;
  setTimeout(() => {
    refreshSoon.waits = false;
    if (scrollY <= 200 && !state.open) ask();
  }, 2500);
}

function finished(job) {
  state.job = null;
  if (job.state === "failed") return toast(job.error);
  if (job.kind === "duplicates") {
    state.groups = job.report;
    if (state.asked.view === "duplicates") renderDuplicates();
    return;
  }
  if (job.kind === "learn" && job.state === "done") toast(job.report.on ? "A better order was learned." : "No better order was learned.");
  get("/v1/collections").then(({ collections }) => ((state.collections = collections), renderNothing()), () => {}); // other numbers
  const { added = 0, failed: bad = 0 } = job.report;
  if (job.state === "done" && (added || bad)) {
    toast([added && `${plural(added, "picture")} added`, bad && `${plural(bad, "file")} could not be read`].filter(Boolean).join(", ") + ".");
  }
  ask();
}

function renderJob() {
  const { job } = state;
  $("job").hidden = !job;
  $("progress").hidden = !job;
  if (!job) return;
  const part = job.of ? job.done / job.of : 0;
  $("progress").firstElementChild.style.transform = `scaleX(${part || 0.02})`;
  const what = { duplicates: "Looking for duplicates", learn: "Learning from marks and clicks" }[job.kind] ?? "Looking at the pictures";
  $("job").replaceChildren(`${what}${job.of ? `: ${job.done.toLocaleString()} of ${job.of.toLocaleString()}` : " …"}`,
    writes ? el("button", { type: "button", class: "small", onclick: () => call("DELETE", at(`/jobs/${job.id}`)).catch((error) => failed(error, true)) }, "Stop") : "");
  if (state.asked.view === "duplicates") renderDuplicates();
}

async function lookForJobs() {
  try {
    const { jobs } = await get(at("/jobs"));
    const running = jobs.find((job) => ["waiting", "running"].includes(job.state));
    if (running) follow(running);
    else if (state.job) finished(jobs.find((job) => job.id === state.job.id) ?? { state: "done", report: {} }), renderJob();
    state.groups ??= jobs.find((job) => job.kind === "duplicates" && job.state === "done")?.report ?? null;
  } catch (error) {
    failed(error, true);
  }
}

// ----------------------------------------------------------------------------------------------------------- duplicates

async function showDuplicates() {
  await lookForJobs();
  if (writes && !state.groups && state.job?.kind !== "duplicates") await startJob("duplicates");
  state.answered = JSON.stringify(state.asked);
  render();
  renderDuplicates();
}

const KINDS = { exact: "The same file", near: "The same picture", burst: "One moment" };

function renderDuplicates() {
  const box = $("duplicates");
  const { groups } = state;
  const looks = state.job?.kind === "duplicates";
  const others = (groups?.groups ?? []).flatMap((group) => group.others.map((twin) => twin.item.id));
  box.replaceChildren(
    el("header", { class: "said" },
      el("h1", { id: "duplicates-title", class: "verdict" }, "Pictures of which one is enough"),
      el("p", { class: "count" }, groups ? `${plural(groups.total, "group")}. Nothing is ever deleted here: choose, and take a list along.` : writes || looks ? "Looking …" : "Nobody looked for them yet."),
      el("p", { class: "row" },
        others.length ? el("button", { type: "button", class: "small", onclick: () => { others.forEach((id) => state.chosen.add(id)); renderChosen(); } }, "Choose all but the best") : null,
        writes && groups && !looks ? el("button", { type: "button", class: "small", onclick: () => startJob("duplicates") }, "Look again") : null,
        el("button", { type: "button", class: "small", onclick: () => change({ view: "" }) }, "Back to searching"))),
    groups && !groups.groups.length ? el("div", { class: "nothing" }, el("h2", {}, "None"), el("p", {}, "No two pictures here are the same.")) : "",
    ...(groups?.groups ?? []).map((group) => el("article", { class: "group" }, el("h2", {}, KINDS[group.kind]),
      el("div", { class: "twins" }, twin(group.keep, true), ...group.others.map((one) => twin(one, false))))));
}

function twin({ item, why, words }, keep) {
  const { id } = item;
  const look = el("img", { src: thumbnail(id, "medium"), alt: item.captions[0] ?? item.name, loading: "lazy" });
  return el("div", { class: `twin${keep ? " keep" : ""}`, "data-id": id },
    el("a", { href: `${addressed(state.asked)}&at=${id}`, onclick: (event) => (event.preventDefault(), show(id)) }, look),
    button(`Choose ${item.name}`, { class: "pick", "aria-pressed": String(state.chosen.has(id)), onclick: () => choose(id) }, icon("pick"), icon("picked")),
    el("p", {}, el("strong", {}, keep ? "Keep this one" : item.name), keep ? el("span", { class: "soft" }, ` ${item.name}`) : ""),
    el("p", { class: "soft" }, why.join(" · ")),
    words.length ? el("p", { class: "soft" }, `Only here: ${words.join(", ")}`) : "");
}

// --------------------------------------------------------------------------------------------------------------- toasts

/** A word at the edge. Returns what takes it away. */
function toast(text, { label, action, stays = false } = {}) {
  const box = el("div", { class: "toast" }, el("span", {}, text));
  const over = () => box.remove();
  if (label) box.append(el("button", { type: "button", onclick: () => (over(), action()) }, label));
  $("toasts").replaceChildren(box);
  (document.querySelector("dialog[open]") ?? document.body).append($("toasts")); // what lies under a dialog is out of reach
  if (!stays) setTimeout(over, label ? 8000 : 5000);
  return over;
}

// ----------------------------------------------------------------------------------------------------------------- keys

const KEYS = [
  ["/", "To the words"], ["↓", "From the words to the pictures"], ["← → ↑ ↓", "From picture to picture"],
  ["Enter", "Look at it"], ["y", "This is it"], ["n", "Not this"], ["m", "More like this"],
  ["x or Space", "Choose it; with Shift all up to it"], ["Ctrl A", "Choose all that are shown"], ["u or Ctrl Z", "Undo"],
  ["Esc", "Close, let go, clear"], ["?", "This list"],
];

/** A small page above the page. */
function sheet(title, ...content) {
  const over = button("Close (Esc)", { class: "bare", onclick: () => $("sheet").close() }, icon("close"));
  $("sheet").replaceChildren(el("header", {}, el("h2", { id: "sheet-title" }, title), over), ...content);
  $("sheet").showModal();
}

function showKeys() {
  sheet("Keys",
    el("dl", {}, KEYS.map(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])),
    el("p", { class: "soft" }, "Words rank the pictures, chips decide which may appear. The line “Written” is the whole question: dog + beach - people, year >= 2020, tag:family, NOT \"text\"."));
}

/** The files that could not be read, each with the reason. */
async function showFailures() {
  try {
    const { total, files } = await get(at("/failures"));
    sheet(`${plural(total, "file")} could not be read`,
      el("ol", { tabindex: 0, "aria-label": "Files" }, files.map(({ name, why }) => el("li", {}, name, el("br"), el("span", { class: "soft" }, why)))),
      total > files.length ? el("p", { class: "soft" }, `The first ${files.length} are shown.`) : "");
  } catch (error) {
    failed(error, true);
  }
}

const collection = () => state.collections?.find((one) => one.name === state.asked.collection);

const inText = (target) => target.closest?.("input:not([type=file]), textarea, select");

addEventListener("keydown", (event) => {
  const { key, target } = event;
  const modified = event.metaKey || event.ctrlKey;
  if (inText(target) || event.altKey) return;
  const tile = target.closest?.(".tile")?.dataset.id;
  const id = state.open || tile;
  const acts = {
    "/": () => $("words").focus(), "?": showKeys, u: undo,
    y: () => id && marked(id, "yes"), n: () => id && marked(id, "no"), m: () => id && moreLike(id),
  };
  if (modified && key.toLowerCase() === "z") undo();
  else if (modified && key.toLowerCase() === "a" && tile) state.answer.results.forEach((hit) => state.chosen.add(hit.id)), renderChosen();
  else if (modified) return;
  else if (key === "Escape" && !state.open && !document.querySelector("dialog[open], :popover-open")) escaped();
  else if (state.open && (key === "ArrowLeft" || key === "ArrowRight")) $("viewer").querySelector(key === "ArrowLeft" ? ".back" : ".next")?.click();
  else if (!state.open && tile && target.matches(".look, .tile *") && /^(Arrow|Home|End)/.test(key)) walk(tile, key, event.shiftKey);
  else if (tile && target.matches(".look") && (key === "x" || key === " " || key === "X")) choose(tile, event.shiftKey);
  else if (acts[key]) acts[key]();
  else return;
  event.preventDefault();
});

function marked(id, which) {
  mark(id, which);
  const acts = $("viewer").querySelector(".acts");
  if (state.open && acts) pressAgain(acts, id);
}

function walk(id, key, choosing) {
  const next = stepped(id, key);
  if (next) {
    if (choosing) for (const one of [id, next]) state.chosen.add(one), renderChosen();
    focusTile(next);
    if (state.answer.results.findIndex((hit) => hit.id === next) > state.answer.results.length - 12) askMore();
  } else if (key === "ArrowUp") $("words").focus();
}

function escaped() {
  if (state.chosen.size) letGo();
  else if (state.asked.view) change({ view: "" });
  else $("words").focus();
}

// ---------------------------------------------------------------------------------------------------------------- start

function listen() {
  $("words").addEventListener("input", () => change({ words: $("words").value, view: "" }, { burst: true, wait: PAUSE }));
  $("words").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" && state.answer?.results.length) event.preventDefault(), focusTile(state.answer.results[0].id);
    if (event.key === "Escape") event.preventDefault(), clear();
    if (event.key === "Backspace" && !event.target.selectionEnd && !event.target.value) lastChipAway();
  });
  $("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    change.burst = false;
    ask();
    if (!wideEnough.matches) $("words").blur(); // the keyboard of a phone hides the answer
  });
  $("written").addEventListener("change", () => change({ ...split($("written").value), view: "" }));
  $("written").addEventListener("keydown", (event) => event.key === "Enter" && event.target.blur());
  $("clear").addEventListener("click", clear);
  $("undo").addEventListener("click", undo);
  $("menu").addEventListener("click", (event) => popover(event.currentTarget, "More", mainMenu));
  $("help").addEventListener("click", showKeys);
  $("more").addEventListener("click", askMore);
  $("collection").addEventListener("change", () => change({ ...NOTHING_ASKED, collection: $("collection").value }));
  $("add-files")?.addEventListener("change", (event) => (addPictures([...event.target.files]), (event.target.value = "")));
  $("viewer").addEventListener("cancel", (event) => (event.preventDefault(), close()));
  $("viewer").addEventListener("click", (event) => event.target.matches(".stage, dialog") && close());
  new ResizeObserver(() => renderGrid()).observe($("main"));
  new IntersectionObserver((seen) => seen[0].isIntersecting && askMore(), { rootMargin: `${AHEAD}px` }).observe($("more"));
  takesPictures();
}

function clear() {
  change({ ...NOTHING_ASKED, collection: state.asked.collection, variety: state.asked.variety });
  $("words").focus();
}

function lastChipAway() {
  if (state.asked.filters.length) change({ filters: state.asked.filters.slice(0, -1) });
  else if (state.asked.picture) change({ picture: "" });
}

async function start() {
  document.documentElement.dataset.theme = localStorage.theme ?? "auto";
  listen();
  state.asked = recalled(history.state);
  state.past = pastOf(history.state);
  renderQuestion();
  if (wideEnough.matches) $("words").focus(); // on a phone it would bring up the keyboard
  try {
    state.collections = (await get("/v1/collections")).collections;
  } catch (error) {
    failed(error);
    if (state.offline) addEventListener("online", start, { once: true });
    return;
  }
  if (!state.collections.length) {
    $("verdict").textContent = "There is no collection to search";
    $("advice").replaceChildren(token ? el("p", {}, "Your key is for none of the collections that are served now. Ask who runs the server.")
      : el("p", {}, "Start the server with a folder of pictures: ", el("code", {}, "diptych serve ~/Pictures")));
    return;
  }
  if (!state.collections.some((one) => one.name === state.asked.collection)) state.asked.collection = state.collections[0].name;
  $("collection").replaceChildren(...state.collections.map(({ name }) => el("option", { value: name }, name)));
  $("collection").hidden = state.collections.length < 2;
  history.replaceState(step(), "", location.href);
  sendMarks.waits = unsent.length;
  sendMarks();
  await Promise.all([askNow(), lookForJobs()]);
  const open = new URLSearchParams(location.search).get("at");
  if (open) show(open, { push: false });
}

start();
