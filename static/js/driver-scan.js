// Reads labels with the camera, where the phone has a detector: one code after the other, each ticked like a typed one.
(() => {
  "use strict";
  const dialog = document.querySelector("[data-scanner]");
  if (!dialog || !("BarcodeDetector" in window) || !navigator.mediaDevices) return;
  const video = dialog.querySelector("video");
  const hint = dialog.querySelector("[data-scanner-hint]");
  const LOOK_MS = 200;
  const SAME_MS = 3000; // a label stays in the picture for a while after it was read
  let stream = null;
  let looking = 0;
  let last = { code: "", at: 0 };

  const prepare = () => {
    for (const opener of document.querySelectorAll("[data-camera]")) opener.hidden = false;
  };

  const close = () => {
    clearTimeout(looking);
    for (const track of stream ? stream.getTracks() : []) track.stop();
    stream = null;
    if (dialog.open) dialog.close();
  };

  const tick = async (code) => {
    if (navigator.vibrate) navigator.vibrate(60);
    const form = document.querySelector("form[data-form=scan]");
    form.elements.reference.value = code.slice(0, 120);
    form.dataset.sent = "1";
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("day-content");
    if (!answer.ok || !fresh) {
      location.assign(answer.url);
      return;
    }
    document.getElementById("day-content").replaceWith(document.importNode(fresh, true));
    document.dispatchEvent(new CustomEvent("driver:fresh"));
    document.dispatchEvent(new CustomEvent("driver:done"));
    hint.textContent = document.querySelector("#day-content .said")?.textContent ?? "";
  };

  const look = async (detector) => {
    if (!stream) return;
    const codes = await detector.detect(video).catch(() => []);
    const code = codes.map((found) => found.rawValue.trim()).find(Boolean);
    const isSame = code === last.code && performance.now() - last.at < SAME_MS;
    if (code && !isSame) {
      await tick(code).catch(() => {
        delete document.querySelector("form[data-form=scan]").dataset.sent;
        hint.textContent = dialog.dataset.offline;
      });
    }
    if (code) last = { code, at: performance.now() };
    looking = setTimeout(look, LOOK_MS, detector);
  };

  const open = async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      document.querySelector("form[data-form=scan]").elements.reference.focus();
      return;
    }
    video.srcObject = stream;
    dialog.showModal();
    await video.play();
    look(new window.BarcodeDetector());
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-camera]")) open();
  });
  document.addEventListener("driver:fresh", prepare);
  dialog.querySelector("[data-stop-camera]").addEventListener("click", close);
  dialog.addEventListener("cancel", close);
  addEventListener("pagehide", close);
  prepare();
})();
