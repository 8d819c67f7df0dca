// The driver's service worker. VERSION, SHELL and OFFLINE stand above, written by the server. It keeps our own files, and
// the pages of the shift as they are opened, so that a dead spot shows the last known state. Pages of people are kept
// only while the shift lasts: the server says with each page for how long, and with the last one that it is over.
"use strict";

const FILES = `files-${VERSION}`;
const SHIFT = "shift";
const UNTIL = "/d/.until";
const PATIENCE_MS = 8000;
const PAGE = /^\/d\/(stops\/[^/]+)?$/;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(FILES).then((cache) => cache.addAll([...SHELL, OFFLINE])).then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter((name) => name !== FILES && name !== SHIFT).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

const forget = () => caches.delete(SHIFT);

const until = async () => {
  if (!(await caches.has(SHIFT))) return null; // to open it would make it
  const held = await (await caches.open(SHIFT)).match(UNTIL);
  return held ? await held.json() : null;
};

// "X-Shift: <route> <seconds left>" comes with every page of a shift.
const keep = async (request, answer) => {
  const [route, left] = (answer.headers.get("X-Shift") ?? "").split(" ");
  if (!route || Number(left) <= 0) return forget();
  const known = await until();
  if (known && known.route !== route) await forget();
  const cache = await caches.open(SHIFT);
  await cache.put(UNTIL, new Response(JSON.stringify({ route, at: Date.now() + Number(left) * 1000 })));
  await cache.put(new URL(request.url).pathname, answer);
};

const kept = async (request) => {
  const held = await until();
  if (!held || held.at < Date.now()) {
    await forget();
    return null;
  }
  return (await caches.open(SHIFT)).match(new URL(request.url).pathname);
};

const fromNetwork = async (request, isPage) => {
  const answer = await fetch(request);
  if ([401, 403, 410].includes(answer.status)) await forget();
  else if (answer.ok && !answer.redirected && isPage) await keep(request, answer.clone());
  return answer;
};

const impatient = (promise) => Promise.race([
  promise,
  new Promise((_, refuse) => setTimeout(() => refuse(new Error("no signal")), PATIENCE_MS)),
]);

const navigate = async (request, isPage) => {
  const held = isPage ? await kept(request) : null;
  try {
    const asked = fromNetwork(request, isPage);
    return held ? await impatient(asked) : await asked;
  } catch {
    return held ?? (await (await caches.open(FILES)).match(OFFLINE)) ?? Response.error();
  }
};

const file = async (request) => {
  const held = await (await caches.open(FILES)).match(request.url.split("?")[0]);
  return held ?? fetch(request);
};

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  const isPage = PAGE.test(pathname);
  if (SHELL.includes(pathname)) event.respondWith(file(request));
  else if (request.mode === "navigate") event.respondWith(navigate(request, isPage));
  else if (isPage && request.headers.get("X-Live")) event.respondWith(fromNetwork(request, true));
});

self.addEventListener("message", (event) => {
  if (event.data.kind === "over") event.waitUntil(forget());
  if (event.data.kind === "ahead") event.waitUntil(ahead(event.data.paths));
});

// The next stops, fetched while there is signal. A GET changes nothing, so nobody is told that they were seen.
const ahead = async (paths) => {
  for (const path of paths.filter((one) => PAGE.test(one))) {
    const request = new Request(path, { headers: { "X-Live": "1" }, credentials: "same-origin" });
    try {
      await fromNetwork(request, true);
    } catch {
      return;
    }
  }
};
