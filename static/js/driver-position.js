// Shares this phone's position while the route is under way. Fixes wait in localStorage while there is no signal, and
// the page says so. Times are corrected by the server's clock, since phones' clocks are often off.
(() => {
  "use strict";
  const body = document.body;
  const button = document.querySelector("[data-share]");
  const note = document.querySelector("[data-share-note]");
  if (!button || !navigator.geolocation || !body.dataset.deviceToken) return;
  const words = button.querySelector("[data-share-text]");
  const KEEP_MS = 4000; // a fix every 4 s is as fine as the engine needs
  const SEND_MS = 5000;
  const MOST_WAITING = 3000; // about three hours without signal
  const BATCH = 200; // the server takes 500
  const STALE_MS = 60000;
  const waitingKey = `fixes:${body.dataset.route}`;
  const offKey = `share-off:${body.dataset.route}`;
  const aheadMs = Date.parse(body.dataset.now) - Date.now();
  let watch = null;
  let lock = null;
  let keptAt = 0;
  let fixAt = 0;
  let startedAt = 0;
  let isSending = false;
  let trouble = "";

  const waiting = () => {
    try {
      return JSON.parse(localStorage.getItem(waitingKey) || "[]");
    } catch {
      return [];
    }
  };
  const keep = (fixes) => {
    try {
      localStorage.setItem(waitingKey, JSON.stringify(fixes.slice(-MOST_WAITING)));
    } catch {
      localStorage.removeItem(waitingKey);
    }
  };

  const say = () => {
    const isOn = watch !== null;
    const isQuiet = isOn && Date.now() - Math.max(fixAt, startedAt) > STALE_MS;
    const state = trouble || (isQuiet ? "searching" : "");
    button.hidden = false;
    button.setAttribute("aria-pressed", String(isOn));
    button.dataset.state = isOn ? state || "on" : "off";
    words.textContent = !isOn ? note.dataset.labelOff : state === "offline" ? note.dataset.labelWaiting : note.dataset.labelOn;
    const sentence = !isOn ? note.dataset[trouble || "off"] : state ? note.dataset[state] : "";
    button.dataset.waiting = waiting().length;
    const told = state === "offline" ? `${sentence}${button.dataset.waiting}` : sentence;
    if (note.textContent !== told) note.textContent = told;
    note.hidden = !told;
  };

  const onFix = (position) => {
    const { latitude, longitude, accuracy, speed, heading } = position.coords;
    fixAt = Date.now();
    document.dispatchEvent(new CustomEvent("driver:speed", { detail: speed }));
    for (const field of document.querySelectorAll("[data-where=lat]")) field.value = latitude.toFixed(6);
    for (const field of document.querySelectorAll("[data-where=lon]")) field.value = longitude.toFixed(6);
    if (trouble === "denied" || trouble === "searching") trouble = "";
    if (position.timestamp - keptAt < KEEP_MS) return;
    keptAt = position.timestamp;
    const finite = (value) => (Number.isFinite(value) ? value : null);
    keep([...waiting(), {
      lat: latitude,
      lon: longitude,
      at: new Date(position.timestamp + aheadMs).toISOString(),
      accuracy_m: finite(accuracy),
      speed_mps: finite(speed),
      heading: finite(heading),
    }]);
    send();
    say();
  };

  const onError = (error) => {
    if (error.code === error.PERMISSION_DENIED) {
      trouble = "denied";
      stop();
    } else {
      trouble = "searching";
    }
    say();
  };

  const send = async () => {
    const batch = waiting().slice(0, BATCH);
    if (isSending || !batch.length || trouble === "refused") return;
    isSending = true;
    try {
      const answer = await fetch(body.dataset.positionsUrl, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${body.dataset.deviceToken}` },
        body: JSON.stringify({ positions: batch }),
        credentials: "omit",
      });
      if (answer.status === 401) {
        trouble = "refused";
      } else if (answer.status >= 500 || answer.status === 429) {
        trouble = "offline";
      } else {
        // Taken, or refused for good: sending the same again would not help.
        const last = batch[batch.length - 1].at;
        keep(waiting().filter((fix) => fix.at > last));
        trouble = "";
      }
    } catch {
      trouble = "offline";
    }
    isSending = false;
    say();
  };

  const stayAwake = async () => {
    if (!navigator.wakeLock || document.hidden || watch === null || lock) return;
    try {
      lock = await navigator.wakeLock.request("screen");
      lock.addEventListener("release", () => {
        lock = null;
      });
    } catch {
      lock = null;
    }
  };

  const start = () => {
    if (watch !== null) return;
    if (trouble !== "refused") trouble = "";
    startedAt = Date.now();
    localStorage.removeItem(offKey);
    watch = navigator.geolocation.watchPosition(onFix, onError, { enableHighAccuracy: true, maximumAge: 2000 });
    stayAwake();
    say();
  };

  const stop = () => {
    if (watch !== null) navigator.geolocation.clearWatch(watch);
    watch = null;
    if (lock) lock.release();
    say();
  };

  button.addEventListener("click", () => {
    if (watch === null) {
      start();
    } else {
      localStorage.setItem(offKey, "1");
      stop();
    }
  });
  document.addEventListener("visibilitychange", stayAwake);
  addEventListener("online", send);
  setInterval(() => {
    send();
    say();
  }, SEND_MS);
  if (localStorage.getItem(offKey)) say();
  else start();
})();
