/* The live page. One EventSource brings fragments, which are morphed in by id, and named events:
   place (for the map), beat, gone, later, renew. When streams are blocked it polls, with the ETag kept here.
   <main data-live="stream" data-poll="fragment ..." data-poll-place="json" data-seen="beacon" data-stage="..."> */
(() => {
  "use strict";
  const SILENCE_MS = 40000; // the hub beats every 15 s
  const POLL_MS = 15000;
  const LONGEST_WAIT_MS = 60000;
  const GROWTH = 1.3; // of the wait after each failure: a server that starts again is found within seconds
  const FAILURES_BEFORE_POLLING = 3;

  const main = () => document.querySelector("[data-live]");
  let stream = null;
  let failures = 0;
  let isOver = !main();
  let lastSign = 0;
  let reopening = 0;
  let polling = 0;
  let swaps = Promise.resolve();
  const tags = new Map();

  /* Swapping */

  const swap = (html) => {
    swaps = swaps.then(() => swapNow(html)).catch((error) => console.error(error));
    return swaps;
  };

  async function swapNow(html) {
    const parsed = new DOMParser().parseFromString(html, "text/html");
    for (const fragment of [...parsed.body.children]) {
      const target = fragment.id && document.getElementById(fragment.id);
      document.dispatchEvent(new CustomEvent("portal:fragment", { detail: fragment }));
      if (!target || target.isEqualNode(fragment)) continue;
      await htmx.swap({ text: fragment.outerHTML, sourceElement: target, target, swap: "outerMorph" });
    }
    tellAges();
    speakNews();
    document.dispatchEvent(new CustomEvent("portal:swapped"));
    await followStage();
  }

  // The parts of the page that carry addresses and forms are fetched anew when the delivery reaches another stage.
  async function followStage() {
    const stage = document.querySelector("#status[data-stage]")?.dataset.stage;
    const page = main() || document.querySelector("main[data-stage]");
    if (!stage || !page || page.dataset.stage === stage) return;
    page.dataset.stage = stage;
    await htmx.ajax("GET", location.pathname + location.search, { target: "#main", select: "#main", swap: "outerMorph" });
    document.dispatchEvent(new CustomEvent("portal:refreshed"));
  }

  /* The stream */

  function open() {
    clearTimeout(reopening);
    if (isOver || stream || document.hidden || !main()) return;
    if (!("EventSource" in window)) return poll();
    lastSign = performance.now();
    stream = new EventSource(main().dataset.live);
    stream.onopen = () => sign();
    stream.onmessage = (event) => {
      sign();
      failures = 0;
      stopPolling();
      swap(event.data);
    };
    stream.addEventListener("beat", (event) => {
      sign();
      failures = 0;
      stopPolling();
      const [at, age] = event.data.split(" ");
      if (age) freshen(at, age);
    });
    stream.addEventListener("place", (event) => {
      sign();
      showPlace(JSON.parse(event.data));
    });
    stream.addEventListener("gone", (event) => {
      if (event.data !== "full") return end(event.data);
      close(); // too many tabs of this link are open: this one asks now and then
      poll();
    });
    stream.addEventListener("later", (event) => {
      close();
      reopening = setTimeout(open, Number(event.data) || 1000);
    });
    stream.addEventListener("renew", renew);
    stream.onerror = fail;
  }

  function sign() {
    lastSign = performance.now();
  }

  function close() {
    stream?.close();
    stream = null;
  }

  function fail() {
    close();
    if (isOver || document.hidden) return;
    failures += 1;
    if (failures >= FAILURES_BEFORE_POLLING) poll();
    const wait = Math.min(LONGEST_WAIT_MS, 1000 * GROWTH ** (failures - 1)) * (0.75 + Math.random() / 2);
    clearTimeout(reopening);
    reopening = setTimeout(failures > 1 ? renew : open, wait);
  }

  // Ask the page for its stream's address again: a ticket may have run out, a link may have ended.
  async function renew() {
    close();
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
      if ([401, 403, 404, 410].includes(answer.status) || answer.redirected) return end("closed");
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("[data-live]")?.dataset.live;
        if (!fresh) return end("over");
        main().dataset.live = fresh;
      }
    } catch {
      /* offline: the stream will say so again */
    }
    open();
  }

  function end(why) {
    isOver = true;
    close();
    stopPolling();
    clearTimeout(reopening);
    if (why === "closed") location.reload();
  }

  /* Polling, where streams do not come through */

  function poll() {
    if (polling || isOver) return;
    polling = setInterval(pollOnce, POLL_MS);
    pollOnce();
  }

  function stopPolling() {
    clearInterval(polling);
    polling = 0;
  }

  async function pollOnce() {
    if (document.hidden || isOver || !main()) return;
    const { poll: fragments = "", pollPlace } = main().dataset;
    for (const address of fragments.split(" ").filter(Boolean)) {
      const body = await fetchNew(address);
      if (body !== null) await swap(body);
    }
    const place = pollPlace && (await fetchNew(pollPlace));
    if (place) showPlace(JSON.parse(place).place);
  }

  async function fetchNew(address) {
    try {
      const known = tags.get(address);
      const answer = await fetch(address, { headers: { "X-Live": "1", ...(known && { "If-None-Match": known }) } });
      if ([401, 404, 410].includes(answer.status)) end("closed");
      if (answer.status !== 200) return null;
      tags.set(address, answer.headers.get("ETag"));
      return await answer.text();
    } catch {
      return null;
    }
  }

  /* What is read aloud: another state, or a time that moved by ten minutes, and not each minute that it moves */

  const SPOKEN_FROM_MS = 600000;
  let spoken = null;

  function speakNews() {
    const promise = document.getElementById("promise");
    const place = document.getElementById("spoken");
    if (!promise || !place) return;
    const now = { news: promise.dataset.news, at: Date.parse(promise.dataset.at) || 0 };
    const isNews = spoken && (now.news !== spoken.news || Math.abs(now.at - spoken.at) >= SPOKEN_FROM_MS);
    if (isNews) place.textContent = promise.textContent.replace(/\s+/g, " ").trim();
    if (isNews || !spoken) spoken = now;
  }

  /* Ages and places */

  function showPlace(place) {
    if (place) freshen(place.at, "0");
    document.dispatchEvent(new CustomEvent("portal:place", { detail: place }));
  }

  function freshen(at, age) {
    const shown = document.querySelector("#signal time[data-ago]");
    if (!shown || Date.parse(at) <= Date.parse(shown.dateTime)) return;
    shown.dateTime = at;
    shown.dataset.age = age;
    tellAges();
  }

  function tellAges() {
    const words = document.querySelector("[data-ago-s]")?.dataset;
    if (!words) return;
    for (const element of document.querySelectorAll("time[data-ago]")) {
      const key = element.dateTime + element.dataset.age;
      if (element.seenAs !== key) Object.assign(element, { seenAs: key, seenAt: performance.now() });
      const age = Number(element.dataset.age) + (performance.now() - element.seenAt) / 1000;
      const text = ageText(words, Math.max(0, Math.floor(age)));
      if (element.textContent !== text) element.textContent = text;
    }
  }

  function ageText(words, age) {
    if (age < 5) return words.agoNow;
    if (age < 60) return words.agoS.replace("#", age);
    if (age < 3600) return words.agoMin.replace("#", Math.floor(age / 60));
    return words.agoH.replace("#", Math.floor(age / 3600));
  }

  /* That somebody looked: after three seconds in view, and again when new lines of the chat are in view */

  function watchSeen() {
    const beacon = document.querySelector("[data-seen]")?.dataset.seen;
    if (!beacon) return;
    let isChatInView = false;
    let pageTold = false;
    const tell = () => {
      if (document.hidden) return;
      const unseen = isChatInView && Number(document.getElementById("chat")?.dataset.unseen) > 0;
      if (pageTold && !unseen) return;
      pageTold = true;
      if (unseen) document.getElementById("chat").dataset.unseen = "0";
      fetch(beacon, { method: "POST", keepalive: true, body: new URLSearchParams(unseen ? { chat: "1" } : {}) }).catch(
        () => {},
      );
    };
    const inView = new IntersectionObserver(
      (entries) => {
        isChatInView = entries.at(-1).isIntersecting;
        if (isChatInView && pageTold) setTimeout(tell, 1000);
      },
      { threshold: 0.1 },
    );
    const observe = () => {
      inView.disconnect();
      const chat = document.getElementById("chat");
      if (chat) inView.observe(chat);
    };
    observe();
    document.addEventListener("portal:refreshed", observe);
    document.addEventListener("portal:swapped", () => pageTold && setTimeout(tell, 1000));
    setTimeout(tell, 3000);
    document.addEventListener("visibilitychange", () => setTimeout(tell, 3000));
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  addEventListener("online", open);
  setInterval(tellAges, 5000);
  setInterval(() => {
    if (stream && performance.now() - lastSign > SILENCE_MS) fail();
  }, 5000);
  tellAges();
  speakNews();
  watchSeen();
  open();
})();
