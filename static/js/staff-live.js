// Keeps one part of a staff page fresh. The stream only says that something changed; the part is then fetched, because
// what a page shows depends on who asks and what they searched for. Without the stream it is fetched every 15 seconds;
// with it once a minute at least, since ages grow and trucks fall silent without a word.
(() => {
  "use strict";
  const toEnd = () => document.querySelectorAll("[data-stick]").forEach((box) => (box.scrollTop = box.scrollHeight));
  toEnd();
  document.addEventListener("htmx:after:swap", toEnd);
  const main = document.querySelector("main[data-part]");
  if (!main) return;
  const QUIET_S = 40;
  const POLL_S = 15;
  const OLD_S = 60;
  const SETTLE_MS = 250;
  const PLACES_MS = 2000; // a fleet moves all the time; its list is read this often at most
  let source = null;
  let seenAt = 0;
  let fetchedAt = performance.now();
  let last = null;
  let settling = 0;
  let failures = 0;
  let isFetching = false;
  let wantsMore = false;

  const fetchPart = async () => {
    if (document.hidden) return;
    if (isFetching) {
      wantsMore = true;
      return;
    }
    isFetching = true;
    fetchedAt = performance.now();
    try {
      const answer = await fetch(main.dataset.part, { headers: { "X-Live": "1" }, credentials: "same-origin" });
      const text = await answer.text();
      if (answer.status === 401) {
        location.reload();
      } else if (answer.ok && text !== last) {
        last = text;
        await show(text);
        failures = 0;
      }
    } catch {
      failures += 1;
    }
    isFetching = false;
    if (wantsMore) {
      wantsMore = false;
      soon();
    }
  };

  const typed = (field) =>
    field.options
      ? [...field.options].some((option) => option.selected !== option.defaultSelected)
      : field.type !== "hidden" && field.value !== field.defaultValue;

  // What somebody has opened, or begun to type, stays under their fingers when the part around it comes anew. Returns
  // what gives the typed words back after the swap.
  const keep = (old, fresh) => {
    for (const open of old.querySelectorAll("details[id][open]")) {
      const twin = fresh.querySelector(`#${CSS.escape(open.id)}`);
      if (twin) twin.open = true;
    }
    const words = [...old.querySelectorAll("input[id], textarea[id], select[id]")].filter(typed);
    const kept = words.map((field) => [field.id, field.value]);
    return () => {
      for (const [id, value] of kept) {
        const field = document.getElementById(id);
        if (field && field.value !== value) field.value = value;
      }
    };
  };

  const show = async (text) => {
    const box = document.createElement("template");
    box.innerHTML = text;
    for (const fresh of [...box.content.children]) {
      const old = fresh.id && document.getElementById(fresh.id);
      if (!old) continue;
      const stays = old.scrollHeight - old.scrollTop - old.clientHeight < 80;
      const giveBack = keep(old, fresh);
      await htmx.swap({ text: fresh.outerHTML, sourceElement: main, target: old, swap: "outerMorph" });
      giveBack();
      const now = document.getElementById(fresh.id);
      if (now && stays && now.dataset.stick !== undefined) now.scrollTop = now.scrollHeight;
    }
    main.dispatchEvent(new CustomEvent("staff:fresh"));
  };

  // The counts beside the navigation come with the stream itself.
  const count = (text) => {
    const box = document.createElement("template");
    box.innerHTML = text;
    const told = box.content.getElementById("live-counts");
    if (!told) return;
    for (const [name, number] of Object.entries(told.dataset)) {
      const badge = document.getElementById(`count-${name}`);
      if (!badge) continue;
      badge.hidden = number === "0";
      badge.firstChild.data = number;
    }
  };

  // A ticket lasts ten minutes; the page, which knows who is logged in, gives a new one.
  const renew = async () => {
    close();
    try {
      const answer = await fetch(main.dataset.renew, { headers: { "X-Live": "1" }, credentials: "same-origin" });
      if (answer.status === 401) location.reload();
      if (answer.ok) main.dataset.live = (await answer.json()).address;
    } catch {
      failures += 1;
    }
    setTimeout(open, Math.min(60, 1.3 ** failures) * 1000 - 1000);
  };

  const soon = (wait = SETTLE_MS) => {
    clearTimeout(settling);
    settling = setTimeout(fetchPart, wait);
  };

  const close = () => {
    if (source) source.close();
    source = null;
  };

  const open = () => {
    close();
    if (!main.dataset.live || document.hidden) return;
    source = new EventSource(main.dataset.live);
    seenAt = performance.now();
    const alive = () => {
      seenAt = performance.now();
      failures = 0;
    };
    source.onmessage = (event) => {
      alive();
      count(event.data);
      if (event.data.includes('"live-mark"')) soon();
    };
    source.addEventListener("renew", renew);
    source.addEventListener("place", () => {
      alive();
      if (performance.now() - fetchedAt > PLACES_MS) soon();
    });
    source.addEventListener("beat", alive);
    source.addEventListener("gone", (event) => (event.data === "closed" ? renew() : close()));
    source.onerror = () => {
      failures += 1;
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(renew, Math.min(60, 1.3 ** failures) * 1000);
      }
    };
  };

  setInterval(() => {
    const isQuiet = (performance.now() - seenAt) / 1000 > QUIET_S;
    if (source && isQuiet) open();
    const isOld = (performance.now() - fetchedAt) / 1000 > OLD_S;
    if (!source || isQuiet || isOld) soon();
  }, POLL_S * 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else {
      open();
      soon();
    }
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
})();
