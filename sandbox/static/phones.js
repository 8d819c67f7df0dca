// Follows the day on the phones page: asks for what changed, swaps it in, and tells when somebody types.
"use strict";
const byId = (id) => document.getElementById(id);
const marks = { list: "", items: "", told: "" };
const EVERY_MS = 700;
let lastTyped = 0;

function post(url, fields) {
  return fetch(url, { method: "POST", body: new URLSearchParams(fields), headers: { "X-Requested-With": "script" } });
}

function say(id, text) {
  const node = byId(id);
  if (node.textContent !== text) node.textContent = text;
}

function keepItems(html) {
  const list = byId("items");
  const wasAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  for (const item of [...fresh.content.children]) {
    const old = byId(item.id);
    if (!old) list.append(item);
    else if (old.dataset.v !== item.dataset.v) old.replaceWith(item);
  }
  if (list.children.length > 1) byId("none")?.remove();
  if (wasAtEnd) list.scrollTop = list.scrollHeight;
}

function moveTrucks(trucks) {
  trucks.forEach((truck, index) => {
    const node = document.querySelector(`[data-truck="${index}"]`);
    node.style.transform = `translate(${truck.x}px, ${truck.y}px)`;
    node.classList.toggle("silent", !truck.on);
  });
}

function show(state) {
  const clock = state.clock;
  say("time", clock.time);
  say("seconds", clock.seconds);
  say("day", clock.day);
  say("next", clock.next || "nothing planned");
  byId("held").hidden = !clock.is_held;
  for (const button of document.querySelectorAll(".rates button"))
    button.setAttribute("aria-pressed", String(Number(button.value) === clock.rate));
  byId("autopilot").setAttribute("aria-checked", String(state.autopilot));
  byId("autopilot").value = state.autopilot ? "0" : "1";
  byId("give-back").hidden = !state.taken;
  moveTrucks(state.trucks);
  for (const [name, html] of Object.entries(state.fresh)) {
    if (name === "items") keepItems(html);
    else byId(name).innerHTML = html;
    marks[name] = state.marks[name];
  }
}

async function look() {
  try {
    const query = new URLSearchParams({ phone: document.body.dataset.phone, ...marks });
    const answer = await fetch(`/state?${query}`);
    if (answer.ok) show(await answer.json());
    document.body.classList.toggle("away", !answer.ok);
  } catch {
    document.body.classList.add("away");
  }
  setTimeout(look, document.hidden ? 4 * EVERY_MS : EVERY_MS);
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const fields = new FormData(form, event.submitter);
  if (form.id === "answer") {
    if (!fields.get("body").trim()) return;
    form.reset();
    fit();
  }
  await post(form.action, fields);
});

const body = byId("body");
function fit() {
  if (!body) return;
  body.style.height = "auto";
  body.style.height = `${Math.min(body.scrollHeight, 120)}px`;
}
body?.addEventListener("input", fit);
body?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    body.form.requestSubmit();
    return;
  }
  if (performance.now() - lastTyped > 1000) {
    lastTyped = performance.now();
    post("/typing", { phone: document.body.dataset.phone });
  }
});

const items = byId("items");
items.scrollTop = items.scrollHeight;
for (const truck of document.querySelectorAll(".truck"))
  truck.style.transform = `translate(${truck.dataset.x}px, ${truck.dataset.y}px)`;
if (location.search.includes("phone=") && matchMedia("(max-width: 760px)").matches) byId("phone").scrollIntoView();
look();
