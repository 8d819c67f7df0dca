// Follows the route: a stream, or polling where streams are blocked, says that something changed; then the page fetches
// its own address again and takes over what is new. Nothing is replaced under somebody's fingers: while a form is in
// use the page only offers to show the change.
(() => {
  "use strict";
  const main = document.querySelector("main[data-poll]");
  if (!main) return;
  const QUIET_MS = 40000;
  const POLL_MS = 10000;
  const MOST_WAIT_MS = 30000;
  let source = null;
  let seenAt = 0;
  let failures = 0;
  let reopening = 0;
  let tag = "";
  let isFetching = false;
  let wantsMore = false;
  const plainTitle = document.title;

  const news = () => document.getElementById("driver-news");
  const content = () => document.getElementById("day-content");

  const take = (html) => {
    const box = document.createElement("template");
    box.innerHTML = html;
    const fresh = box.content.querySelector("#driver-news");
    const old = news();
    if (!fresh || !old) return;
    const before = Number(old.dataset.unreadCount);
    const after = Number(fresh.dataset.unreadCount);
    for (const name of fresh.getAttributeNames()) old.setAttribute(name, fresh.getAttribute(name));
    if (old.textContent !== fresh.textContent) old.textContent = fresh.textContent;
    document.title = after ? `(${after}) ${plainTitle}` : plainTitle;
    document.dispatchEvent(new CustomEvent("driver:unread", { detail: { count: after, isMore: after > before } }));
    catchUp();
  };

  // A form on its way brings the newest page back itself, with a word about what was done.
  const catchUp = () => {
    if (document.querySelector("form[data-sent]")) return;
    if (isBehind()) refresh();
  };

  const isBehind = () => news().dataset.version !== content().dataset.version
    || news().dataset.chatVersion !== content().dataset.chatVersion;

  const isInUse = () => {
    const active = document.activeElement;
    if (active && active.matches("input, textarea, select") && content().contains(active)) return true;
    if (document.querySelector("dialog[open], #day-content details[open] form[data-form]:not([data-form=message])")) return true;
    return [...document.querySelectorAll("#day-content [data-photo]")].some((photo) => photo.files.length)
      || [...document.querySelectorAll("#day-content input[name=receiver]:checked, #day-content [data-inked]")].length > 0
      || [...document.querySelectorAll("#day-content textarea, #day-content input[name=received_by]")].some((box) => box.value);
  };

  const refresh = async () => {
    wantsMore = isFetching;
    if (isFetching || document.hidden) return;
    isFetching = true;
    try {
      const answer = await fetch(location.pathname, { headers: { "X-Live": "1" }, credentials: "same-origin" });
      if (answer.status === 410 || answer.status === 401 || answer.status === 403) location.reload();
      if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // No signal: the next beat tries again.
    }
    isFetching = false;
    if (wantsMore) refresh();
  };

  const show = (page) => {
    const fresh = page.getElementById("day-content");
    if (!fresh) return;
    main.dataset.live = page.querySelector("main").dataset.live;
    if (page.body.dataset.routeStatus !== document.body.dataset.routeStatus) {
      location.reload();
      return;
    }
    for (const chat of fresh.querySelectorAll("ol.chat")) {
      const old = document.getElementById(chat.id);
      if (old && old.dataset.last !== chat.dataset.last) old.replaceWith(document.importNode(chat, true));
    }
    for (const who of fresh.querySelectorAll(".talk__who")) {
      const old = document.getElementById(who.id);
      if (old && !old.isEqualNode(who)) old.replaceWith(document.importNode(who, true));
    }
    if (isInUse()) {
      if (fresh.dataset.version !== content().dataset.version) offer();
      content().dataset.chatVersion = fresh.dataset.chatVersion;
    } else {
      const open = [...content().querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
      window.driverFocus.replace(content(), document.importNode(fresh, true));
      for (const summary of content().querySelectorAll("details > summary")) {
        if (open.includes(summary.textContent)) summary.parentElement.open = true;
      }
    }
    document.dispatchEvent(new CustomEvent("driver:fresh"));
  };

  const offer = () => {
    if (document.querySelector(".changed")) return;
    const words = document.getElementById("changed-words");
    content().prepend(document.importNode(words.content, true));
    content().querySelector("[data-reload]").addEventListener("click", () => location.reload());
  };

  const poll = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(main.dataset.poll, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status === 410 || answer.status === 401 || answer.status === 403) location.reload();
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") || "";
        take(await answer.text());
      }
    } catch {
      // No signal: the next round tries again.
    }
  };

  const close = () => {
    clearTimeout(reopening);
    if (source) source.close();
    source = null;
  };

  const again = () => {
    close();
    failures += 1;
    reopening = setTimeout(open, Math.min(MOST_WAIT_MS, 1000 * 1.3 ** (failures - 1)));
  };

  const open = () => {
    close();
    if (!main.dataset.live || document.hidden || failures > 12) return;
    source = new EventSource(main.dataset.live);
    seenAt = performance.now();
    const alive = () => {
      seenAt = performance.now();
      failures = 0;
    };
    source.onmessage = (event) => {
      alive();
      take(event.data);
    };
    source.addEventListener("beat", alive);
    source.addEventListener("renew", async () => {
      close();
      await refresh();
      open();
    });
    source.addEventListener("later", (event) => {
      close();
      reopening = setTimeout(open, Number(event.data) || 1000);
    });
    source.addEventListener("gone", () => {
      close();
      main.dataset.live = "";
    });
    source.onerror = again;
  };

  setInterval(() => {
    if (source && performance.now() - seenAt > QUIET_MS) again();
    if (!source || source.readyState !== EventSource.OPEN) poll();
  }, POLL_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else {
      open();
      poll();
    }
  });
  document.addEventListener("driver:done", () => {
    if (isBehind()) poll();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  open();
})();
