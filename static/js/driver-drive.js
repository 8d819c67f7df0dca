// While the truck moves nothing is to be read: a message is read aloud in its language, with three big answers and nothing
// else. The phone's own speed says so first, the server's last position where the phone does not know. Standing again
// brings everything back. Without speech the driver is only told that somebody wrote.
(() => {
  "use strict";
  const dialog = document.querySelector("[data-drive]");
  if (!dialog) return;
  const SPEED_COUNTS_MS = 15000;
  const SHOWN_MS = 45000;
  const NOTHING_TO_TAP_MS = 4000;
  const movingMps = Number(dialog.dataset.movingMps);
  const standingMps = Number(dialog.dataset.standingMps);
  const standsAfterMs = () => Number(dialog.dataset.standingS) * 1000; // a red light's first seconds are still driving
  const who = dialog.querySelector("[data-drive-who]");
  const note = dialog.querySelector("[data-drive-note]");
  const answers = dialog.querySelector("[data-drive-answers]");
  const news = () => document.getElementById("driver-news");
  let speedAt = 0;
  let slowSince = 0;
  let isMoving = false;
  let hiding = 0;
  let told = 0; // the last line that was shown
  const heard = new Map();

  const canSpeak = () => "speechSynthesis" in window && (navigator.userActivation?.hasBeenActive ?? true);

  const close = () => {
    clearTimeout(hiding);
    if ("speechSynthesis" in window) speechSynthesis.cancel();
    if (dialog.open) dialog.close();
  };

  const setMoving = (moves) => {
    if (moves === isMoving) return;
    isMoving = moves;
    document.body.dataset.moving = moves ? "yes" : "no";
    document.dispatchEvent(new CustomEvent("driver:moving", { detail: moves }));
    if (moves) return look();
    close();
    sayHeard();
    document.dispatchEvent(new CustomEvent("driver:fresh"));
  };

  const onSpeed = (mps) => {
    if (!Number.isFinite(mps)) return;
    const now = performance.now();
    speedAt = now;
    if (mps >= movingMps) slowSince = 0;
    else if (mps <= standingMps) slowSince ||= now;
    if (mps >= movingMps) setMoving(true);
    else if (slowSince && now - slowSince >= standsAfterMs()) setMoving(false);
  };

  const judge = () => {
    const now = performance.now();
    if (speedAt && now - speedAt < SPEED_COUNTS_MS) {
      if (slowSince && now - slowSince >= standsAfterMs()) setMoving(false);
      return;
    }
    setMoving(news()?.dataset.moving === "yes");
  };

  const utter = (text, lang) => new Promise((done) => {
    const said = new SpeechSynthesisUtterance(text);
    said.lang = lang;
    said.onend = () => done(true);
    said.onerror = () => done(false);
    speechSynthesis.speak(said);
  });

  const speak = async (message) => {
    if (!canSpeak()) return false;
    speechSynthesis.cancel();
    return (await utter(message.intro, message.own_lang)) && utter(message.text, message.lang);
  };

  const answer = async (message, send) => {
    close();
    const body = new FormData();
    body.set("quick", send);
    body.set("request_id", crypto.randomUUID().replaceAll("-", ""));
    const action = `/d/deliveries/${message.delivery}/messages`;
    try {
      const taken = await fetch(action, { method: "POST", headers: { "HX-Request": "true" }, body });
      if (taken.status >= 500 || taken.status === 429) throw new Error(String(taken.status));
      if (!taken.ok) return;
    } catch {
      const form = document.createElement("form");
      form.setAttribute("action", action);
      form.dataset.form = "message";
      await window.driverOutbox?.keep(form, body, send).catch(() => {});
      return;
    }
    look();
  };

  const show = async (message) => {
    told = message.line;
    who.textContent = message.who;
    note.textContent = message.note;
    answers.replaceChildren(
      ...message.answers.map((one) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "button drive__answer";
        button.textContent = one.say;
        button.addEventListener("click", () => answer(message, one.send));
        return button;
      }),
    );
    if (!dialog.open) dialog.showModal();
    clearTimeout(hiding);
    hiding = setTimeout(close, SHOWN_MS);
    const wasRead = await speak(message);
    if (!isMoving) return;
    if (!message.answers.length) setTimeout(() => told === message.line && close(), NOTHING_TO_TAP_MS);
    if (!wasRead) {
      note.textContent = dialog.dataset.waits;
      return;
    }
    heard.set(message.stop, message.who);
    fetch(`/d/deliveries/${message.delivery}/heard`, { method: "POST" }).catch(() => {});
  };

  const look = async () => {
    if (!isMoving || document.hidden || dialog.open || !Number(news()?.dataset.unreadCount)) return;
    try {
      const reply = await fetch("/d/aloud", { cache: "no-store" });
      const message = reply.ok ? await reply.json() : null;
      if (message && isMoving && message.line !== told) await show(message);
    } catch {
      // No signal: there is nothing to read either.
    }
  };

  // Standing again: what was read aloud is named, with the way to it.
  const sayHeard = () => {
    const place = document.querySelector("[data-heard]");
    if (!place || !heard.size) return;
    const links = [...heard].map(([stop, name]) => {
      const link = document.createElement("a");
      link.href = `/d/stops/${stop}`;
      link.textContent = name;
      return link;
    });
    place.querySelector("[data-heard-list]").replaceChildren(...links.flatMap((link, n) => (n ? [" · ", link] : [link])));
    place.hidden = false;
    heard.clear();
  };

  document.addEventListener("driver:speed", (event) => onSpeed(event.detail));
  document.addEventListener("driver:unread", look);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  setInterval(judge, 1000);
  judge();
})();
