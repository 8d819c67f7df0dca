// The outbox of the phone: what was tapped without signal is kept in IndexedDB, in order, with its photos, and sent when
// there is signal, also after the page was closed and opened again. Each entry has a request id of its own, so the server
// counts it once; it carries how long ago it was tapped, so that the record has the true time.
window.driverOutbox = (() => {
  "use strict";
  const RETRY_MS = 4000;
  const STORE = "taps";
  let isSending = false;
  let isWanted = false;
  let opened = null;

  const open = () => {
    opened ??= new Promise((done, fail) => {
      const asked = indexedDB.open("driver", 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
      asked.onsuccess = () => done(asked.result);
      asked.onerror = () => fail(asked.error);
    });
    return opened;
  };

  const work = async (mode, act) => {
    const store = (await open()).transaction(STORE, mode).objectStore(STORE);
    const asked = act(store);
    return new Promise((done, fail) => {
      asked.onsuccess = () => done(asked.result);
      asked.onerror = () => fail(asked.error);
    });
  };

  const kept = () => work("readonly", (store) => store.getAll());

  const waiting = async () => (await kept()).filter((tap) => !tap.refused);

  const note = () => document.querySelector("[data-sending]");

  const say = (words, kind) => {
    const place = note();
    if (!place) return;
    place.textContent = words;
    place.className = `notice notice--${kind} sending`;
    place.hidden = !words;
  };

  const sayWaiting = (taps) => {
    const place = note();
    if (!place || place.dataset.refused) return;
    if (!taps.length) return say("", "warn");
    const names = taps.map((tap) => tap.label).filter(Boolean).join(", ");
    say(`${place.dataset.waiting} ${names}`, "warn");
  };

  // Returns the entry's id. The entry is on the phone before anything is sent.
  const keep = async (form, body, label) => {
    const fields = [...body.entries()];
    const tap = { action: form.getAttribute("action"), kind: form.dataset.form, fields, label, at: Date.now() };
    return work("readwrite", (store) => store.add(tap));
  };

  const bodyOf = (tap) => {
    const body = new FormData();
    for (const [name, value] of tap.fields) body.append(name, value);
    body.set("tapped_s_ago", String(Math.max(0, (Date.now() - tap.at) / 1000)));
    return body;
  };

  const drop = (id) => work("readwrite", (store) => store.delete(id));

  const tellSent = (id, answer) => document.dispatchEvent(new CustomEvent("driver:sent", { detail: { id, answer } }));

  // One round through what waits, oldest first. False when something could not get out, so that another try has to wait.
  const round = async () => {
    for (const tap of await waiting()) {
      let answer;
      try {
        const headers = isLine(tap) ? { "HX-Request": "true" } : {};
        answer = await fetch(tap.action, { method: "POST", headers, body: bodyOf(tap) });
      } catch {
        return false;
      }
      if (answer.status >= 500 || answer.status === 429) return false;
      if ([401, 403, 410].includes(answer.status)) {
        tellSent(tap.id, answer); // the link has ended: what waits stays, for when it is opened again
        return false;
      }
      if (answer.ok || !isLine(tap)) await drop(tap.id);
      if (!answer.ok) await refused(tap, answer.clone());
      tellSent(tap.id, answer);
    }
    return true;
  };

  // Sends what waits; each answer comes as "driver:sent". What is tapped meanwhile goes out in the same call.
  const flush = async () => {
    isWanted = true;
    if (isSending) return;
    isSending = true;
    try {
      while (isWanted) {
        isWanted = false;
        if (!(await round())) break;
      }
    } finally {
      isSending = false;
    }
    sayWaiting(await waiting());
  };

  const isLine = (tap) => tap.kind === "message";

  // Words that were refused stay on the phone, and on the page, until they are thrown away.
  const showUnsent = async () => {
    const place = document.querySelector("[data-unsent]");
    const words = document.getElementById("unsent-words");
    if (!place || !words) return;
    const rows = (await kept()).filter((tap) => tap.refused).map((tap) => {
      const row = document.importNode(words.content, true).firstElementChild;
      row.querySelector("[data-why]").textContent = tap.refused;
      row.querySelector("[data-words]").textContent = wordsOf(tap);
      row.querySelector("button").addEventListener("click", async () => {
        await drop(tap.id);
        row.remove();
      });
      return row;
    });
    place.replaceChildren(...rows);
  };

  const wordsOf = (tap) => new Map(tap.fields).get("quick") ?? new Map(tap.fields).get("body") ?? "";

  // A tap that the server will never take is told, not dropped in silence.
  const refused = async (tap, answer) => {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const why = page.querySelector("main .lead, main p")?.textContent ?? String(answer.status);
    if (isLine(tap)) {
      await work("readwrite", (store) => store.put({ ...tap, refused: why }));
      await showUnsent();
      return;
    }
    note().dataset.refused = "1";
    say(`${tap.label}: ${why}`, "bad");
    note().scrollIntoView({ block: "center" });
  };

  const isUsable = "indexedDB" in window;
  if (isUsable) {
    addEventListener("online", () => flush());
    setInterval(() => flush(), RETRY_MS);
    showUnsent().catch(() => {});
    waiting().then((taps) => {
      sayWaiting(taps);
      if (!taps.length) return;
      document.addEventListener("driver:sent", (event) => event.detail.answer.ok && location.reload(), { once: true });
      flush();
    }).catch(() => {});
  }
  return { isUsable, keep, flush, waiting };
})();
