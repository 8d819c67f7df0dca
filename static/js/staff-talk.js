// One conversation: says that it was read and who is here, keeps a draft, puts canned answers in.
(() => {
  "use strict";
  const BEAT_MS = 10_000;
  const WRITING_MS = 8_000;
  const READ_AFTER_MS = 1_000;
  const $ = (id) => document.getElementById(id);
  const box = () => $("reply");
  const draftKey = () => `draft/${$("reply-form")?.dataset.draft}`;
  let typedAt = -WRITING_MS;
  let told = "";
  let reading = 0;

  const fields = (more) => new URLSearchParams({ csrf_token: $("talk").dataset.token, ...more });
  const post = (url, more = {}) =>
    fetch(url, { method: "POST", body: fields(more), headers: { "X-Live": "1" }, keepalive: true }).catch(() => null);

  // Read: only what was in view for a second

  const read = () => {
    clearTimeout(reading);
    reading = setTimeout(() => {
      if (document.hidden || !$("talk") || $("thread").dataset.unseen === "0") return;
      $("thread").dataset.unseen = "0";
      post($("talk").dataset.seen);
    }, READ_AFTER_MS);
  };

  // Here: beats while the page is in view, at once when writing begins or ends

  const doing = () => (box()?.value.trim() && performance.now() - typedAt < WRITING_MS ? "writing" : "reading");
  const beat = (isDue) => {
    if (document.hidden || !$("talk")) return;
    const now = doing();
    if (isDue || now !== told) post($("talk").dataset.here, { doing: (told = now) });
  };
  const left = () => {
    told = "";
    if (!$("talk")) return;
    navigator.sendBeacon($("talk").dataset.here, fields({ doing: "left" }));
  };
  setInterval(() => beat(true), BEAT_MS);
  setInterval(() => beat(false), 1000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return left();
    beat(true);
    read();
  });
  addEventListener("pagehide", left);
  document.addEventListener("staff:fresh", read, true);

  // Draft

  const restore = () => {
    const kept = sessionStorage.getItem(draftKey());
    if (box() && kept && !box().value) box().value = kept;
  };
  document.addEventListener("input", (event) => {
    if (event.target !== box()) return;
    typedAt = performance.now();
    if (box().value) sessionStorage.setItem(draftKey(), box().value);
    else sessionStorage.removeItem(draftKey());
  });
  let sent = null; // what no answer came to yet, as [key, words]: a draft again if the login, or the page, ends before
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "reply-form") return;
    sent = [draftKey(), box().value];
    sessionStorage.removeItem(draftKey());
  });
  const keepSent = () => {
    if (sent && !sessionStorage.getItem(sent[0])) sessionStorage.setItem(...sent);
  };
  addEventListener("pagehide", keepSent);
  document.addEventListener("htmx:after:swap", () => {
    if (!$("talk")) keepSent();
    if (!box()?.value) sent = null;
    if ($("reply-problem")) {
      sessionStorage.setItem(draftKey(), box().value);
      document.querySelector(".chat__line--fresh")?.scrollIntoView({ block: "nearest" });
    }
    if (document.activeElement === document.body) box()?.focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target !== box()) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      $("reply-form").requestSubmit();
    } else if (event.key === "Escape") box().blur();
  });

  // Canned answers

  const offers = () => [...document.querySelectorAll("#offers .offer")].filter((offer) => !offer.closest("li").hidden);
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const put = (text) => {
    const field = box();
    const before = field.value.slice(0, field.selectionStart);
    const gap = before && !/\s$/.test(before) ? " " : "";
    $("offers").open = false;
    field.focus();
    field.setRangeText(gap + text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  document.addEventListener("click", (event) => {
    const offer = event.target.closest?.("#offers .offer");
    if (offer) {
      event.preventDefault();
      put(offer.dataset.text);
    } else if ($("offers")?.open && !event.target.closest?.("#offers")) $("offers").open = false;
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.id !== "offers" || !event.target.open) return;
    const find = $("offers-find");
    find.value = "";
    find.dispatchEvent(new Event("input", { bubbles: true }));
    find.focus();
  }, true);
  document.addEventListener("input", (event) => {
    if (event.target.id !== "offers-find") return;
    const wanted = plain(event.target.value);
    for (const offer of document.querySelectorAll("#offers .offer"))
      offer.closest("li").hidden = !plain(offer.textContent).includes(wanted);
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.closest?.("#offers")) return;
    const all = offers();
    const at = all.indexOf(document.activeElement);
    if (event.key === "ArrowDown") all[Math.min(all.length - 1, at + 1)]?.focus();
    else if (event.key === "ArrowUp") (at > 0 ? all[at - 1] : $("offers-find")).focus();
    else if (event.key === "Escape") {
      $("offers").open = false;
      box().focus();
    } else if (event.key === "Enter" && event.target.id === "offers-find" && all.length) put(all[0].dataset.text);
    else return;
    event.preventDefault();
  });

  restore();
  read();
  beat(true);
})();
