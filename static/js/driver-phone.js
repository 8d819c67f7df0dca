// The page as an application of the phone: the service worker, what it keeps ahead, the badge, and a short tone for a new
// message. A tone needs a first tap (browsers insist); without one there is still the word on the page.
(() => {
  "use strict";
  const body = document.body;
  const MOST_AHEAD = 5;
  let sound = null;

  const stops = () => [...new Set([...document.querySelectorAll("a[data-stop]")].map((link) => link.getAttribute("href")))];

  const tell = (message) => navigator.serviceWorker?.controller?.postMessage(message);

  const lookAhead = () => {
    if (body.dataset.routeStatus === "finished" || body.dataset.routeStatus === "cancelled") tell({ kind: "over" });
    else if (navigator.onLine && location.pathname === "/d/") tell({ kind: "ahead", paths: stops().slice(0, MOST_AHEAD) });
  };

  const register = async () => {
    if (!("serviceWorker" in navigator) || !isSecureContext) return;
    try {
      await navigator.serviceWorker.register("/d/worker.js", { scope: "/d/", updateViaCache: "none" });
      await navigator.serviceWorker.ready;
      lookAhead();
    } catch {
      // Without a worker the page is as before: it needs signal to open.
    }
  };

  const tone = () => {
    if (!sound || sound.state !== "running") return;
    const start = sound.currentTime;
    for (const [after, hertz] of [[0, 660], [0.16, 880]]) {
      const voice = sound.createOscillator();
      const volume = sound.createGain();
      voice.frequency.value = hertz;
      volume.gain.setValueAtTime(0.0001, start + after);
      volume.gain.exponentialRampToValueAtTime(0.25, start + after + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + after + 0.14);
      voice.connect(volume).connect(sound.destination);
      voice.start(start + after);
      voice.stop(start + after + 0.15);
    }
  };

  const wakeSound = () => {
    if (!("AudioContext" in window)) return;
    sound ??= new AudioContext();
    if (sound.state === "suspended") sound.resume().catch(() => {});
  };

  const badge = (count) => {
    if (!navigator.setAppBadge) return;
    (count ? navigator.setAppBadge(count) : navigator.clearAppBadge()).catch(() => {});
  };

  // What stands here may be what the phone kept: say so, and of when it is.
  const sayAge = () => {
    const note = document.querySelector("[data-stale]");
    if (!note) return;
    note.hidden = navigator.onLine;
    if (!navigator.onLine) note.textContent = note.dataset.stale.replace("#", note.dataset.at);
  };

  document.addEventListener("pointerdown", wakeSound, { passive: true });
  document.addEventListener("keydown", wakeSound);
  document.addEventListener("driver:unread", (event) => {
    badge(event.detail.count);
    if (event.detail.isMore) {
      tone();
      if (navigator.vibrate && navigator.userActivation?.hasBeenActive) navigator.vibrate([120, 80, 120]);
    }
  });
  document.addEventListener("driver:fresh", lookAhead);
  addEventListener("online", sayAge);
  addEventListener("offline", sayAge);
  sayAge();
  badge(Number(document.getElementById("driver-news")?.dataset.unreadCount ?? 0));
  register();
})();
