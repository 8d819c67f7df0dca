// For every staff page: keys, timers that go on counting, and the list of keys. All of it has a button too.
(() => {
  "use strict";
  document.documentElement.classList.add("is-scripted");
  const OFF = "desk-keys-off";
  const LONG_S = 600; // a wait this long is shown in red, as the server does
  const $ = (id) => document.getElementById(id);

  // Keys

  const isTyping = (at) =>
    at.closest?.("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=button], [type=submit])");
  const rows = () => [...document.querySelectorAll("main a.row, main .row--key")].filter((row) => row.offsetParent);

  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };

  const search = () => {
    const box = $("q");
    if (!box) return location.assign("/staff/inbox#q");
    box.focus();
    box.select();
  };

  const press = (key) => {
    const target = document.querySelector(`main [data-key="${key}"]`);
    if (!target || target.disabled) return false;
    target.click();
    return true;
  };

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    "/": search,
    "?": () => $("keys")?.showModal(),
    r: () => $("reply")?.focus(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    if (localStorage.getItem(OFF) && event.key !== "?") return;
    const act = KEYS[event.key];
    if (act) {
      event.preventDefault();
      act();
    } else if (/^[a-z]$/.test(event.key) && press(event.key)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-opens]");
    if (opener) $(opener.dataset.opens)?.showModal();
  });
  const isOff = $("keys-off");
  if (isOff) {
    isOff.checked = Boolean(localStorage.getItem(OFF));
    isOff.addEventListener("change", () =>
      isOff.checked ? localStorage.setItem(OFF, "1") : localStorage.removeItem(OFF),
    );
  }
  if (location.hash === "#q") $("q")?.focus();

  // Timers: the server says how many seconds somebody has waited, the page counts on.

  const begun = new WeakMap();
  const span = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min`;
    if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
    return `${Math.floor(minutes / 1440)} days`;
  };
  const count = () => {
    for (const timer of document.querySelectorAll("[data-waited-s]")) {
      const told = timer.dataset.waitedS;
      let since = begun.get(timer);
      if (!since || since.told !== told) begun.set(timer, (since = { told, at: performance.now() }));
      const seconds = Number(told) + Math.round((performance.now() - since.at) / 1000);
      const text = timer.dataset.waitedWords.replace("%", span(seconds));
      if (timer.textContent !== text) timer.textContent = text;
      timer.classList.toggle("bad", seconds >= LONG_S);
    }
  };
  count();
  setInterval(count, 5000);
  document.addEventListener("staff:fresh", count, true);
})();
